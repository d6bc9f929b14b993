"""Null spaces in exact arithmetic."""

from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from physmix.constraints import LinearSet, null_space

entries = st.dictionaries(st.integers(0, 6), st.fractions(-5, 5, max_denominator=7).filter(bool), max_size=4)


def dense(rows, size):
    matrix = torch.zeros(len(rows), size, dtype=torch.float64)
    for i, row in enumerate(rows):
        for j, value in row.items():
            matrix[i, j] = float(value)
    return matrix


@given(st.lists(entries, max_size=6))
def test_it_is_the_null_space_of_the_svd(rows):
    matrix, basis = dense(rows, 7), null_space(rows, 7)
    eye = torch.eye(basis.shape[1], dtype=torch.float64)
    torch.testing.assert_close(basis.T @ basis, eye, rtol=0, atol=1e-13)
    slow = LinearSet(matrix)
    assert basis.shape[1] == slow.nullity
    torch.testing.assert_close(basis @ basis.T, slow.basis() @ slow.basis().T, rtol=0, atol=1e-10)


def test_small_entries_are_right_to_their_last_bit():
    """w0 + 1e12 w1 = 0, w1 = w2: the entries of one solution are 1e12 apart."""
    rows = [{0: Fraction(1), 1: Fraction(10**12)}, {1: Fraction(1), 2: Fraction(-1)}]
    (vector,) = null_space(rows, 3).T
    assert vector[1] == vector[2]
    assert abs(vector[0] / vector[1] / -1e12 - 1) < 4e-16
    slow = torch.linalg.svd(dense(rows, 3)).Vh[2]
    assert abs(slow[0] / slow[1] / -1e12 - 1) > 1e-9  # what a decomposition in floating point gives
