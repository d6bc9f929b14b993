"""Any convex set written in cvxpy."""

import pickle

import cvxpy
import pytest
import torch
from set_cases import norm_and_order, norm_and_order_missed, normal

from physmix.constraints import Convex, LinearSet, Simplex, intersect
from physmix.errors import SettingsError


def test_a_set_of_a_named_function_survives_pickling():
    members = Convex(norm_and_order, (6,))
    again = pickle.loads(pickle.dumps(members))
    weight = normal(6)
    torch.testing.assert_close(again.project(weight), members.project(weight), rtol=0, atol=1e-9)
    assert repr(again) == repr(members)


def test_leading_axes_are_members_of_their_own():
    members, weight = Convex(norm_and_order, (6,)), normal(2, 3, 6)
    assert members.residual(weight).shape == (2, 3, 3)
    found = members.project(weight)
    assert found.shape == weight.shape
    assert float(norm_and_order_missed(found).max()) <= 1e-8


def test_a_member_keeps_every_digit():
    member = torch.tensor([0.9, 0.1, 0, 0, 0, 0], dtype=torch.float64)
    assert torch.equal(Convex(norm_and_order, (6,)).project(member), member)


@pytest.mark.parametrize(
    "constraints", [lambda w: [cvxpy.norm(w) >= 1], lambda w: [cvxpy.sqrt(w) <= 1]], ids=["outside", "root"]
)
def test_what_is_not_convex_is_refused(constraints):
    with pytest.raises(SettingsError, match="cannot tell"):
        Convex(constraints, (3,))


def test_complex_weights_are_refused():
    with pytest.raises(SettingsError, match="view_as_real"):
        Convex(norm_and_order, (6,)).project(normal(6, dtype=torch.complex128))


def test_semidefinite_matrices_lose_their_negative_eigenvalues():
    weight = normal(4, 4)
    weight = weight + weight.T
    values, vectors = torch.linalg.eigh(weight)
    expected = vectors @ torch.diag(values.clamp_min(0)) @ vectors.T
    found = Convex(lambda w: [w >> 0, w == w.T], (4, 4)).project(weight)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_it_meets_other_sets():
    """Shares whose largest is at most twice the mean, whatever the solver's own tolerance."""
    capped = Convex(lambda w: [cvxpy.max(w) <= 0.4], (5,))
    meeting = intersect(capped, Simplex(), shape=(5,))
    member = meeting.project(normal(5))
    assert meeting.contains(member)
    assert meeting.tolerance >= capped.tolerance
    exact = Convex(lambda w: [w >= 0, cvxpy.sum(w) == 1, w <= 0.4], (5,)).project(normal(5))
    torch.testing.assert_close(member, exact, rtol=0, atol=1e-5)


def test_equations_in_cvxpy_are_those_of_a_linear_set():
    matrix, side = normal(2, 5), normal(2, seed=1)
    weight = normal(3, 5, seed=2)
    slow = Convex(lambda w: [matrix.numpy() @ w == side.numpy()], (5,))
    torch.testing.assert_close(
        slow.project(weight), LinearSet(matrix, side).project(weight), rtol=0, atol=1e-6
    )
