"""Compiled kernels against eager ones, and what happens without a compiler."""

import logging
import shutil

import pytest
import torch
from torch import nn

from physmix import PotentialModel, pointwise_network
from physmix.jets import JetSpace, compilation, compiling, push, seed


@pytest.fixture
def failing(monkeypatch):
    """A torch.compile that finds no compiler, and counts its calls."""
    calls = []

    def compile_(function, **settings):
        def run(*parts):
            calls.append(function)
            raise RuntimeError("no C++ compiler\nand a long story")

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.setattr(compiling, "_refusals", [])
    compiling._compiled.cache_clear()
    yield calls
    compiling._compiled.cache_clear()


def loss_and_gradients(net, points, space):
    jet = push(net, seed(points, space))
    loss = jet.coefficients.square().sum()
    return loss, *torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True)


def test_without_a_compiler_jets_are_pushed_eagerly_and_the_reason_is_logged_once(failing, caplog):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    points = torch.randn(7, 2, dtype=torch.float64)
    expected = loss_and_gradients(net, points, 3)
    with caplog.at_level(logging.WARNING), compilation():
        for _ in range(2):
            for a, b in zip(loss_and_gradients(net, points, 3), expected, strict=True):
                assert torch.equal(a, b)
    assert len(failing) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "jets are not compiled, since torch cannot: no C++ compiler"
    ]


def test_a_model_asks_for_kernels_only_if_it_is_told_to(failing, mass_momentum, generator):
    net = pointwise_network(3, [4], 4, generator=generator)
    fields = ["rho", "mx", "my", "sxx", "sxy", "syy"]
    model = PotentialModel(net, mass_momentum, fields, coordinates="txy", potentials=4)
    points = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    model(points)
    assert not failing
    model.compiled = True
    model(points)
    assert len(failing) == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
@pytest.mark.filterwarnings("ignore")  # of torch's compiler
@pytest.mark.parametrize(
    ("activation", "space", "dtype"),
    [
        (nn.Tanh(), JetSpace(2, 3), torch.float32),
        (nn.Tanh(), JetSpace.closure([(1, 1), (0, 3)]), torch.float64),
        (nn.GELU(), JetSpace(2, 2), torch.float64),
        (nn.GELU(approximate="tanh"), JetSpace(1, 3), torch.float64),
        (nn.Softplus(2.0), JetSpace(1, 4), torch.float32),
    ],
    ids=str,
)
def test_compiled_jets_are_those_of_eager_ones(activation, space, dtype, monkeypatch):
    monkeypatch.setattr(compiling, "_refusals", [])
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(space.coordinates, 9), activation, nn.Linear(9, 7), activation).to(dtype)
    for count in (33, 64):  # one kernel for all numbers of points
        points = torch.randn(count, space.coordinates, dtype=dtype)
        expected = loss_and_gradients(net, points, space)
        with compilation():
            found = loss_and_gradients(net, points, space)
        for a, b in zip(found, expected, strict=True):
            tolerance = 100 * torch.finfo(dtype).eps * b.abs().max().item()
            torch.testing.assert_close(a, b, rtol=0, atol=tolerance)
    assert not compiling._refusals
