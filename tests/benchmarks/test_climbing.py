"""Residuals that are evened out: a factor that is one over their size, and stages that heed it."""

from typing import ClassVar

import pytest
import torch

from physmix.benchmarks import climbing
from physmix.benchmarks.cavity import Cavity, tamed
from physmix.benchmarks.climbing import Stage, climb
from physmix.benchmarks.evened import evened
from physmix.problems import Equations, State
from physmix.training import Solution

CUTS = ((0.2, 0.4, 0.6, 0.8), (0.3, 0.7))
TINY = Cavity(CUTS, features=5, points=60, boundary_points=10)


def at(x, y):
    """A state whose uy and its derivatives are a hundred times larger at the right."""

    def lookup(entry):
        return (0.01 + 0.99 * (x > 0.6).double()) * (entry[0] == "uy")

    return State("xy", ("ux", "uy"), {"x": x, "y": y}, lookup)


class Known(Solution):
    """A solution that has been found."""

    model = "a model"
    fields: ClassVar = {"ux": 0.0}

    def __init__(self):
        pass

    def at(self, points):
        return at(*points.unbind(1))


LEFT = Equations("known", "xy", ("ux", "uy"), residual=lambda y: {"left": y["uy"]})


def test_a_factor_is_one_over_what_was_left():
    factor = evened(Known(), LEFT, CUTS)
    x = torch.tensor([0.0, 0.1, 0.5, 0.7, 0.9, 1.0], dtype=torch.float64)
    for height in (0.0, 0.4, 1.0):
        found = factor(at(x, torch.full_like(x, height)))
        assert found.tolist() == pytest.approx([1, 1, 1, 0.01, 0.01, 0.01])
    x = torch.linspace(0.5, 0.7, 5, dtype=torch.float64)  # from centre to centre
    found = factor(at(x, torch.full_like(x, 0.5)))
    assert found.log10().tolist() == pytest.approx([0.0, -0.5, -1.0, -1.5, -2.0], abs=1e-9)


def test_stages_go_on_from_each_other(monkeypatch):
    calls = []

    def solve(problem, *model, steps, guess=None, **settings):
        calls.append((problem, model, guess, steps))
        return Known()

    monkeypatch.setattr(climbing, "solve", solve)
    finer = Cavity(CUTS, features=6, points=60, boundary_points=10)
    climb([Stage(TINY, 10.0, 2, even=False), Stage(finer, 20.0, 3), Stage(finer, 20.0, 1)])
    assert [call[1:] for call in calls] == [
        ((), None, 2),
        ((), Known.fields, 3),
        ((Known.model,), None, 1),
    ]
    x = torch.tensor([0.1, 0.5, 0.7, 0.9], dtype=torch.float64)
    places = at(x, torch.full_like(x, 0.5))
    for reynolds, even, (problem, *_) in zip((10.0, 20.0, 20.0), (False, True, True), calls, strict=True):
        plain = tamed(1 / reynolds).residual(places)["vorticity"]
        found = problem.equations.residual(places)["vorticity"] / plain
        assert bool((found[:2] > 0.9).all())
        assert bool((found[2:] < 0.5).all()) == even
