"""Functions and distances in the algebra of jets, against nested automatic differentiation."""

import math
import operator
from functools import reduce

import pytest
import torch

from physmix.errors import SettingsError
from physmix.jets import angle, ball, blend, box, coordinates, seed, towers, union

X, Y = coordinates("xy")
CYLINDER = ball((X, Y), (0.1, -0.2), 0.3)
CASES = {
    "polynomial": (3 * X**2 * Y - X / 2 + 1 - Y, lambda x, y: 3 * x**2 * y - x / 2 + 1 - y),
    "quotient": (1 / (X * X + Y * Y + 1), lambda x, y: 1 / (x * x + y * y + 1)),
    "analytic": ((X * Y).apply(towers.sin) * X.apply(towers.exp), lambda x, y: (x * y).sin() * x.exp()),
    "angle": (X * angle(X, Y), lambda x, y: x * torch.atan2(y, x)),
    "angle of others": (angle(1 + X * Y, X - Y), lambda x, y: torch.atan2(x - y, 1 + x * y)),
    "ball": (CYLINDER, lambda x, y: ((x - 0.1) ** 2 + (y + 0.2) ** 2 - 0.09) / 0.6),
    "box": (box({X: (-4, 4), Y: (None, 5)}), lambda x, y: (x + 4) * (4 - x) / 8 * (5 - y)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", [0, 1, 4])
def test_every_coefficient_agrees_with_nested_autograd(name, order, generator):
    function, formula = CASES[name]
    points = torch.randn(6, 2, generator=generator, dtype=torch.float64).requires_grad_()
    jet = function.jet(seed(points.detach(), order))
    torch.testing.assert_close(function(points), formula(*points.unbind(1)))
    for monomial in jet.space.indices:
        value = formula(*points.unbind(1))
        for place, exponent in enumerate(monomial):
            for _ in range(exponent):
                value = value + 0 * points.sum()  # a polynomial's last derivative is a constant
                (slopes,) = torch.autograd.grad(value.sum(), points, create_graph=True)
                value = slopes[:, place]
        scale = 1 + value.abs().max().item()
        torch.testing.assert_close(jet.derivative(monomial)[:, 0], value, rtol=0, atol=1e-12 * scale)


def test_a_function_knows_its_coordinates():
    assert box({Y: (0, 1)}).places == {1}
    assert CYLINDER.places == {0, 1}


def slopes(function, points):
    jet = function.jet(seed(points, 1))
    return jet.coefficients[1:, :, 0].norm(dim=0)


def test_distances_vanish_to_first_order_on_walls_and_nowhere_else():
    angles = torch.linspace(0, 2 * math.pi, 17, dtype=torch.float64)
    circle = torch.stack([0.1 + 0.3 * angles.cos(), -0.2 + 0.3 * angles.sin()], 1)
    channel = box({Y: (-1, 1)})
    both = union(channel, CYLINDER)
    wall = torch.stack([angles, torch.ones_like(angles)], 1)
    for distance, places in ((CYLINDER, circle), (channel, wall), (both, circle), (both, wall)):
        assert distance(places).abs().max() < 1e-14
    for distance, places in ((CYLINDER, circle), (channel, wall)):
        torch.testing.assert_close(slopes(distance, places), torch.ones(17).double())
    assert slopes(both, circle).min() > 0.1
    grid = torch.cartesian_prod(*[torch.linspace(-0.99, 0.99, 40, dtype=torch.float64)] * 2)
    outside = grid[CYLINDER(grid) > 1e-3]
    assert both(outside).min() > 0
    assert ball((X, Y), (0, 0), 2, inside=True)(grid).min() > 0


@pytest.mark.parametrize("order", [2, 3])
def test_a_blend_has_each_value_with_its_derivatives(order):
    values = [(box({Y: (-1, 1)}), Y**3), (CYLINDER, 0.7), (X + 2, X * Y)]
    function = blend(values, order)
    places = {0: [[0.3, 1.0], [-0.4, -1.0]], 1: [[0.4, -0.2], [0.1, 0.1]], 2: [[-2.0, 0.3]]}
    for wall, points in places.items():
        at = torch.tensor(points, dtype=torch.float64)
        expected = values[wall][1] if wall != 1 else 0.7 + 0 * X
        found, wanted = (f.jet(seed(at, order)) for f in (function, expected))
        for monomial in found.space.indices:
            gap = (found.derivative(monomial) - wanted.derivative(monomial)).abs().max()
            if sum(monomial) < order:
                assert gap < 1e-12, (wall, monomial)
    assert reduce(operator.or_, [d.places for d, _ in values]) == {0, 1}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: box({}),
        lambda: box({X: (1, 0)}),
        lambda: ball((X, Y), (0, 0), 0.0),
        lambda: blend([(X, 1.0)], 2),
        lambda: X**0,
    ],
)
def test_what_is_no_wall_is_refused(wrong):
    with pytest.raises(SettingsError):
        wrong()
