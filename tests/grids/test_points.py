"""Points of any spacing: derivatives of second order that commute, with and without ends."""

import numpy as np
import pytest
import torch

from physmix.errors import SettingsError
from physmix.grids import PeriodicGrid, PointAxis, PointGrid
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import LawfulLayer
from physmix.operators import Operators

UNEQUAL = [0.0, 0.2, 0.3, 0.7, 0.8, 1.0]


def grid_of():
    return PointGrid({"x": PointAxis(UNEQUAL), "y": PointAxis([0.0, 0.3, 0.5, 1.1], period=1.4)})


@pytest.mark.parametrize("period", [None, 2 * np.pi])
def test_derivatives_are_of_second_order_at_ends_as_well(period):
    errors = []
    for n in (32, 64):
        even = 2 * np.pi * np.arange(n) / n
        grid = PointGrid({"x": PointAxis(even + 0.3 * np.sin(even), period)})
        x = torch.tensor(grid.axes["x"].points, dtype=torch.float64)
        errors.append((grid.differentiate(x.sin()[None, :, None], 0).flatten() - x.cos()).abs())
    for where in (slice(0, 1), slice(None), slice(-1, None)):
        assert 3.4 < errors[0][where].max() / errors[1][where].max() < 4.6


def test_parabolas_are_exact_and_constants_exactly_zero():
    grid = PointGrid({"x": PointAxis(UNEQUAL)})
    x = torch.tensor(UNEQUAL, dtype=torch.float64)
    out = grid.differentiate((3 * x**2 - x)[None, :, None], 0).flatten()
    torch.testing.assert_close(out, 6 * x - 1, rtol=0, atol=1e-13)
    assert (grid.differentiate(torch.full((1, 6, 1), 0.1), 0) == 0).all()


def test_on_even_periodic_points_they_are_central_differences(generator):
    even = np.arange(8) * 0.25
    field = torch.randn(1, 8, 1, generator=generator, dtype=torch.float64)
    expected = PeriodicGrid(("x",), (8,), (2.0,), "central2").differentiate(field, 0)
    found = PointGrid({"x": PointAxis(even, 2.0)}).differentiate(field, 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_factors_are_the_same_operators(generator):
    grid = grid_of()
    field = torch.randn(1, *grid.points, 1, generator=generator, dtype=torch.float64)
    x, y = grid.factors((), (2, 1))
    expected = x.toarray() @ field[0, ..., 0].numpy() @ y.toarray().T
    np.testing.assert_allclose(grid.apply(field, (2, 1))[0, ..., 0].numpy(), expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("lawful", [True, False])
def test_a_law_holds_in_them(lawful, generator):
    laws, operators = parse_laws({"div": "dx(u) + dy(v) = 0"}, "xy"), Operators.derivatives("xy", 1)
    layer = LawfulLayer(compile_laws(laws if lawful else (), ["u", "v"], operators), 3, generator=generator)
    grid = grid_of()
    noise = torch.randn(2, *grid.points, 3, generator=generator, dtype=torch.float64)
    flow = layer(grid.channels(noise, operators))
    terms = grid.differentiate(flow, 0)[..., 0], grid.differentiate(flow, 1)[..., 1]
    violation = (terms[0] + terms[1]).abs().max() / (terms[0].abs() + terms[1].abs()).max()
    assert violation < 1e-13 if lawful else violation > 1e-2


def test_points_that_do_not_fit_are_refused():
    for points, period in (([0.0, 1.0], None), ([0.0, 2.0, 1.0], None), ([0.0, 1.0, 2.0], 2.0)):
        with pytest.raises(SettingsError, match="an axis of points"):
            PointAxis(points, period)
