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
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("distance", [1e-9, 1e-8, 1e-7, 1e-3, 1.0, 1e3])
def test_it_is_the_closed_form_to_round_off_from_any_distance(distance):
    """Near the edge multipliers and slacks are as small as a solver's tolerance; the point must be right."""
    simplex, members = Simplex(), Convex(lambda w: [w >= 0, cvxpy.sum(w) == 1], (7,))
    starts = simplex.project(2 * normal(20, 7)) + distance * normal(20, 7, seed=1)
    torch.testing.assert_close(
        members.project(starts), simplex.project(starts), rtol=0, atol=2e-15 * (1 + distance)
    )


def test_second_order_cones_meet_planes_to_round_off():
    """The nearest point of a ball's slice, by hand: onto the plane, then onto the disc in it."""
    weight = 3 * normal(10, 5)
    members = Convex(lambda w: [cvxpy.norm(w) <= 1, cvxpy.sum(w) == 1], (5,))
    centre = torch.full((5,), 0.2, dtype=torch.float64)
    flat = weight - weight.mean(1, keepdim=True) + centre
    away = flat - centre
    expected = centre + away * ((1 - 0.2) ** 0.5 / away.norm(dim=1, keepdim=True)).clamp_max(1)
    torch.testing.assert_close(members.project(weight), expected, rtol=0, atol=1e-14)


def test_exponential_cones_keep_the_tolerance_of_the_solver():
    """The set exp(w0) <= w1: optimality along its edge, checked by the condition on the normal."""
    members = Convex(lambda w: [cvxpy.exp(w[0]) <= w[1]], (2,))
    weight = torch.tensor([[1.0, 0.0], [-2.0, -1.0], [0.5, 3.0]], dtype=torch.float64)
    found = members.project(weight)
    assert bool(members.contains(found))
    assert torch.equal(found[2], weight[2])
    tangent = torch.stack((torch.ones(3).double(), found[:, 0].exp()), 1)
    assert float(((weight - found) * tangent).sum(1)[:2].abs().max()) <= 1e-5


def test_it_meets_other_sets():
    """Shares whose largest is at most twice the mean, whatever the solver's own tolerance."""
    capped = Convex(lambda w: [cvxpy.max(w) <= 0.4], (5,))
    meeting = intersect(capped, Simplex(), shape=(5,))
    member = meeting.project(normal(5))
    assert meeting.contains(member)
    assert meeting.tolerance >= capped.tolerance
    exact = Convex(lambda w: [w >= 0, cvxpy.sum(w) == 1, w <= 0.4], (5,)).project(normal(5))
    torch.testing.assert_close(member, exact, rtol=0, atol=1e-8)


def test_equations_in_cvxpy_are_those_of_a_linear_set():
    matrix, side = normal(2, 5), normal(2, seed=1)
    weight = normal(3, 5, seed=2)
    slow = Convex(lambda w: [matrix.numpy() @ w == side.numpy()], (5,))
    torch.testing.assert_close(
        slow.project(weight), LinearSet(matrix, side).project(weight), rtol=0, atol=1e-14
    )
