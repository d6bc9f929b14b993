"""That a projection is the nearest member: by a certificate, by decompositions, and against cvxpy."""

import cvxpy
import numpy as np
import pytest
import torch
from set_cases import CASES, HIGH, INC, INF, LOW, OUT, OUTB, normal

from physmix.constraints import (
    Ball,
    Box,
    Columns,
    Convex,
    DoublyStochastic,
    Nonnegative,
    Orthonormal,
    Rotation,
    Simplex,
    SpectralBall,
    on_inputs,
    on_outputs,
)

CERTIFIED = [pytest.param(case, id=case.name) for case in CASES if case.beyond is not None]


def assert_certified(case, count, sizes=(0.3, 1.0, 10.0)):
    """x - p makes no acute angle with any direction from p into the set."""
    dtype, worst = case.dtypes[0], 0.0
    for i, size in enumerate(sizes):
        lead = (-(-count // len(sizes)),)
        weight = case.weight(
            dtype, seed=100 + i, size=min(size, 3.0) if case.slow_oracle else size, lead=lead
        )
        member = case.members.project(weight)
        apart = weight - member
        axes = tuple(range(1, weight.ndim))
        length = [w.abs().square().sum(axes).sqrt() if axes else w.abs() for w in (apart, member)]
        scaled = case.beyond(apart, member) / (1 + length[0] * (1 + length[1]))
        assert case.members.contains(member)
        worst = max(worst, float(scaled.max()))
    # A solver's certificate is only as good as its solver.
    assert worst <= max(1e-9, case.solver), worst


@pytest.mark.parametrize("case", CERTIFIED)
def test_no_member_is_nearer_by_the_support_function(case):
    assert_certified(case, 51)


@pytest.mark.slow
@pytest.mark.parametrize("case", CERTIFIED)
def test_no_member_is_nearer_in_a_thousand_cases(case):
    assert_certified(case, 1_000)


# Where everything is lawful, or one single weight, whoever is a member is the nearest.
@pytest.mark.parametrize(
    "case", [c for c in CERTIFIED if not (c.values[0].everything or c.values[0].freedom == 0)]
)
def test_the_certificate_finds_a_member_that_is_not_the_nearest(case):
    weight = case.weight(case.dtypes[0], seed=200, size=2.0)
    other = case.members.project(case.weight(case.dtypes[0], seed=201, size=2.0))
    assert float(case.beyond(weight - other, other).max()) > 0.05


def unitary(*shape, dtype, seed):
    return torch.linalg.qr(normal(*shape, seed=seed, dtype=dtype)).Q


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (6, 4), (9, 2)], ids=str)
@pytest.mark.parametrize("of", ["columns", "rows"])
@pytest.mark.parametrize("size", [1e-2, 0.1, 1.0, 100.0])
def test_the_nearest_orthonormal_matrix_is_the_procrustes_solution(of, shape, dtype, size):
    """U V^H of the singular value decomposition: far from the set, and near where Newton-Schulz serves."""
    noise = normal(50, *shape, seed=1, dtype=dtype)
    tall = unitary(50, *shape, dtype=dtype, seed=2) + size * noise
    left, _, right = torch.linalg.svd(tall, full_matrices=False)
    found = Orthonormal(of).project(tall if of == "columns" else tall.mH)
    # The polar factor turns by the error over the smallest singular value.
    smallest = float(torch.linalg.svdvals(tall).min())
    slack = 1e-14 * (1 + float(tall.abs().max()) / smallest)
    torch.testing.assert_close(found if of == "columns" else found.mH, left @ right, rtol=0, atol=slack)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_nearest_rotation_is_no_further_than_any_other(size):
    """The Procrustes solution with a turned last direction, against many rotations."""
    weight = normal(40, size, size, seed=3)
    left, _, right = torch.linalg.svd(weight)
    turn = torch.ones(40, size, dtype=torch.float64)
    turn[:, -1] = torch.linalg.det(left) * torch.linalg.det(right)
    found = Rotation().project(weight)
    torch.testing.assert_close(found, (left * turn[:, None]) @ right, rtol=0, atol=1e-12)
    others = unitary(2_000, size, size, dtype=torch.float64, seed=4)
    others[:, 0] *= torch.linalg.det(others).sign()[:, None]
    reach = torch.einsum("bij,bij->b", weight, found)
    assert bool((torch.einsum("bij,nij->bn", weight, others).amax(1) <= reach + 1e-12).all())


def test_the_nearest_rotation_to_a_reflection_is_no_reflection():
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0])).double() + 1e-3 * normal(3, 3)
    assert float(torch.linalg.det(Orthonormal().project(mirror))) < 0
    assert float(torch.linalg.det(Rotation().project(mirror))) == pytest.approx(1, abs=1e-14)
    assert not Rotation().contains(Orthonormal().project(mirror))


@pytest.mark.parametrize("of", ["columns", "rows"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
def test_the_gradient_along_a_manifold_is_that_along_its_curves(of, dtype):
    """d/dt f(P(w + t v)) = <grad, v> for v along the manifold, with f linear; v from P itself."""
    members, shape = Orthonormal(of), (6, 4) if of == "columns" else (4, 6)
    member = members.sample(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    slope, push = normal(*shape, seed=5, dtype=dtype), normal(*shape, seed=6, dtype=dtype)
    step = 1e-5
    ahead, behind = (members.project(member + t * push) for t in (step, -step))
    along = (ahead - behind) / (2 * step)
    gradient = members.map_gradient(member, slope)
    inner = lambda a, b: float((a.conj() * b).real.sum())
    assert inner(gradient, along) == pytest.approx(inner(slope, along), abs=1e-8)
    # It is tangent itself: it moves the conditions by nothing in first order.
    assert float(members.residual(member + step * gradient).abs().max()) < 100 * step**2 * inner(slope, slope)


@pytest.mark.parametrize("members", [Orthonormal(), Rotation()], ids=repr)
def test_the_gradient_vanishes_where_the_weight_is_the_nearest_to_a_target(members):
    target = normal(5, 4, 4, seed=7)
    nearest = members.project(target)
    assert float(members.map_gradient(nearest, nearest - target).abs().max()) < 1e-13
    elsewhere = members.project(normal(5, 4, 4, seed=8))
    assert float(members.map_gradient(elsewhere, elsewhere - target).abs().amax((1, 2)).min()) > 1e-2


# A distance is flat at its minimum: a point is right to the root of the gap that a solver allows.
ACCURATE = {f"tol_{name}": 1e-10 for name in ("gap_abs", "gap_rel", "feas")}


def written(name, members, shape, constraints, dtype=torch.float64):
    return pytest.param(members, shape, constraints, dtype, id=name)


WRITTEN = [
    written("outputs", on_outputs(OUT, OUTB), (5, 4), lambda w: [OUT.numpy() @ w == OUTB.numpy()]),
    written("inputs", on_inputs(INC, INF), (5, 4), lambda w: [w @ INC.numpy() == INF.numpy()]),
    written("nonnegative", Nonnegative(), (5, 4), lambda w: [w >= 0]),
    written("box", Box(LOW, HIGH), (5,), lambda w: [w[[0, 1, 3, 4]] >= LOW[[0, 1, 3, 4]].numpy(),
                                                   w[[0, 1, 2, 4]] <= HIGH[[0, 1, 2, 4]].numpy()]),
    written("simplex", Simplex(2.0), (7,), lambda w: [w >= 0, cvxpy.sum(w) == 2]),
    written("columns", Columns(Simplex()), (5, 4), lambda w: [w >= 0, cvxpy.sum(w, axis=0) == 1]),
    *(written(f"ball-{n}-{str(t)[6:]}", Ball(1.5, n), (7,), lambda w, n=n: [cvxpy.norm(w, n) <= 1.5], t)
      for n in (1, 2, np.inf) for t in (torch.float64, torch.complex128)),
    written("spectral", SpectralBall(1.2), (5, 4), lambda w: [cvxpy.norm(w, 2) <= 1.2]),
    written("stochastic", DoublyStochastic(), (4, 4),
            lambda w: [w >= 0, cvxpy.sum(w, axis=0) == 1, cvxpy.sum(w, axis=1) == 1]),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # as accurate as it can; compared below
@pytest.mark.parametrize(("members", "shape", "constraints", "dtype"), WRITTEN)
def test_the_nearest_member_is_that_of_cvxpy(members, shape, constraints, dtype):
    weight = 2 * normal(3, *shape, seed=9, dtype=dtype)
    nearest = cvxpy.Variable(shape, complex=dtype.is_complex)
    for point in weight:
        distance = cvxpy.sum_squares(cvxpy.vec(nearest - point.numpy(), order="C"))
        cvxpy.Problem(cvxpy.Minimize(distance), constraints(nearest)).solve(solver=cvxpy.CLARABEL, **ACCURATE)
        np.testing.assert_allclose(members.project(point).numpy(), nearest.value, atol=2e-5)


@pytest.mark.parametrize(
    ("closed", "shape", "constraints"),
    [(*case.values[:3],) for case in WRITTEN if case.values[3] is torch.float64],
    ids=[case.id for case in WRITTEN if case.values[3] is torch.float64],
)
def test_a_set_written_in_cvxpy_projects_like_its_closed_form(closed, shape, constraints):
    weight = 2 * normal(2, *shape, seed=10)
    slow = Convex(constraints, shape)
    torch.testing.assert_close(slow.project(weight), closed.project(weight), rtol=0, atol=1e-5)
    assert slow.contains(closed.project(weight))
