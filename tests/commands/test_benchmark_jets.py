"""The benchmark of jets: ways that agree, rows with targets, and peers that are missing."""

import math

import pytest
import torch

from physmix.benchmarks import BENCHMARKS, jets, residual

# torch.func scripts its decompositions.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
JETS = BENCHMARKS["jets"]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(jets, "POINTS", 40)
    monkeypatch.setattr(jets, "WIDTH", 6)
    monkeypatch.setattr(jets, "ROUNDS", 2)
    monkeypatch.setitem(jets.OURS, "compiled", residual.jets)  # compiling takes its time


@pytest.mark.parametrize("way", [residual.nested_autograd, residual.torch_func])
def test_all_ways_have_the_same_derivatives(way):
    net = jets.network(2, 2, torch.float64)
    points = torch.rand(5, 2, dtype=torch.float64)
    for found, expected in zip(way(net, points), residual.jets(net, points), strict=True):
        assert found.keys() == expected.keys()
        for index, value in expected.items():
            torch.testing.assert_close(found[index], value, rtol=1e-9, atol=1e-11)


def test_the_residual_of_an_exact_flow_vanishes():
    """Kovasznay's flow (Proc. Camb. Phil. Soc. 44, 1948), and a twin with another pressure."""
    rate = 1 / (2 * residual.VISCOSITY) - math.sqrt(1 / (2 * residual.VISCOSITY) ** 2 + 4 * math.pi**2)

    class Flow(torch.nn.Module):
        def __init__(self, pressure):
            super().__init__()
            self.pressure = pressure

        def forward(self, points):
            x, y = points.unbind(1)
            wave = (rate * x).exp()
            psi = y - wave * (2 * math.pi * y).sin() / (2 * math.pi)
            return torch.stack([psi, -self.pressure * wave**2], 1)

    points = torch.rand(20, 2, dtype=torch.float64)
    assert residual.momentum(*residual.nested_autograd(Flow(0.5), points)) < 1e-24
    assert residual.momentum(*residual.nested_autograd(Flow(0.3), points)) > 1e-3


@pytest.mark.parametrize("case", [name for name in JETS if "float" in name])
def test_rows_tell_time_memory_and_error(case, small):
    rows = JETS[case](case)
    mine = [row for row in rows if row.system == "physmix, eager"]
    metrics = {row.metric: row for row in mine}
    assert set(metrics) == {
        f"eager, times faster than {jets.NESTED}",
        "gradient error over precision",
        "time",
        "peak memory",
    }
    assert metrics["gradient error over precision"].holds
    assert (metrics[f"eager, times faster than {jets.NESTED}"].target is None) == ("float64" in case)
    assert any(row.system.startswith("torch-jet") for row in rows)
    assert {row.system for row in rows} >= {"physmix, compiled", jets.NESTED, "torch.func"}


def test_peak_memory_is_that_of_what_is_held():
    one = 4 * 2**20

    def run(together):
        first = torch.empty(2**20)
        if not together:
            del first
        torch.empty(2**20)

    assert jets.peak(lambda: run(together=True)) == 2 * one
    assert jets.peak(lambda: run(together=False)) == one


def test_what_is_needed_is_less_than_all(small):
    rows = JETS["time to order 1, space to order 3"]("case")
    assert [row.value for row in rows if row.metric == "coefficients"] == [13, 20]
