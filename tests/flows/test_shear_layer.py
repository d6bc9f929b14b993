"""The shear layers: by the kept spectral solver, at any point."""

import sys

import numpy as np
import pytest
import torch

from physmix.errors import MissingPackageError, SettingsError
from physmix.flows import TaylorGreen, simulate_shear_layer, solve_shear_layer
from physmix.flows.simulation.fourier import fields_of_vorticity
from physmix.flows.simulation.shear_layer import _double_precision, _equations, shear_layers

SMALL = {"reynolds": 100.0, "duration": 0.1, "snapshots": 2, "modes": 48, "step": 0.005, "steepness": 12.0}


@pytest.fixture(scope="module")
def record():
    return solve_shear_layer(**SMALL)


def points_at(time, count=200):
    random = torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.cat([torch.full((count, 1), time, dtype=torch.float64), random], 1)


def test_the_solver_keeps_the_taylor_green_vortex():
    """An exact flow of the same equations: velocities and pressure, to the order of the viscous step."""
    n, reynolds, duration = 16, 20.0, 0.5
    exact = TaylorGreen(reynolds / (2 * np.pi))  # lengths in inverse wave numbers
    side = torch.arange(n, dtype=torch.float64) / n

    def at(time):
        grid = torch.cartesian_prod(torch.tensor([2 * np.pi * time], dtype=torch.float64), side, side)
        grid[:, 1:] *= 2 * np.pi
        return {name: field.view(n, n) for name, field in exact.fields(grid).items()}

    start = at(0.0)
    k = 2 * np.pi
    vorticity = torch.fft.rfft2(2 * k * torch.cos(k * side)[:, None] * torch.cos(k * side))
    with _double_precision(), torch.no_grad():
        errors = []
        for steps in (20, 40):
            modes, _ = _equations(n, 1 / reynolds)(vorticity, duration / steps, steps)
            fields = torch.fft.irfft2(fields_of_vorticity(modes))
            errors.append(
                max((a - b).abs().max().item() for a, b in zip(fields, at(duration).values(), strict=True))
            )
    assert (
        max(
            (a - b).abs().max()
            for a, b in zip(torch.fft.irfft2(fields_of_vorticity(vorticity)), start.values(), strict=True)
        )
        < 1e-14
    )
    assert errors[1] < 1e-4
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_the_divergence_is_zero_to_rounding(record):
    points = points_at(0.1).requires_grad_()
    fields = record.states[-1].fields(points[:, 1:])
    slopes = [
        torch.autograd.grad(fields[f"velocity_{axis}"].sum(), points, retain_graph=True)[0][:, index]
        for index, axis in ((1, "x"), (2, "y"))
    ]
    assert sum(slopes).abs().max() < 1e-13 * slopes[0].abs().max()


def test_the_series_starts_as_the_formula(record):
    points = points_at(0.0)
    u, v = shear_layers(points[:, 1:], steepness=12.0)
    fields = record.fields(points)
    np.testing.assert_allclose(fields["velocity_x"], u, atol=1e-5)  # of 48 modes
    np.testing.assert_allclose(fields["velocity_y"], v, atol=1e-14)


def test_the_formula_is_the_one_of_the_paper():
    y = torch.linspace(0, 1, 201, dtype=torch.float64)
    u, v = shear_layers(torch.stack([torch.full_like(y, 0.25), y], 1))
    paper = torch.where(y <= 0.5, torch.tanh(30 * (y - 0.25)), torch.tanh(30 * (0.75 - y)))
    np.testing.assert_allclose(u, paper, atol=1e-6)
    np.testing.assert_allclose(v, 0.05, atol=1e-15)


def test_it_obeys_the_momentum_equation(record):
    """At t = 0.1, by the series in space and differences in time."""
    apart = 0.002
    near = solve_shear_layer(**{**SMALL, "duration": 0.1 + apart, "snapshots": 52, "step": 0.001})
    before, now, after = near.states[-3], near.states[-2], near.states[-1]
    points = points_at(0.0)[:, 1:].requires_grad_()
    fields = now.fields(points)
    for index, axis in enumerate("xy"):
        name = f"velocity_{axis}"
        (slope,) = torch.autograd.grad(fields[name].sum(), points, create_graph=True)
        curved = sum(
            torch.autograd.grad(slope[:, i].sum(), points, retain_graph=True)[0][:, i] for i in (0, 1)
        )
        (push,) = torch.autograd.grad(fields["pressure"].sum(), points, retain_graph=True)
        rate = (after.fields(points)[name] - before.fields(points)[name]) / (2 * apart)
        carried = fields["velocity_x"] * slope[:, 0] + fields["velocity_y"] * slope[:, 1]
        terms = [rate, carried, push[:, index], -curved / 100]
        assert sum(terms).norm() < 3e-4 * max(term.norm() for term in terms)


def test_values_between_grid_points_are_those_of_more_modes(record):
    fine, points = solve_shear_layer(**{**SMALL, "modes": 96}), points_at(0.1)
    for name, values in record.fields(points).items():
        np.testing.assert_allclose(values.detach(), fine.fields(points)[name], atol=1e-5)


def test_a_flow_on_a_grid_says_how_it_was_made():
    flow = simulate_shear_layer(name="s", **SMALL, push=0.05, points=12)
    assert flow.grid == (12, 12)
    assert flow.periodic
    assert flow.parameters["viscosity"] == 0.01
    assert "torch-cfd" in flow.provenance["solver"]
    assert abs(flow.vectors["velocity"].mean((0, 2, 3))).max() < 1e-14


WRONG = [{"modes": 4}, {"modes": 15}, {"snapshots": 1}, {"step": 0.0}, {"reynolds": -1.0}, {"duration": 0.0}]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_numbers_that_make_no_simulation_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        solve_shear_layer(**{**SMALL, **wrong})


def test_a_step_that_is_too_long_is_refused():
    with pytest.raises(SettingsError, match="shorter step"):
        solve_shear_layer(**{**SMALL, "reynolds": 1e6, "duration": 100.0, "step": 1.0})


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_cfd.grids", None)
    with pytest.raises(MissingPackageError, match="torch-cfd"):
        solve_shear_layer(**SMALL)
