"""Solvers of one problem: the same optimum, the same trace, and the choice among them."""

import math
import sys

import pytest
import torch
from torch import nn

from physmix.errors import MissingPackageError, SettingsError
from physmix.optimization import violations
from physmix.problems import (
    Condition,
    Equations,
    NavierStokes,
    Pin,
    Problem,
    Region,
    Residuals,
    feature_model,
    network_model,
)
from physmix.training import LBFGS, SOAP, SOLVERS, Adam, LevenbergMarquardt, solve
from physmix.training.levenberg_marquardt import space_of
from physmix.training.weights import Weights

REGION = Region(x=(-0.5, 1.0), y=(-0.5, 1.5))


def shear(points):
    return torch.sin(2 * points[:, 1])


def flow(viscosity=0.1, **settings):
    """A shear flow that is driven by its walls."""
    walls = Condition(REGION.boundary, {"ux": shear, "uy": 0.0})
    settings = {"points": 40, "boundary_points": 30} | settings
    return Problem(REGION, NavierStokes("xy", viscosity), [walls, Pin({"p": 0.0})], **settings)


HEAT = Equations(
    "heat",
    coordinates=("t", "x"),
    fields=("T", "q"),
    laws={"energy": "dt(T) + dx(q) = 0"},
    residual=lambda y: {"Fourier": y["q"] + 0.1 * y.d("T", "x")},
)
BAR = Region(t=(0, 1), x=(0, math.pi))
LINEAR = Problem(
    BAR,
    HEAT,
    [Condition(BAR.start, {"T": lambda p: torch.sin(p[:, 1])}), Condition(BAR.boundary, {"T": 0.0})],
    points=60,
    boundary_points=40,
)


def weights_of(problem, model):
    residuals = Residuals(problem, model)
    residuals.balanced()
    return Weights(residuals)


def dense(weights):
    pairs = list(weights.rows())
    return torch.cat([r for r, _ in pairs]), torch.cat([j for _, j in pairs])


def test_rows_are_derivatives_of_everything_that_moves():
    problem = flow("nu", unknowns={"nu": 0.3}, points=8, boundary_points=4)
    model = network_model(problem, [4, 3], potentials=2)
    model.network.insert(1, nn.LayerNorm(4, dtype=torch.float64))  # no linear layer, and moves too
    weights = weights_of(problem, model)
    at, (residual, jacobian) = weights.vector(), dense(weights)
    assert weights.loss() == pytest.approx(float(residual @ residual), rel=1e-12)

    def moved(step):
        weights.set(at + step)
        return weights.linearised()[0]

    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        along = torch.randn(weights.count, generator=generator, dtype=torch.float64)
        slope = (moved(1e-6 * along) - moved(-1e-6 * along)) / 2e-6
        assert torch.allclose(jacobian @ along, slope, rtol=1e-6, atol=1e-7 * float(slope.abs().max()))
    weights.set(at)
    loss, gradient = weights.gradient()
    assert loss == pytest.approx(float(residual @ residual), rel=1e-12)
    assert torch.allclose(gradient, 2 * jacobian.T @ residual, rtol=1e-9, atol=1e-12)
    same, forward, backward = weights.linearised()
    assert torch.allclose(same, residual, rtol=1e-12)
    assert torch.allclose(forward(along), jacobian @ along, rtol=1e-9, atol=1e-12)
    assert torch.allclose(backward(residual), jacobian.T @ residual, rtol=1e-9, atol=1e-12)


def test_frozen_features_and_moving_layers_have_the_same_rows():
    model = feature_model(LINEAR, 12)
    frozen, jacobian = dense(weights_of(LINEAR, model))
    model.network.requires_grad_(True)
    moving = weights_of(LINEAR, model)
    residual, wide = dense(moving)
    assert torch.allclose(residual, frozen, rtol=1e-12)
    assert torch.allclose(wide[:, -jacobian.shape[1] :], jacobian, rtol=1e-9, atol=1e-12)


SETTINGS = {
    "gauss-newton": ("gauss-newton", 20),
    "weights": (LevenbergMarquardt("weights"), 60),
    "samples": (LevenbergMarquardt("samples"), 60),
    "matrix-free": (LevenbergMarquardt("matrix-free"), 60),
    "lbfgs": (LBFGS(memory=30), 300),
    "adam": (Adam(rate=0.3), 1000),
    "soap": (SOAP(rate=0.3), 400),
}
CLOSE = {"adam": 0.1, "soap": 1e-2}  # of the loss; they are slow where features are nearly dependent


@pytest.mark.parametrize("name", SETTINGS)
def test_every_solver_reaches_the_constrained_optimum(name):
    if name == "soap":
        pytest.importorskip("pytorch_optimizer")
    weights = weights_of(LINEAR, feature_model(LINEAR, 4, slope=1.0))
    residual, jacobian = dense(weights)
    step = torch.linalg.lstsq(jacobian, -residual[:, None], driver="gelsd").solution[:, 0]
    best = float((residual + jacobian @ step).square().sum())
    model = feature_model(LINEAR, 4, slope=1.0)
    weights_of(LINEAR, model).set(torch.zeros(weights.count, dtype=torch.float64))
    solver, steps = SETTINGS[name]
    solution = solve(LINEAR, model, solver=solver, steps=steps)
    reached = weights_of(LINEAR, model).loss()
    assert reached == pytest.approx(best, rel=CLOSE.get(name, 1e-6))
    assert max(violations(model).values()) < 1e-13
    assert solution.trace.steps[0].loss > 2 * reached
    times = [step.seconds for step in solution.trace.steps]
    assert times == sorted(times)


@pytest.mark.parametrize("space", ["weights", "samples", "matrix-free"])
def test_spaces_take_the_same_steps(space):
    problem = flow()
    told = solve(problem, network_model(problem, [8]), solver=LevenbergMarquardt(space), steps=8)
    plain = solve(problem, network_model(problem, [8]), solver=LevenbergMarquardt("weights"), steps=8)
    found, expected = ([one.loss for one in each.trace.steps] for each in (told, plain))
    assert found == pytest.approx(expected, rel=1e-5 if space == "samples" else 5e-2)
    assert found == sorted(found, reverse=True)


def test_laws_hold_while_hidden_layers_move():
    problem = flow()
    solution = solve(problem, network_model(problem, [8]), steps=15)
    assert solution.trace.steps[-1].loss < 0.1 * solution.trace.steps[0].loss
    for finding in solution.judge(points=16, boxes=1):
        assert finding.violation < 100 * finding.round_off


def test_an_unknown_number_moves_with_the_layers():
    at = BAR.sample(30, seed=4).points
    seen = Condition(at, {"T": lambda p: torch.exp(-0.1 * p[:, 0]) * torch.sin(p[:, 1])})
    equations = Equations(
        "heat",
        coordinates=("t", "x"),
        fields=("T", "q"),
        laws={"energy": "dt(T) + dx(q) = 0"},
        residual=lambda y: {"Fourier": y["q"] + y["k"] * y.d("T", "x")},
    )
    problem = Problem(BAR, equations, [seen], unknowns={"k": 0.3}, points=60)
    solution = solve(problem, network_model(problem, [8], potentials=6), steps=60)
    assert solution.unknowns["k"] == pytest.approx(0.1, rel=2e-2)


def test_lbfgs_goes_on_where_that_of_torch_ends():
    """Frozen features, and values of 1e-4: the loss is small from the start."""
    small = Condition(BAR.start, {"T": lambda p: 1e-4 * torch.sin(p[:, 1])})
    problem = Problem(BAR, HEAT, [small, Condition(BAR.boundary, {"T": 0.0})], points=60, boundary_points=40)
    model = feature_model(problem, 5, slope=1.0)
    weights = weights_of(problem, model)
    weights.set(torch.zeros(weights.count, dtype=torch.float64))
    residual, jacobian = dense(weights)
    step = torch.linalg.lstsq(jacobian, -residual[:, None], driver="gelsd").solution[:, 0]
    best = float((residual + jacobian @ step).square().sum())

    vector = nn.Parameter(weights.vector())
    torchs = torch.optim.LBFGS([vector], max_iter=400, history_size=100, line_search_fn="strong_wolfe")

    def closure():
        weights.set(vector.detach())
        loss, vector.grad = weights.gradient()
        return torch.tensor(loss, dtype=torch.float64)

    torchs.step(closure)
    weights.set(vector.detach())
    ended = weights.loss()
    assert torchs.state[vector]["n_iter"] < 400  # by itself

    weights.set(torch.zeros(weights.count, dtype=torch.float64))
    solution = solve(problem, model, solver=LBFGS(), steps=400)
    assert ended > 1.5 * best
    assert weights_of(problem, model).loss() == pytest.approx(best, rel=1e-6)
    assert len(solution.trace.steps) < 400


def test_solvers_choose_themselves_and_say_why():
    problem, told = flow(), []
    solve(problem, features=10, steps=2, report=told.append)
    assert "gauss-newton, chosen automatically: hidden layers are frozen" in told[0]
    assert "condition" in told[1]
    assert "limited by" in told[2]
    solution = solve(problem, network_model(problem, [6]), steps=2)
    assert "levenberg-marquardt, chosen automatically" in solution.trace.solver
    assert "in the space of weights" in solution.trace.solver
    assert "still falling" in solution.limited_by
    solution.trace.ended = True
    assert "the network" in solution.limited_by
    assert space_of(weights_of(problem, network_model(problem, [40])))[0] == "samples"
    many = flow(points=4000)
    assert space_of(weights_of(many, network_model(many, [70, 70])))[0] == "matrix-free"
    assert solve(problem, features=10, solver="lbfgs", seconds=1e-6).trace.reason == "1e-06 seconds are over"


def test_batches_stand_for_all_points():
    problem = flow(points=40, boundary_points=32)
    weights = weights_of(problem, network_model(problem, [4]))
    whole, gradient = weights.gradient()
    quarters = [torch.arange(n) if n < 4 else torch.randperm(n).view(4, -1) for n in weights.residuals.pieces]
    found = [
        weights.gradient({i: one if one.ndim == 1 else one[k] for i, one in enumerate(quarters)})
        for k in range(4)
    ]
    assert sum(loss for loss, _ in found) / 4 == pytest.approx(whole, rel=1e-12)
    assert torch.allclose(sum(slope for _, slope in found) / 4, gradient, rtol=1e-9, atol=1e-12)
    assert found[0][0] != pytest.approx(whole, rel=1e-3)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(MissingPackageError, match=r"physmix\[soap\]"):
        solve(flow(), features=5, solver="soap")


def test_what_does_not_fit_is_refused():
    problem = flow()
    with pytest.raises(SettingsError, match=r"lbgfs.*lbfgs"):
        solve(problem, features=10, solver="lbgfs")
    with pytest.raises(SettingsError, match="steps=0"):
        solve(problem, features=10, solver=Adam(), steps=0)
    with pytest.raises(SettingsError, match="rate=0"):
        solve(problem, features=10, solver=Adam(rate=0))
    model = feature_model(problem, 5, subdomains=(2, 1))
    model.network.requires_grad_(True)
    with pytest.raises(SettingsError, match="the features of subdomains"):
        solve(problem, model)
    assert set(SOLVERS) == {"gauss-newton", "levenberg-marquardt", "lbfgs", "adam", "soap"}


def test_a_step_that_leaves_nothing_to_gain_is_the_last():
    linear = solve(LINEAR, features=20, slope=2.0)  # its linear model is the problem itself
    assert len(linear.trace.steps) == 1
    assert linear.trace.ended
    assert "linear model" in linear.trace.reason
    carried = solve(flow(), features=20, slope=2.0)
    assert len(carried.trace.steps) > 1
    again = solve(flow(), carried.model)
    assert sum(carried.residuals.values()) == pytest.approx(sum(again.residuals.values()), rel=1e-2)
