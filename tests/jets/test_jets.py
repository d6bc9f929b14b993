"""Jets against nested automatic differentiation, the slow and obvious oracle."""

import itertools
import math

import pytest
import torch
from torch import nn

from physmix.errors import NoJetRuleError, ShapeError
from physmix.jets import JetSpace, Sine, push, rule, seed, towers
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


def network(coordinates, activation, dtype, generator):
    parts = [nn.Linear(coordinates, 9), activation(), nn.Linear(9, 7), activation(), nn.Linear(7, 2)]
    net = nn.Sequential(*parts).to(dtype)
    for parameter in net.parameters():
        with torch.no_grad():
            parameter.normal_(0, 0.5, generator=generator)
    return net


@pytest.mark.parametrize("activation", [nn.Tanh, Sine])
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("coordinates", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_every_coefficient_agrees_with_nested_autograd(activation, order, coordinates, dtype, generator):
    net = network(coordinates, activation, dtype, generator)
    points = torch.randn(5, coordinates, generator=generator, dtype=torch.float64).to(dtype)
    jet = push(net, seed(points, order))
    assert len(jet.space.indices) == math.comb(coordinates + order, order)
    for monomial in jet.space.indices:
        oracle = nested(net, points, monomial)
        tolerance = 500 * torch.finfo(dtype).eps * (1 + oracle.abs().max().item())
        torch.testing.assert_close(jet.derivative(monomial), oracle, rtol=0, atol=tolerance)


@pytest.mark.parametrize("tower", [towers.tanh, towers.sin], ids=["tanh", "sin"])
def test_towers_are_derivatives(tower):
    x = torch.linspace(-3, 3, 11, dtype=torch.float64, requires_grad=True)
    derivatives = tower(x, 6)
    for lower, upper in itertools.pairwise(derivatives):
        (slope,) = torch.autograd.grad(lower.sum(), x, retain_graph=True)
        torch.testing.assert_close(upper, slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("tower", [towers.tanh, towers.sin], ids=["tanh", "sin"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_composition_has_its_gradients(tower, order, generator):
    space = JetSpace(2, order)
    x = torch.randn(len(space.indices), 3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: compose(z, tower, space), x)
    assert torch.autograd.gradgradcheck(lambda z: compose(z, tower, space), x)


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
    with pytest.raises(NoJetRuleError, match=r"MaxPool1d.*Linear, MixingLayer, Sequential, Sine, Tanh"):
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
