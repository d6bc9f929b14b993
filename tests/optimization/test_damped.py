"""Damped least squares in three ways, beside a dense solution."""

import pytest
import torch

from physmix.errors import SettingsError
from physmix.optimization import (
    BlockLeastSquares,
    InverseHessian,
    MatrixFree,
    NormalEquations,
    SampleSpace,
    foretold,
    strong_wolfe,
)

TALL, WIDE = (60, 25), (25, 60)


def system(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(*shape, generator=generator, dtype=torch.float64)
    rows = rows * torch.logspace(0, -4, shape[1], dtype=torch.float64)  # columns of very different sizes
    return rows, torch.randn(shape[0], generator=generator, dtype=torch.float64)


def dense(rows, right, damping):
    own = torch.diag(damping * rows.norm(dim=0))
    whole = torch.cat([rows, own])
    side = torch.cat([right, right.new_zeros(len(own))])
    return torch.linalg.lstsq(whole, side[:, None], driver="gelsd").solution[:, 0]


def made(kind, rows, right):
    pairs = [(rows[:20], right[:20]), (rows[20:], right[20:])]
    if kind == "normal":
        return NormalEquations(iter(pairs), rows.shape[1])
    if kind == "samples":
        return SampleSpace(rows, right)
    return MatrixFree(
        lambda: iter(pairs),
        lambda: (lambda v: rows @ v, lambda u: rows.T @ u),
        rows.shape[1],
        rank=15,
        iterations=300,
    )


@pytest.mark.parametrize("damping", [1.0, 1e-2])
@pytest.mark.parametrize("shape", [TALL, WIDE], ids=["tall", "wide"])
@pytest.mark.parametrize(("kind", "close"), [("normal", 1e-8), ("samples", 1e-8), ("matrix-free", 2e-2)])
def test_all_ways_lead_to_the_same_step(kind, close, shape, damping):
    rows, right = system(shape)
    found = made(kind, rows, right)
    step, true = found.solve(damping), dense(rows, right, damping)
    scale = rows.norm(dim=0)
    assert float((scale * (step - true)).norm()) < close * float((scale * true).norm())
    assert torch.allclose(found.slope, rows.T @ right)
    assert torch.allclose(found.sizes, scale)
    least = (rows @ true - right).square().sum() + damping**2 * (scale * true).square().sum()
    assert found.left == pytest.approx(float(least), rel=close)


def test_a_small_damping_is_solved_by_orthogonal_factors():
    rows, right = system(WIDE)
    rows[-1] = rows[0] + 1e-6 * rows[-1]  # nearly dependent: the squared condition is 1e12 and more
    step, true = SampleSpace(rows, right).solve(1e-10), dense(rows, right, 1e-10)
    assert float((rows @ step - right).norm()) < 1e-6 * float(right.norm())
    assert float((rows @ (step - true)).norm()) < 1e-6 * float(right.norm())


@pytest.mark.parametrize("damping", [1e-1, 1e-3])
def test_what_a_step_gains_is_foretold(damping):
    rows, right = system(TALL)
    step = made("normal", rows, right).solve(damping)
    gained = right @ right - (rows @ step - right).square().sum()
    assert foretold(made("normal", rows, right), step, damping) == pytest.approx(float(gained), rel=1e-9)
    blocks = BlockLeastSquares([rows.shape[1]])
    blocks.add(rows, right, [0])
    assert torch.allclose(blocks.solve(damping), step, rtol=1e-6)


@pytest.mark.parametrize("left", [0.0, 1e-16])
def test_columns_that_are_rounding_stay(left):
    rows, right = system(TALL)
    rows[:, 3] *= left
    for kind in ("normal", "samples", "matrix-free"):
        step = made(kind, rows, right).solve(1e-2)
        assert bool(step.isfinite().all())
        assert float(step[3]) == 0.0


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(SettingsError, match="rank=0"):
        MatrixFree(lambda: iter([]), lambda: (torch.clone, torch.clone), 3, rank=0)


def test_pairs_make_the_inverse_of_a_quadratic():
    matrix = torch.diag(torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64))
    hessian = InverseHessian(memory=5)
    for unit in torch.eye(3, dtype=torch.float64):  # conjugate steps: exact after three
        assert hessian.add(unit, matrix @ unit)
    assert torch.allclose(hessian.direction(torch.ones(3).double()), -1 / matrix.diagonal())
    assert not hessian.add(unit, -unit)  # a negative curvature is left out


@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
def test_a_line_search_has_no_size_of_its_own(size):
    def along(length):
        return size * (length - 3) ** 4, 4 * size * (length - 3) ** 3

    length = strong_wolfe(along, *along(0.0), 1e-3)
    assert length is not None
    value, slope = along(length)
    assert value < along(0.0)[0]
    assert abs(slope) <= 0.9 * abs(along(0.0)[1])


def test_a_line_search_leaves_numbers_that_are_not_finite():
    def along(length):
        return (float("inf"), float("nan")) if length > 0.1 else (-length, -1.0 + 12 * length)

    assert 0 < strong_wolfe(along, 0.0, -1.0, 1.0) <= 0.1
