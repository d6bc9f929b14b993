"""Newton's method on the dual: large points, corners, and weights it must not take."""

import pytest
import torch
from set_cases import normal, polyhedron

from physmix.constraints import Box, DoublyStochastic, Nonnegative, Rotation, Simplex, intersect, on_weight
from physmix.errors import SettingsError


def shares(size):
    return intersect(Simplex(), Box(0, 10), shape=(size,))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e3, 1e6])
def test_shares_are_those_of_sorting_however_large_the_point(size):
    """The simplex by Newton's method and by sorting; bounds of ten are out of reach."""
    points = size * normal(50, 9)
    found, sorted_ = shares(9).project(points), Simplex().project(points)
    torch.testing.assert_close(found, sorted_, rtol=0, atol=1e-14 * (1 + size))
    assert shares(9).contains(found)


@pytest.mark.parametrize("size", [1.0, 30.0, 1e3])
def test_doubly_stochastic_matrices_are_reached_from_afar(size):
    found = DoublyStochastic().project(size * normal(20, 6, 6))
    assert DoublyStochastic().contains(found)


def test_a_far_point_ends_at_a_permutation_and_a_permutation_stays():
    order = torch.tensor([2, 0, 3, 1, 4])
    permutation = torch.eye(5).double()[order]
    assert torch.allclose(DoublyStochastic().project(100 * permutation), permutation, rtol=0, atol=1e-13)
    assert torch.allclose(DoublyStochastic().project(permutation), permutation, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("equations", "numbers"), [(1, 6), (8, 24), (30, 100)], ids=str)
def test_many_equations_with_bounds_are_certified(equations, numbers):
    matrix = normal(equations, numbers, seed=1)
    side = matrix @ torch.rand(numbers, generator=torch.Generator().manual_seed(2)).double()
    members = intersect(on_weight(matrix, side, shape=(1, numbers)), Box(0, 1), shape=(1, numbers))
    points = 3 * normal(4, 1, numbers, seed=3)
    found = members.project(points)
    low, high = torch.zeros(()).double(), torch.ones(()).double()
    missed, beyond = polyhedron(matrix, side, low, high, 2)
    assert float(missed(found).max()) <= 1e-12
    assert float(beyond(points - found, found).max()) <= 1e-9 * numbers


def test_a_polyhedron_of_one_point_is_found():
    """Sum and bounds leave nothing to choose: every gram matrix on the way is singular."""
    members = intersect(Simplex(), Box(0.25, 1), shape=(4,))
    assert torch.allclose(
        members.project(normal(10, 4)), torch.full((10, 4), 0.25).double(), rtol=0, atol=1e-12
    )


REAL_ONLY = [shares(4), DoublyStochastic(), Nonnegative(), Box(-1, 2), Simplex(), Rotation()]


@pytest.mark.parametrize("members", REAL_ONLY, ids=repr)
def test_complex_weights_are_refused_where_numbers_are_compared(members):
    with pytest.raises(SettingsError, match="the weight is complex"):
        members.project(normal(*(members.shape or (4, 4)), dtype=torch.complex128))
