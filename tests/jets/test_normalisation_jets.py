"""Normalisation layers on jets, beside nested automatic differentiation of the layers themselves."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from physmix.errors import SettingsError, ShapeError
from physmix.jets import push, seed


def batch_norm(**settings):
    """With statistics and weights that are those of no fresh layer."""
    layer = nn.BatchNorm1d(5, dtype=torch.float64, **settings).eval()
    generator = torch.Generator().manual_seed(2)
    layer.running_mean.normal_(generator=generator)
    layer.running_var.uniform_(0.1, 4.0, generator=generator)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=generator)
    return layer


def layer_norm(**settings):
    layer = nn.LayerNorm(5, dtype=torch.float64, **settings)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(3))
    return layer


def network(middle):
    torch.manual_seed(0)
    first, last = nn.Linear(2, 5, dtype=torch.float64), nn.Linear(5, 3, dtype=torch.float64)
    return nn.Sequential(first, nn.Tanh(), middle, nn.Tanh(), last).eval()


NETWORKS = {
    "batch norm": lambda: network(batch_norm()),
    "batch norm without weights": lambda: network(batch_norm(affine=False)),
    "layer norm": lambda: network(layer_norm()),
    "layer norm without weights": lambda: network(layer_norm(elementwise_affine=False)),
    "layer norm without bias": lambda: network(layer_norm(bias=False)),
    "weight norm": lambda: network(weight_norm(nn.Linear(5, 5, dtype=torch.float64))),
    "spectral norm": lambda: network(spectral_norm(nn.Linear(5, 5, dtype=torch.float64))),
}


def in_steps(norm, x):
    """A layer norm by its formula, since torch's own has wrong third derivatives."""
    x = x - x.mean(-1, keepdim=True)
    out = x / torch.sqrt((x * x).mean(-1, keepdim=True) + norm.eps)
    out = out if norm.weight is None else out * norm.weight
    return out if norm.bias is None else out + norm.bias


@pytest.mark.parametrize("name", NETWORKS)
def test_each_coefficient_is_a_derivative(name, generator):
    """To order 3, and the gradient of a loss of them with respect to weights."""
    model = NETWORKS[name]()
    points = torch.rand(6, 2, generator=generator, dtype=torch.float64).requires_grad_()
    jet = push(model, seed(points.detach(), 3))
    values = points
    for part in model:
        values = in_steps(part, values) if isinstance(part, nn.LayerNorm) else part(values)
    for order in range(4):
        for path in itertools.product(range(2), repeat=order):
            found = values
            for axis in path:
                slopes = [
                    torch.autograd.grad(found[:, k].sum(), points, create_graph=True)[0][:, axis]
                    for k in range(3)
                ]
                found = torch.stack(slopes, 1)
            monomial = (path.count(0), path.count(1))
            torch.testing.assert_close(jet.derivative(monomial), found, rtol=1e-11, atol=1e-12)
    last = jet.derivative((1, 1)).square().sum()
    parameters = list(model.parameters())
    (mine,) = torch.autograd.grad(last, parameters[:1])
    (uxy,) = torch.autograd.grad(
        torch.stack([_mixed(values[:, k], points) for k in range(3)], 1).square().sum(), parameters[:1]
    )
    torch.testing.assert_close(mine, uxy, rtol=1e-9, atol=1e-11)


def _mixed(value, points):
    (slope,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    (second,) = torch.autograd.grad(slope[:, 0].sum(), points, create_graph=True)
    return second[:, 1]


@pytest.mark.parametrize(
    "layer",
    [nn.BatchNorm1d(5), nn.BatchNorm1d(5, track_running_stats=False).eval()],
    ids=["training", "no statistics"],
)
def test_statistics_of_the_batch_are_refused(layer):
    with pytest.raises(SettingsError, match=r"tie each point to all others; call eval\(\)"):
        push(layer, seed(torch.zeros(3, 5), 1))


def test_other_channels_are_refused():
    with pytest.raises(ShapeError, match="expected 5 channels"):
        push(batch_norm(), seed(torch.zeros(3, 2, dtype=torch.float64), 1))
    with pytest.raises(ShapeError, match=r"expected \(channels,\)"):
        push(nn.LayerNorm((3, 5)), seed(torch.zeros(3, 5), 1))
