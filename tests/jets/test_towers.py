"""Towers against mpmath with sixty digits, far out as well, and against torch's own functions."""

import itertools

import mpmath
import pytest
import torch
from torch import nn

from physmix.jets import towers


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def gelu_tanh(x):
    u = mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
    return x / 2 * (1 + mpmath.tanh(u))


# Above a threshold of 60 the difference from its line is below float64's rounding.
CASES = {
    "tanh": (towers.tanh, mpmath.tanh),
    "sin": (towers.sin, mpmath.sin),
    "sigmoid": (towers.sigmoid, sigmoid),
    "silu": (towers.silu, lambda x: x * sigmoid(x)),
    "softplus": (towers.softplus(1.0, 60.0), lambda x: mpmath.log(1 + mpmath.exp(x))),
    "softplus of slope 3": (towers.softplus(3.0, 60.0), lambda x: mpmath.log(1 + mpmath.exp(3 * x)) / 3),
    "gelu": (towers.gelu, lambda x: x * mpmath.ncdf(x)),
    "gelu by tanh": (towers.gelu_tanh, gelu_tanh),
    "exp": (towers.exp, mpmath.exp),
    "reciprocal": (towers.reciprocal, lambda x: 1 / x),
}
PLACES = [-50, -20, -9.5, -5, -3, -1.2, -0.3, 0.1, 0.7, 2, 4.5, 8, 14, 21, 50]
ORDER = 6


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_exact_to_rounding_for_arguments_to_50(name, dtype):
    tower, function = CASES[name]
    x = torch.tensor(PLACES, dtype=dtype)
    found = torch.stack(tower(x, ORDER)).double()
    with mpmath.workdps(60):
        series = [mpmath.taylor(function, mpmath.mpf(value), ORDER) for value in x.tolist()]
        exact = [[float(c * mpmath.factorial(k)) for k, c in enumerate(one)] for one in series]
    expected = torch.tensor(exact, dtype=torch.float64).T
    size = expected.abs() if name in {"exp", "reciprocal"} else expected.abs().amax(1, keepdim=True)
    assert ((found - expected).abs() <= 10 * torch.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("name", CASES)
def test_each_is_the_derivative_of_the_one_below(name):
    x = torch.linspace(0.3, 3, 11, dtype=torch.float64, requires_grad=True)
    for lower, upper in itertools.pairwise(CASES[name][0](x, ORDER)):
        (slope,) = torch.autograd.grad(lower.sum(), x, retain_graph=True)
        torch.testing.assert_close(upper, slope, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("tower", "module"),
    [
        (towers.tanh, nn.Tanh()),
        (towers.sigmoid, nn.Sigmoid()),
        (towers.silu, nn.SiLU()),
        (towers.gelu, nn.GELU()),
        (towers.gelu_tanh, nn.GELU(approximate="tanh")),
        (towers.softplus(2.0, 5.0), nn.Softplus(2.0, 5.0)),
    ],
)
def test_the_value_is_that_of_torch_to_the_last_bit(tower, module):
    x = torch.linspace(-30, 30, 501)
    assert torch.equal(tower(x, 0)[0], module(x))
    assert torch.equal(tower(x, 3)[0], module(x))


def test_softplus_is_linear_above_its_threshold_as_in_torch():
    x = torch.tensor([2.4, 2.6], dtype=torch.float64, requires_grad=True)
    derivatives = torch.stack(towers.softplus(2.0, 5.0)(x, 3)).detach()
    assert derivatives[:, 1].tolist() == [2.6, 1, 0, 0]
    assert (derivatives[1:, 0] != torch.tensor([1.0, 0, 0])).all()
    value = nn.functional.softplus(x, 2.0, 5.0)
    for expected in derivatives:
        torch.testing.assert_close(value.detach(), expected, rtol=1e-10, atol=1e-13)
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)


@pytest.mark.parametrize("imaginary", [False, True])
def test_powers_are_those_of_positive_numbers(imaginary):
    exponent, places = 1.87 + 0.56j, [1e-6, 0.03, 0.4, 1.0, 7.0]
    found = torch.stack(towers.power(exponent, imaginary=imaginary)(torch.tensor(places).double(), 4))
    for column, x in zip(found.T, torch.tensor(places).double().tolist(), strict=True):
        for k, value in enumerate(column.tolist()):
            exact = mpmath.ff(exponent, k) * mpmath.mpf(x) ** (exponent - k)
            assert abs(value - (exact.imag if imaginary else exact.real)) < 1e-13 * abs(exact)
