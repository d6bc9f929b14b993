"""Jets against nested automatic differentiation, the slow and obvious oracle."""

import math
from copy import deepcopy
from functools import cache, partial

import pytest
import torch
from torch import nn

from physmix.errors import NoJetRuleError, SettingsError, ShapeError
from physmix.jets import JetSpace, Sine, push, rule, seed, towers
from physmix.jets.affine import affine
from physmix.jets.compose import compose
from physmix.operators import monomials


def nested(function, points, monomial):
    """D^monomial of a pointwise function by nested autograd, (point, channel)."""
    points = points.clone().requires_grad_()
    columns = function(points).unbind(1)
    for place, exponent in enumerate(monomial):
        for _ in range(exponent):
            columns = [
                torch.autograd.grad(c.sum(), points, create_graph=True, materialize_grads=True)[0][:, place]
                for c in columns
            ]
    return torch.stack(columns, 1)


def nested_all(function, points, order):
    """Every derivative up to an order, each from one of those below it."""
    points = points.clone().requires_grad_()
    known = {(0,) * points.shape[1]: function(points)}
    for degree in range(order):
        for lower in monomials(points.shape[1], degree):
            rows = [
                torch.autograd.grad(c.sum(), points, create_graph=True, materialize_grads=True)[0]
                for c in known[lower].unbind(1)
            ]
            for place in range(points.shape[1]):
                raised = tuple(e + (i == place) for i, e in enumerate(lower))
                known.setdefault(raised, torch.stack(rows, -1)[:, place])
    return {monomial: value.detach() for monomial, value in known.items()}


ACTIVATIONS = {
    "tanh": nn.Tanh,
    "sine": Sine,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu by tanh": partial(nn.GELU, approximate="tanh"),
    "softplus": partial(nn.Softplus, beta=2.0),
    "softplus with its kink": partial(nn.Softplus, threshold=0.2),
}


def network(coordinates, activation, dtype, generator):
    parts = [nn.Linear(coordinates, 9), activation(), nn.Linear(9, 7), activation(), nn.Linear(7, 2)]
    net = nn.Sequential(*parts).to(dtype)
    for parameter in net.parameters():
        with torch.no_grad():
            parameter.normal_(0, 0.5, generator=generator)
    return net


@cache
def oracle(activation, coordinates):
    """A network, points, and all derivatives to order 4."""
    generator = torch.Generator().manual_seed(0)
    net = network(coordinates, ACTIVATIONS[activation], torch.float64, generator)
    points = torch.randn(5, coordinates, generator=generator, dtype=torch.float64)
    return net, points, nested_all(net, points, 4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("coordinates", [1, 2, 3, 4])
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_every_coefficient_agrees_with_nested_autograd(activation, order, coordinates, dtype):
    net, points, expected = oracle(activation, coordinates)
    jet = push(deepcopy(net).to(dtype), seed(points.to(dtype), order))
    assert len(jet.space.indices) == math.comb(coordinates + order, order)
    for monomial in jet.space.indices:
        found, exact = jet.derivative(monomial).double(), expected[monomial]
        tolerance = 500 * torch.finfo(dtype).eps * (1 + exact.abs().max().item())
        torch.testing.assert_close(found, exact, rtol=0, atol=tolerance)


TOWERS = {
    **{name: getattr(towers, name) for name in ("tanh", "sin", "sigmoid", "silu", "gelu", "gelu_tanh")},
    "softplus": towers.softplus(2.0, 20.0),
}
SPACES = {
    **{f"order {order}": JetSpace(2, order) for order in (1, 2, 3, 4)},
    "time to order 1": JetSpace.closure([(1, 1), (0, 3)]),
    "one coordinate absent": JetSpace.closure([(0, 2)]),
}


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("space", SPACES)
def test_composition_has_its_gradients(tower, space, generator):
    space, tower = SPACES[space], TOWERS[tower]
    x = torch.randn(len(space.indices), 2, 1, generator=generator, dtype=torch.float64, requires_grad=True)
    fast = space.order > 3  # one random direction in place of each entry
    assert torch.autograd.gradcheck(lambda z: compose(z, tower, space), x, fast_mode=fast)
    assert torch.autograd.gradgradcheck(lambda z: compose(z, tower, space), x, fast_mode=fast)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_an_affine_map_has_its_gradients(dtype, generator):
    def draw(*shape):
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return drawn.to(dtype).requires_grad_()

    x, weight, bias = draw(3, 4, 5), draw(2, 5), draw(2)
    if dtype == torch.float64:
        assert torch.autograd.gradcheck(affine, (x, weight, bias))
        assert torch.autograd.gradgradcheck(affine, (x, weight, bias))
    direction = torch.randn(3, 4, 2, generator=generator).to(dtype)
    plain = x @ weight.T + torch.cat([bias.expand(1, 4, 2), torch.zeros(2, 4, 2, dtype=dtype)])
    for out in (affine(x, weight, bias), plain):
        first = torch.autograd.grad((out.sin() * direction).sum(), (x, weight, bias), create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), (x, weight, bias))
        if out is not plain:
            kept = (*first, *second)
    for a, b in zip(kept, (*first, *second), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=100 * torch.finfo(dtype).eps * b.abs().max().item())


def test_gradients_of_a_residual_agree_with_nested_autograd(generator):
    net = network(2, nn.Tanh, torch.float64, generator)
    points = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    slow = (nested(net, points, (2, 0)) + nested(net, points, (0, 2))).square().mean()
    jet = push(net, seed(points, 2))
    fast = (jet.derivative((2, 0)) + jet.derivative((0, 2))).square().mean()
    parameters = list(net.parameters())
    expected = torch.autograd.grad(slow, parameters, materialize_grads=True)
    found = torch.autograd.grad(fast, parameters, materialize_grads=True)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_derivatives_come_in_the_order_of_monomials(generator):
    net = network(3, nn.Tanh, torch.float64, generator)
    jet = push(net, seed(torch.randn(4, 3, generator=generator, dtype=torch.float64), 3))
    for degree in range(4):
        stacked = torch.stack([jet.derivative(m) for m in monomials(3, degree)])
        torch.testing.assert_close(jet.derivatives(monomials(jet.space.coordinates, degree)), stacked)


def test_the_value_is_the_network(generator):
    net = network(2, nn.Tanh, torch.float64, generator)
    points = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(push(net, seed(points, 2)).value, net(points))


def test_a_module_without_a_rule_is_refused_by_name():
    with pytest.raises(
        NoJetRuleError, match=r"MaxPool1d.*Linear, MixingLayer.*Sequential, SiLU, Sigmoid, Sine"
    ):
        push(nn.Sequential(nn.Linear(2, 3), nn.MaxPool1d(1)), seed(torch.zeros(1, 2), 1))


def test_a_rule_can_be_registered(generator):
    class Square(nn.Module):
        def forward(self, x):
            return x * x

    @rule(Square)
    def square(module, jet):
        from physmix.jets.compose import cauchy, product_plan

        c = jet.coefficients
        return type(jet)(jet.space, cauchy(c, c, product_plan(jet.space)))

    net = nn.Sequential(nn.Linear(2, 3), Square()).double()
    points = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    jet = push(net, seed(points, 2))
    torch.testing.assert_close(jet.derivative((1, 1)), nested(net, points, (1, 1)))


def test_the_wrong_number_of_channels_is_refused():
    with pytest.raises(ShapeError, match="3 channels"):
        push(nn.Linear(3, 2), seed(torch.zeros(1, 2), 1))


def test_what_a_rule_cannot_see_is_refused(generator):
    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    hooked = nn.Linear(2, 2)
    hooked.register_forward_hook(lambda module, inputs, output: 2 * output)
    for module in (Residual(nn.Linear(2, 2)), hooked):
        with pytest.raises(NoJetRuleError, match="forward hooks are not looked into"):
            push(module, seed(torch.zeros(1, 2), 1))


def test_a_parametrised_layer_is_its_layer(generator):
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)).double()
    points = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(push(layer, seed(points, 1)).value, layer(points))


def test_points_of_other_coordinates_and_derivatives_that_are_not_carried_are_refused():
    with pytest.raises(ShapeError, match="3 coordinates"):
        seed(torch.zeros(1, 2), JetSpace(3, 1))
    with pytest.raises(SettingsError, match=r"derivative \(2, 0\)"):
        seed(torch.zeros(1, 2), 1).derivative((2, 0))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("needed", [[(3, 0), (1, 2)], [(0, 4)]])
def test_a_frozen_layer_of_the_coordinates_has_the_jet_of_one_that_learns(name, needed):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(2, 6), ACTIVATIONS[name](), nn.Linear(6, 3)).double()
    points = torch.randn(5, 2, dtype=torch.float64)
    space = JetSpace.closure(needed)
    learning = push(layers, seed(points, space)).coefficients
    assert learning.requires_grad
    frozen = push(layers.requires_grad_(False), seed(points, space)).coefficients
    assert (frozen - learning).abs().max() < 1e-13 * learning.abs().max()


def test_a_bias_that_learns_behind_frozen_weights_has_its_gradient():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(2, 6), nn.Tanh()).double()
    points = torch.randn(5, 2, dtype=torch.float64)
    gradients = []
    for frozen in (False, True):
        layers[0].weight.requires_grad_(not frozen)
        found = push(layers, seed(points, 2)).coefficients.square().sum()
        gradients.append(torch.autograd.grad(found, layers[0].bias)[0])
    assert gradients[0].abs().min() > 0
    assert torch.allclose(*gradients, rtol=1e-13)


def test_only_the_coordinates_themselves_are_taken_for_linear():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).double().requires_grad_(False)
    outer = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid()).double().requires_grad_(False)
    points = torch.randn(5, 2, dtype=torch.float64)
    found = push(outer, push(inner, seed(points, 3)))
    for monomial in monomials(2, 3):
        expected = nested(nn.Sequential(inner, outer), points, monomial)
        assert torch.allclose(found.derivative(monomial), expected, rtol=1e-10, atol=1e-12)
