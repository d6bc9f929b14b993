"""Several sets at once: in which form they meet, and that it is the nearest common member."""

import cvxpy
import numpy as np
import pytest
import torch
from set_cases import MASK, OUT, OUTB, normal

from physmix.constraints import (
    Ball,
    Box,
    Columns,
    DoublyStochastic,
    Groups,
    Kernel,
    Kind,
    LinearSet,
    Nonnegative,
    Orthonormal,
    Polyhedron,
    Rotation,
    Simplex,
    Sparsity,
    SpectralBall,
    Whole,
    intersect,
    on_inputs,
    on_outputs,
)
from physmix.constraints.intersection import Meeting
from physmix.errors import ShapeError, UnsupportedSetError

SHAPE = (5, 4)
LAWS, KEEPS = on_outputs(OUT, OUTB), on_inputs(torch.ones(4, 1).double(), torch.zeros(5, 1).double())
FREE = Sparsity(MASK | (normal(*SHAPE, seed=20) > -1))  # open enough for the laws
BOTH = on_outputs(torch.ones(1, 5).double(), torch.ones(1, 4).double())
PAIRS = Groups(LinearSet(torch.ones(1, 2).double()), [[0, 2], [1, 3]])
SHARES = intersect(BOTH, Nonnegative(), shape=SHAPE)


def masked(w):
    return cvxpy.multiply(w, (~FREE.mask).double().numpy()) == 0


def laws(w):
    return OUT.numpy() @ w == OUTB.numpy()


# name: the sets, the class of what they make, its kind, and the same in cvxpy
MEETINGS = {
    "laws-and-mask": ((LAWS, FREE), Whole, Kind.AFFINE, lambda w: [laws(w), masked(w)]),
    "laws-and-inputs": ((on_outputs(OUT), KEEPS), Whole, Kind.AFFINE,
                        lambda w: [OUT.numpy() @ w == 0, cvxpy.sum(w, axis=1) == 0]),
    "groups-and-mask": ((PAIRS, FREE), Whole, Kind.AFFINE,
                        lambda w: [w[:, 0] + w[:, 2] == 0, w[:, 1] + w[:, 3] == 0, masked(w)]),
    "laws-and-bounds": ((BOTH, Box(-0.2, 0.6)), Polyhedron, Kind.CONVEX,
                        lambda w: [cvxpy.sum(w, axis=0) == 1, w >= -0.2, w <= 0.6]),
    "shares-both-ways": ((Columns(Simplex(5.0)), Simplex(4.0)), Polyhedron, Kind.CONVEX,
                         lambda w: [cvxpy.sum(w, axis=0) == 5, cvxpy.sum(w, axis=1) == 4, w >= 0]),
    "shares-and-mask": ((Simplex(), FREE, Nonnegative()), Polyhedron, Kind.CONVEX,
                        lambda w: [cvxpy.sum(w, axis=1) == 1, w >= 0, masked(w)]),
    "bounds": ((Nonnegative(), Box(-1, 0.3)), Polyhedron, Kind.CONVEX, lambda w: [w >= 0, w <= 0.3]),
    "polyhedron-and-bounds": ((SHARES, Box(upper=0.5)), Polyhedron, Kind.CONVEX,
                              lambda w: [cvxpy.sum(w, axis=0) == 1, w >= 0, w <= 0.5]),
    "laws-and-spectral": ((BOTH, SpectralBall(1.1)), Meeting, Kind.CONVEX,
                          lambda w: [cvxpy.sum(w, axis=0) == 1, cvxpy.norm(w, 2) <= 1.1]),
    "three": ((Nonnegative(), BOTH, SpectralBall(1.1), Whole(Ball(1.5), SHAPE)), Meeting, Kind.CONVEX,
              lambda w: [cvxpy.sum(w, axis=0) == 1, w >= 0, cvxpy.norm(w, 2) <= 1.1,
                         cvxpy.sum_squares(w) <= 2.25]),
    "two-balls": ((SpectralBall(), Ball(0.7)), Meeting, Kind.CONVEX,
                  lambda w: [cvxpy.norm(w, 2) <= 1, cvxpy.norm(w, 2, axis=1) <= 0.7]),
}  # fmt: skip

EACH = [pytest.param(*meeting, id=name) for name, meeting in MEETINGS.items()]


@pytest.mark.parametrize(("sets", "made", "kind", "written"), EACH)
def test_sets_meet_in_the_simplest_form_there_is(sets, made, kind, written):
    members = intersect(*sets, shape=SHAPE)
    assert type(members) is made
    assert members.kind is kind
    if made is Whole:
        assert type(members.members) is LinearSet


@pytest.mark.parametrize(("sets", "made", "kind", "written"), EACH)
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # as accurate as it can; compared below
def test_the_nearest_common_member_is_that_of_cvxpy(sets, made, kind, written):
    members, weight = intersect(*sets, shape=SHAPE), normal(2, *SHAPE, seed=21)
    found = members.project(weight)
    for one in sets:
        assert one.violation(found) <= max(1e-14, members.tolerance)
    nearest = cvxpy.Variable(SHAPE)
    for point, member in zip(weight, found, strict=True):
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(nearest - point.numpy())), written(nearest))
        problem.solve(solver=cvxpy.CLARABEL, **{f"tol_{n}": 1e-10 for n in ("gap_abs", "gap_rel", "feas")})
        np.testing.assert_allclose(member.numpy(), nearest.value, atol=2e-5)


@pytest.mark.parametrize(("sets", "made", "kind", "written"), EACH)
def test_the_order_of_sets_makes_no_difference(sets, made, kind, written):
    weight = normal(*SHAPE, seed=22)
    one, other = (intersect(*order, shape=SHAPE).project(weight) for order in (sets, sets[::-1]))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-8 if made is Meeting else 1e-13)


def test_equations_and_a_mask_project_like_the_equations_of_the_free_numbers():
    """Column by column: A restricted to the numbers that are free, by least squares."""
    weight, found = normal(*SHAPE, seed=23), torch.zeros(*SHAPE, dtype=torch.float64)
    for j in range(SHAPE[1]):
        free = FREE.mask[:, j]
        part, side = OUT[:, free], OUTB[:, j]
        point = weight[free, j]
        found[free, j] = point - torch.linalg.pinv(part) @ (part @ point - side)
    torch.testing.assert_close(intersect(LAWS, FREE, shape=SHAPE).project(weight), found, rtol=0, atol=1e-13)


def test_bounds_that_leave_one_number_are_an_equation():
    members = intersect(Nonnegative(), Box(-1, 0), shape=SHAPE)
    assert members.kind is Kind.AFFINE
    assert members.freedom(SHAPE) == 0


def test_a_set_alone_is_itself_and_twice_is_once():
    assert intersect(LAWS, shape=SHAPE) is LAWS
    weight = normal(*SHAPE, seed=24)
    twice = intersect(LAWS, LAWS, shape=SHAPE)
    torch.testing.assert_close(twice.project(weight), LAWS.project(weight), rtol=0, atol=1e-13)


def test_complex_equations_meet_a_mask_and_a_ball():
    complex_laws = on_outputs(OUT + 1j * normal(2, 5, seed=25), OUTB + 0j)
    weight = normal(*SHAPE, seed=26, dtype=torch.complex128)
    held = intersect(complex_laws, FREE, shape=SHAPE)
    assert held.kind is Kind.AFFINE
    for one in (complex_laws, FREE):
        assert one.contains(held.project(weight))
    radius = 1 + float(torch.linalg.vector_norm(complex_laws.sample(*SHAPE) * 0 + held.project(0 * weight)))
    meeting = intersect(complex_laws, Whole(Ball(radius), SHAPE), shape=SHAPE)
    member = meeting.project(10 * weight)
    assert complex_laws.violation(member) <= 1e-10
    assert float(torch.linalg.vector_norm(member)) == pytest.approx(radius, abs=1e-9)


def test_doubly_stochastic_matrices_meet_a_ball():
    members = intersect(DoublyStochastic(), Whole(Ball(1.3), (4, 4)), shape=(4, 4))
    member = members.project(normal(4, 4, seed=27))
    assert DoublyStochastic().contains(member)
    assert float(torch.linalg.vector_norm(member)) <= 1.3 + 1e-9


def test_bounds_on_complex_equations_are_refused():
    with pytest.raises(UnsupportedSetError, match="Ball"):
        intersect(on_outputs(OUT + 0j, OUTB + 0j), Nonnegative(), shape=SHAPE)


@pytest.mark.parametrize("manifold", [Orthonormal(), Rotation(), Columns(Orthonormal())], ids=repr)
def test_manifolds_are_refused(manifold):
    with pytest.raises(UnsupportedSetError, match="no intersections"):
        intersect(Nonnegative(), manifold, shape=(4, 4))


def test_a_set_that_does_not_fit_the_shape_is_refused():
    with pytest.raises(ShapeError, match="expected"):
        intersect(LAWS, Nonnegative(), shape=(4, 5))
    with pytest.raises(ShapeError, match="1 along"):
        intersect(Kernel(LAWS, 2), Nonnegative(), shape=(5, 4, 3, 3))


def test_the_kernel_of_a_convolution_meets_bounds():
    members = intersect(Kernel(BOTH, 2), Nonnegative(), shape=(*SHAPE, 1, 1))
    plain = intersect(BOTH, Nonnegative(), shape=SHAPE)
    weight = normal(3, *SHAPE, seed=28)
    torch.testing.assert_close(members.project(weight[..., None, None])[..., 0, 0], plain.project(weight))
