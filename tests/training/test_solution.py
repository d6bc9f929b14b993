"""Solving problems whose solution is known, by least squares on frozen features."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.problems import (
    Burgers,
    Condition,
    Equations,
    NavierStokes,
    Pin,
    Problem,
    Region,
    Residuals,
    feature_model,
)
from physmix.training import forecast, solve

RE = 40.0
RATE = RE / 2 - math.sqrt(RE**2 / 4 + 4 * math.pi**2)


def kovasznay(name):
    def value(points):
        x, y = points[:, 0], 2 * math.pi * points[:, 1]
        growth = torch.exp(RATE * x)
        return {
            "ux": 1 - growth * torch.cos(y),
            "uy": RATE / (2 * math.pi) * growth * torch.sin(y),
            "p": (1 - growth**2) / 2,
        }[name]

    return value


REGION = Region(x=(-0.5, 1.0), y=(-0.5, 1.5))
WALLS = Condition(REGION.boundary, {name: kovasznay(name) for name in ("ux", "uy")})


def problem(*, viscosity=1 / RE, exact="mass", extra=(), **settings):
    pin = [Pin({"p": 0.0})] if exact == "mass" else []
    settings = {"points": 700, "boundary_points": 300} | settings
    return Problem(REGION, NavierStokes("xy", viscosity, exact=exact), [WALLS, *pin, *extra], **settings)


def error(solution, name):
    at = REGION.sample(500, seed=5).points
    found, true = solution.at(at)[name], kovasznay(name)(at)
    if name == "p":
        found = found - found.mean() + true.mean()
    return float((found - true).norm() / true.norm())


@pytest.mark.parametrize(("exact", "features"), [("mass", 150), ("mass and momentum", 260)])
def test_a_flow_is_found_and_obeys_its_laws(exact, features):
    solution = solve(problem(exact=exact, points=1000), features=features, slope=2.8)
    assert max(error(solution, name) for name in ("ux", "uy", "p")) < 1e-2
    losses = [step.loss for step in solution.trace.steps]
    assert losses == sorted(losses, reverse=True)
    for finding in solution.judge(points=32, boxes=2):
        assert finding.violation < 100 * finding.round_off
    assert solution.integral(REGION.part("x=high"), lambda y: y["ux"] * y["nx"]) == pytest.approx(
        2.0, abs=1e-2
    )


def test_more_features_are_more_accurate_and_the_report_says_so():
    coarse, fine = (solve(problem(), features=n, slope=2.5) for n in (60, 160))
    assert error(fine, "ux") < error(coarse, "ux") / 20
    assert "the features" in coarse.limited_by
    starved = solve(problem(points=60, boundary_points=40), features=120, slope=2.5)
    assert "the collocation points" in starved.limited_by


def test_subdomains_reach_the_same_flow():
    solution = solve(problem(), features=60, slope=2.0, subdomains=(2, 2))
    assert error(solution, "ux") < 5e-3
    assert all(f.violation < 100 * f.round_off for f in solution.judge(points=16, boxes=1))


def test_an_unknown_viscosity_is_found():
    at = REGION.sample(100, seed=3).points
    seen = Condition(at, {name: kovasznay(name) for name in ("ux", "uy")})
    unknown = problem(viscosity="nu", extra=[seen], unknowns={"nu": 0.1})
    solution = solve(unknown, features=130, slope=2.5)
    assert solution.unknowns["nu"] == pytest.approx(1 / RE, rel=2e-2)


def test_a_solution_is_a_start():
    first = solve(problem(), features=100, slope=2.5)
    again = solve(problem(), first.model)
    assert again.trace.steps[0].loss < 2 * first.trace.steps[-1].loss
    assert len(again.trace.steps) <= 2


def test_equations_of_ones_own_in_time():
    heat = Equations(
        "heat",
        coordinates=("t", "x"),
        fields=("T", "q"),
        laws={"energy": "dt(T) + dx(q) = 0"},
        residual=lambda y: {"Fourier": y["q"] + 0.1 * y.d("T", "x")},
    )
    region = Region(t=(0, 1), x=(0, math.pi))
    conditions = [
        Condition(region.start, {"T": lambda p: torch.sin(p[:, 1])}),
        Condition(region.boundary, {"T": 0.0}),
    ]
    solution = solve(Problem(region, heat, conditions, points=400, boundary_points=100), features=60)
    at = region.sample(200, seed=9).points
    true = torch.exp(-0.1 * at[:, 0]) * torch.sin(at[:, 1])
    assert float((solution.at(at)["T"] - true).abs().max()) < 1e-4


def test_a_graded_partition_serves_a_steep_wave():
    region = Region(t=(0, 0.2), x=(-1, 1)).graded(x=[-0.2, 0.2])
    conditions = [
        Condition(region.start, {"u": lambda p: -torch.sin(math.pi * p[:, 1])}),
        Condition(region.boundary, {"u": 0.0}),
    ]
    wave = Problem(region, Burgers(0.05), conditions, points=900, boundary_points=200)
    solution = solve(wave, features=40, slope=2.5, subdomains=(1, [-0.2, 0.2]))
    totals = [solution.integral(region, lambda y: y["u"], nodes=256, t=t) for t in (0.0, 0.2)]
    left, right = (
        solution.integral(region.part(f"x={end}"), lambda y: y["f"], nodes=256) for end in ("low", "high")
    )
    assert totals[1] - totals[0] == pytest.approx(left - right, abs=1e-9)  # exact, whatever the error is
    assert abs(totals[1]) < 1e-3
    assert solution.residuals["Burgers: flux"] < 2e-2


def test_the_cost_is_told_before():
    told = problem()
    model = feature_model(told, 50)
    cost = forecast(Residuals(told, model))
    assert cost.columns == 2 * 50 + 3
    assert cost.rows == 2 * 1000 + 2 * 300 + 1
    assert cost.seconds > 0
    assert str(cost.columns) in str(cost)


def test_a_solve_starts_from_the_fields_of_another():
    first = solve(problem(points=300, boundary_points=150), features=60, slope=1.8)
    started = solve(problem(), features=110, slope=2.5, guess=first.fields, steps=1)
    at_rest = solve(problem(), features=110, slope=2.5, steps=1)
    assert error(started, "ux") < error(at_rest, "ux") / 3
    assert started.trace.steps[0].loss < at_rest.trace.steps[0].loss / 100


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingsError, match="not finite"):
        solve(
            problem(extra=[Condition(REGION.boundary, residual=lambda y: {"a": y["ux"] / 0.0})]), features=20
        )
    with pytest.raises(SettingsError, match="the subdomains"):
        solve(problem(), features=20, subdomains=(2,))
    with pytest.raises(SettingsError, match=r"ux is given twice on y=high; name the parts"):
        problem(extra=[Condition(REGION.part("y=high"), {"ux": 1.0})])


def test_a_vortex_that_is_carried_around_a_periodic_square():
    """Taylor and Green's with a mean velocity, which no periodic potential has: the bias carries it."""
    nu, mean = 0.05, 0.5

    def velocity(points):
        t, x, y = points.unbind(1)
        decay = torch.exp(-2 * nu * t)
        x = x - mean * t
        return {"ux": mean - x.cos() * y.sin() * decay, "uy": x.sin() * y.cos() * decay}

    region = Region(t=(0, 1), x=(0, 2 * math.pi), y=(0, 2 * math.pi)).periodic("x", "y")
    given = {name: lambda points, name=name: velocity(points)[name] for name in ("ux", "uy")}
    asked = Problem(
        region,
        NavierStokes("txy", nu, pressure=False),
        [Condition(region.start, given, points=60)],
        points=400,
    )
    found = solve(asked, features=130, slope=[1.0, 2, 2], steps=8)
    at = region.sample(200, seed=5).points
    for name, value in velocity(at).items():
        assert float((found.at(at)[name] - value).norm() / value.norm()) < 1e-5
    assert all(finding.holds for finding in found.judge(points=32, boxes=2))
