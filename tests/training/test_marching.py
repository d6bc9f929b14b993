"""Marching through time by windows."""

import math
from dataclasses import replace

import pytest
import torch

from physmix.errors import SettingsError
from physmix.flows import Burgers as KnownBurgers
from physmix.problems import Burgers, CompressibleFlow, Condition, NavierStokes, Problem, Region
from physmix.training import march, solve

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


def test_weights_carried_ahead_start_nearer_to_the_next_window():
    brief = wave(Region(t=(0, 0.12), x=(-1, 1)))
    starts = []
    for ahead in (0, 1, 2):
        told = {}

        def note(number, step, told=told):
            told[number] = step.loss  # before its step

        march(brief, 6, steps=(4, 1), ahead=ahead, progress=note, features=60, slope=[0.3, 4.0])
        assert sorted(told) == list(range(6))
        starts.append(sum(told[number] for number in range(3, 6)))
    assert starts[1] < starts[0] / 10
    assert starts[2] < starts[1]


def lopsided(points):
    return 0.4 - torch.sin(math.pi * points[:, 1]) + 0.3 * points[:, 1] ** 2


def test_totals_are_carried_from_window_to_window():
    problem = wave()
    start = replace(problem.conditions[0], values={"u": lopsided})
    ends = Condition(REGION.boundary, {"f": 0.0}, points=40)  # nothing flows out, or nearly
    settings = {"features": 50, "slope": [1.0, 3.0], "subdomains": (1, 3)}
    solution = march(replace(problem, conditions=[start, ends]), 3, **settings)
    assert solution.imbalances()["momentum"] < 1e-13
    second = solution.windows[1]
    end = second.integral(second.problem.region, lambda y: y["u"], nodes=200, t=0.4)
    assert end == pytest.approx(2 * 0.4 + 0.2, abs=1e-3)
    # Without the constant that is moved, the start of a window is only as near as its residual.
    with torch.no_grad():
        second.model.mixing.bias += 1e-9
    assert solution.imbalances()["momentum"] > 1e-10


def test_a_gas_starts_from_a_guess():
    region = Region(t=(0, 0.1), x=(0, 1))
    rest = {"rho": lambda p: 1 + 0.2 * torch.sin(3 * p[:, 1]), "mx": 0.0, "E": 2.5}
    conditions = [
        Condition(region.start, rest, points=80),
        Condition(region.boundary, {"mx": 0.0, "Fx": 0.0}, points=40),
    ]
    problem = Problem(region, CompressibleFlow("tx"), conditions, points=400)
    with pytest.raises(SettingsError, match="not finite"):
        march(problem, 1, features=60)
    solution = march(problem, 2, guess=rest, features=60, slope=[0.3, 2.0])
    at = region.sample(300, seed=5).points
    state = solution.at(at)
    # Under a pressure that is the same everywhere a gas at rest stays at rest.
    assert float((state["rho"] - rest["rho"](at)).abs().max()) < 1e-4
    assert float(state["mx"].abs().max()) < 1e-4
    assert max(solution.imbalances().values()) < 1e-13


def test_a_condition_may_hold_at_the_start_and_at_walls_together():
    """In later windows the end of the last one takes the place of the start alone."""
    both = Condition([REGION.start, *REGION.boundary], {"u": lambda p: -torch.sin(math.pi * p[:, 1])})
    problem = replace(wave(), conditions=[both], boundary_points=100)
    solution = march(problem, 3, features=50, slope=[1.0, 3.0], subdomains=(1, 3))
    points = REGION.sample(500, seed=8).points
    true = KnownBurgers(VISCOSITY).fields(points)["u"]
    assert float((solution.at(points)["u"] - true).norm() / true.norm()) < 2e-3


def calm(y):
    return {"calm": y["u"] - torch.sin(math.pi * y["x"])}


@pytest.mark.parametrize(
    ("problem", "windows", "match"),
    [
        (wave(), [0.5, 0.2], "increasing"),
        (Problem(Region(x=(0, 1), y=(0, 1)), NavierStokes("xy", 0.1)), 2, "no time"),
        (Problem(REGION, Burgers("nu"), unknowns={"nu": 0.1}), 2, "unknown numbers"),
        (Problem(REGION, Burgers(0.1)), 2, "nothing is given at the start"),
        (Problem(REGION, Burgers(0.1), [Condition(REGION.start, residual=calm)]), 2, "a residual holds"),
        (replace(wave(), points=REGION.points(100)), 2, "made some at a time"),
        (wave(), 0, "windows=0"),
    ],
    ids=["order", "steady", "inverse", "no start", "a residual at the start", "points", "no window"],
)
def test_what_cannot_march_is_refused(problem, windows, match):
    with pytest.raises(SettingsError, match=match):
        march(problem, windows, features=10)


def test_a_march_that_was_stopped_goes_on_to_the_same_numbers(tmp_path):
    settings = {"features": 40, "slope": [1.0, 3.0], "steps": 4, "ahead": 1}
    whole = march(wave(), 3, **settings)

    def kill(window, step):
        if window == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        march(wave(), 3, progress=kill, state=tmp_path, **settings)
    assert [one.name for one in tmp_path.iterdir()] == ["window-1"]
    worked = []
    again = march(wave(), 3, progress=lambda window, _: worked.append(window), state=tmp_path, **settings)
    assert set(worked) == {1, 2}
    for one, other in zip(whole.windows, again.windows, strict=True):
        assert torch.equal(one.model.mixing.weight, other.model.mixing.weight)
        assert torch.equal(one.model.mixing.bias, other.model.mixing.bias)
        assert one.residuals == other.residuals
    assert not list(tmp_path.rglob("solver*"))
    worked.clear()
    done = march(wave(), 3, progress=lambda window, _: worked.append(window), state=tmp_path, **settings)
    assert not worked
    assert done.residuals == whole.residuals


def test_one_window_says_what_a_march_says():
    """Both have fields, integrals, residuals, laws and totals, asked for in the same words."""
    settings = {"features": 50, "slope": [1.0, 3.0], "steps": 4}
    once, marched = solve(wave(), **settings), march(wave(), 1, **settings)
    points = REGION.sample(20, seed=8).points
    assert once.windows == (once,)
    assert len(marched.windows) == 1
    for found in (once, marched):
        torch.testing.assert_close(found.at(points)["u"], once.fields["u"](points), atol=1e-2, rtol=0)
        assert found.integral(REGION.part("x=high"), lambda y: y["f"]) == pytest.approx(
            once.integral(REGION.part("x=high"), lambda y: y["f"]), abs=1e-2
        )
        assert found.residuals.keys() == found.fresh.keys() == once.residuals.keys()
        assert all(one.holds for one in found.judge(points=16, boxes=1))
        assert "features" in found.limited_by or "points" in found.limited_by
        assert found.weighing == once.weighing
    # What is carried from the start is exact, and else as near as the residual of the start.
    assert marched.imbalances()["momentum"] < 1e-13 < once.imbalances()["momentum"] < 1e-2
