"""Least squares by fronts: the solution of the dense problem, whatever the grid and the order."""

import itertools
import math

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.optimization import BlockLeastSquares, nested_dissection


def sparse_problem(shape, width=3, rows=30, seed=0):
    """Rows that see 2 x 2 x ... neighbouring blocks and one that all share; and the same rows dense."""
    generator = torch.Generator().manual_seed(seed)
    count = math.prod(shape)
    sizes = [width] * count + [2]
    system = BlockLeastSquares(sizes, [*nested_dissection(shape), (count,)])
    numbers = torch.arange(count).reshape(shape)
    dense, right = [], []
    for corner in itertools.product(*(range(max(1, n - 1)) for n in shape)):
        seen = numbers
        for axis, (place, n) in enumerate(zip(corner, shape, strict=True)):
            seen = seen.narrow(axis, place, min(2, n))
        blocks = [*seen.flatten().tolist(), count]
        part = torch.randn(rows, sum(sizes[b] for b in blocks), generator=generator, dtype=torch.float64)
        side = torch.randn(rows, generator=generator, dtype=torch.float64)
        for start in range(0, rows, 7):
            system.add(part[start : start + 7], side[start : start + 7], blocks)
        wide = torch.zeros(rows, sum(sizes), dtype=torch.float64)
        columns = [torch.arange(width * b, width * b + sizes[b]) for b in blocks]
        wide[:, torch.cat(columns)] = part
        dense.append(wide)
        right.append(side)
    return system, torch.cat(dense), torch.cat(right)


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 3), (5, 5), (3, 2, 3)])
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_it_is_the_dense_solution(shape, damping):
    system, dense, right = sparse_problem(shape)
    damped = torch.cat([dense, damping * torch.diag(dense.norm(dim=0))])
    side = torch.cat([right, right.new_zeros(dense.shape[1])])
    expected = torch.linalg.lstsq(damped, side[:, None], driver="gelsd").solution[:, 0]
    torch.testing.assert_close(system.solve(damping), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(system.solve(damping), expected, rtol=0, atol=1e-12)  # rows stay
    assert system.left == pytest.approx(float((damped @ expected - side).square().sum()))


def test_it_knows_norms_gradient_and_loss():
    system, dense, right = sparse_problem((3, 3))
    torch.testing.assert_close(torch.cat(system.squares), dense.square().sum(0))
    torch.testing.assert_close(torch.cat(system.gradient), dense.T @ right)
    assert system.missed == pytest.approx(float(right.square().sum()))


def test_a_condition_that_normal_equations_lose():
    generator = torch.Generator().manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(60, 8, generator=generator, dtype=torch.float64))
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64))
    rows = left @ torch.diag(torch.logspace(0, -9, 8, dtype=torch.float64)) @ turn
    truth = torch.ones(8, dtype=torch.float64)
    system = BlockLeastSquares([4, 4])
    for start in range(0, 60, 6):
        system.add(rows[start : start + 6], (rows @ truth)[start : start + 6], (0, 1))
    error = float((system.solve() - truth).abs().max())
    normal = torch.linalg.solve(rows.T @ rows, rows.T @ rows @ truth)
    assert error < 1e-6
    assert float((normal - truth).abs().max()) > 1e-2


def test_columns_of_zeros_stay_zero():
    system = BlockLeastSquares([2, 1])
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    system.add(rows, torch.ones(2, dtype=torch.float64), (0,))
    assert system.solve().tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_dissection_takes_every_block_once_and_parts_them():
    for shape in [(1,), (2,), (9,), (4, 6), (3, 3, 3), (1, 5)]:
        flat = [block for group in nested_dissection(shape) for block in group]
        assert sorted(flat) == list(range(math.prod(shape)))
    *_, last = nested_dissection((5, 5))
    assert last in {(2, 7, 12, 17, 22), (10, 11, 12, 13, 14)}


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingsError, match="not one of all blocks"):
        BlockLeastSquares([1, 1], [(0,)])
    system = BlockLeastSquares([2, 2])
    with pytest.raises(ShapeError):
        system.add(torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), (0, 1))


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 3)])
def test_whitened_sides_have_the_inverse_as_their_products(shape):
    system, dense, _ = sparse_problem(shape)
    damped = torch.cat([dense, 0.1 * torch.diag(dense.norm(dim=0))])
    sides = torch.randn(dense.shape[1], 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    root = system.whitening(0.1)(sides)
    expected = sides.T @ torch.linalg.solve(damped.T @ damped, sides)
    torch.testing.assert_close(root.T @ root, expected)
    with pytest.raises(ShapeError, match="right sides"):
        system.whitening()(sides[1:])
