"""Derivatives on periodic grids: they commute, converge, and keep laws exact in themselves."""

import math
from dataclasses import dataclass

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.grids import PeriodicGrid
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import LawfulLayer
from physmix.operators import Operators

ORDERS = {"central2": 2, "central4": 4, "compact4": 4, "compact6": 6}
SCHEMES = ["spectral", *ORDERS]


@pytest.mark.parametrize("scheme", ORDERS)
def test_differences_converge_at_their_order(scheme):
    errors = []
    for n in (16, 32):
        grid = PeriodicGrid(("x",), (n,), (3.0,), scheme)
        x = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
        out = grid.differentiate(x.sin()[None, :, None], 0).flatten()
        errors.append((out - 2 * math.pi / 3 * x.cos()).abs().max())
    assert abs(math.log2(errors[0] / errors[1]) - ORDERS[scheme]) < 0.2


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("lawful", [True, False])
def test_a_law_holds_in_the_operators_of_the_grid_and_the_mean_stays(scheme, lawful, generator):
    grid = PeriodicGrid(("x", "y"), (12, 9), (1.0, 2.5), scheme)
    laws = parse_laws({"div": "dx(u) + dy(v) = 0"}, "xy")
    operators = Operators.derivatives("xy", 1)
    constraint = compile_laws(laws if lawful else (), ["u", "v"], operators)
    layer = LawfulLayer(constraint, 4, generator=generator)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([3.0, -2.0]))
    noise = torch.randn(2, 12, 9, 4, generator=generator, dtype=torch.float64)
    flow = layer(grid.channels(noise, operators))
    torch.testing.assert_close(flow.mean((0, 1, 2)), layer.bias, rtol=0, atol=1e-12)
    terms = grid.differentiate(flow, 0)[..., 0], grid.differentiate(flow, 1)[..., 1]
    violation = (terms[0] + terms[1]).abs().max() / (terms[0].abs() + terms[1].abs()).max()
    assert violation < 1e-13 if lawful else violation > 1e-2


def test_an_unknown_scheme_is_refused_at_construction():
    @dataclass(frozen=True)
    class Grid(PeriodicGrid):
        """The constructor as users have it: without the type checks of the tests."""

    assert Grid(("x",), (8,), (1.0,), "compact6").scheme == "compact6"
    with pytest.raises(SettingsError, match=r"compct6 \(did you mean compact6\?\); choose spectral"):
        Grid(("x",), (8,), (1.0,), "compct6")


def test_what_is_not_of_this_grid_is_refused():
    grid = PeriodicGrid(("x",), (8,), (1.0,))
    with pytest.raises(ShapeError, match="the potentials"):
        grid.channels(torch.zeros(1, 7, 1), Operators.derivatives("x", 1))
    with pytest.raises(SettingsError, match="coordinates are x"):
        grid.channels(torch.zeros(1, 8, 1), Operators.derivatives("y", 1))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_derivatives_commute(scheme, generator):
    grid = PeriodicGrid(("x", "y"), (8, 6), (1.0, 2.0), scheme)
    field = torch.randn(1, 8, 6, 1, generator=generator, dtype=torch.float64)
    one = grid.differentiate(grid.differentiate(field, 0), 1)
    torch.testing.assert_close(one, grid.differentiate(grid.differentiate(field, 1), 0), rtol=0, atol=1e-11)
    torch.testing.assert_close(one, grid.apply(field, (1, 1)), rtol=0, atol=1e-11)
    assert one.abs().max() > 1.0
