"""Least squares on the simplex: the optimality conditions, ill-conditioned inputs, and refusals."""

import pytest
import torch

from physmix.constraints import Simplex
from physmix.errors import SamplesError, ShapeError
from physmix.optimization import Moments, least_squares_shares


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("condition", [1e0, 1e4, 1e8])
@pytest.mark.parametrize(("samples", "inputs", "outputs"), [(50, 1, 1), (50, 7, 3), (5, 12, 2), (80, 40, 2)])
def test_no_weight_can_move_with_gain(samples, inputs, outputs, condition):
    x = draw(samples, inputs) * torch.logspace(0, -torch.tensor(condition).log10(), inputs).double()
    x = x @ torch.linalg.qr(draw(inputs, inputs, seed=1)).Q
    y = 0.3 * draw(samples, outputs, seed=2)
    weight = least_squares_shares(Moments(inputs, outputs).add(x, y))
    assert Simplex().contains(weight)
    slope = (weight @ x.T - y.T) @ x
    level = (weight * slope).sum(1, keepdim=True)
    size = float(torch.linalg.matrix_norm(x, 2) * torch.linalg.vector_norm(y))
    assert bool((slope >= level - 1e-9 * size).all())
    assert bool(((slope - level).abs() * weight <= 1e-9 * size).all())


def test_an_exact_mixture_is_found_and_an_equal_one_is_not_enough():
    x = draw(60, 9)
    truth = torch.zeros(2, 9, dtype=torch.float64)
    truth[0, 1], truth[0, 4], truth[0, 6], truth[1, 8] = 0.5, 0.3, 0.2, 1.0
    moments = Moments(9, 2).add(x, x @ truth.T)
    found = least_squares_shares(moments)
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-10)
    assert moments.misfit(found) < 1e-20 < moments.misfit(torch.full((2, 9), 1 / 9).double())


def test_what_has_no_shares_is_refused():
    with pytest.raises(ShapeError):
        least_squares_shares(Moments(3))
    with pytest.raises(SamplesError, match="none"):
        least_squares_shares(Moments(3, 1))
    with pytest.raises(SamplesError, match="complex"):
        least_squares_shares(Moments(1, 1, torch.complex128).add(torch.ones(1, 1), torch.ones(1, 1)))
