"""Marching through time by windows."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.flows import Burgers as KnownBurgers
from physmix.problems import Burgers, Condition, NavierStokes, Problem, Region
from physmix.training import march

VISCOSITY = 0.05
REGION = Region(t=(0, 0.6), x=(-1, 1))


def wave(region=REGION, **settings):
    conditions = [
        Condition(region.start, {"u": lambda p: -torch.sin(math.pi * p[:, 1])}, points=100),
        Condition(region.boundary, {"u": 0.0}, points=40),
    ]
    return Problem(region, Burgers(VISCOSITY), conditions, points=900, **settings)


def test_windows_follow_each_other():
    told = []
    solution = march(
        wave(),
        3,
        features=50,
        slope=[1.0, 3.0],
        subdomains=(1, 3),
        progress=lambda window, _: told.append(window),
    )
    points = REGION.sample(500, seed=8).points
    true = KnownBurgers(VISCOSITY).fields(points)["u"]
    state = solution.at(points)
    assert float((state["u"] - true).norm() / true.norm()) < 1e-3
    assert sorted(set(told)) == [0, 1, 2]
    assert len(solution.windows[1].trace.steps) <= len(solution.windows[0].trace.steps)
    balance = state.d("u", "t") + state.d("f", "x")
    assert float(balance.abs().max()) < 1e-9 * float(state.d("u", "t").abs().max())
    assert max(solution.residuals.values()) < 0.05


def test_the_end_of_a_window_is_the_start_of_the_next():
    solution = march(wave(), [0.2, 0.5], features=50, slope=[1.0, 3.0], subdomains=(1, 3))
    ends = [one.problem.region.box["t"] for one in solution.windows]
    assert ends == [(0.0, 0.2), (0.2, 0.5), (0.5, 0.6)]
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)
    at = torch.stack([torch.full_like(x, 0.2), x], 1)
    jump = solution.windows[0].at(at)["u"] - solution.windows[1].at(at)["u"]
    assert float(jump.abs().max()) < 1e-2


@pytest.mark.parametrize(
    ("problem", "windows", "match"),
    [
        (wave(), [0.5, 0.2], "increasing"),
        (Problem(Region(x=(0, 1), y=(0, 1)), NavierStokes("xy", 0.1)), 2, "no time"),
        (Problem(REGION, Burgers("nu"), unknowns={"nu": 0.1}), 2, "unknown numbers"),
        (Problem(REGION, Burgers(0.1)), 2, "nothing is given at the start"),
    ],
    ids=["order", "steady", "inverse", "no start"],
)
def test_what_cannot_march_is_refused(problem, windows, match):
    with pytest.raises(SettingsError, match=match):
        march(problem, windows, features=10)
