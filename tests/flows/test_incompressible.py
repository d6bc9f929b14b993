"""Cavity, cylinder and wake by finite elements: benchmark values, convergence, refusals."""

import itertools
import json

import numpy as np
import pytest
import torch

from physmix.errors import MissingPackageError, SettingsError
from physmix.flows import (
    read_flow,
    simulate_cavity,
    simulate_cylinder,
    simulate_wake,
    solve_cavity,
    solve_cylinder,
    solve_wake,
    write_flow,
)
from physmix.flows.simulation.cavity import LIDS
from physmix.flows.simulation.continuation import newton

SPECTRAL = {100: (-0.2140424, 0.1795728, -0.2538030), 1000: (-0.3885698, 0.3769447, -0.5270771)}
"""Least u, largest v and least v on the centre lines: Botella and Peyret, "Benchmark spectral results on
the lid-driven cavity flow", Computers & Fluids 27, 1998, pages 421-433."""


def random_points(count, low=0.02, high=0.98, seed=0):
    random = torch.rand(count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return low + (high - low) * random


def extrema(flow):
    along = torch.linspace(0.01, 0.99, 4001, dtype=torch.float64)
    half = torch.full_like(along, 0.5)
    u = flow.fields(torch.stack([half, along], 1))["velocity_x"]
    v = flow.fields(torch.stack([along, half], 1))["velocity_y"]
    return u.min().item(), v.max().item(), v.min().item()


def test_the_cavity_has_the_spectral_extrema():
    np.testing.assert_allclose(
        extrema(solve_cavity(reynolds=100, cells=10, degree=4)), SPECTRAL[100], rtol=5e-4
    )


@pytest.mark.slow
def test_the_cavity_has_the_spectral_extrema_at_re_1000():
    np.testing.assert_allclose(
        extrema(solve_cavity(reynolds=1000, cells=20, degree=4)), SPECTRAL[1000], rtol=1e-4
    )


@pytest.mark.parametrize("lid", LIDS)
def test_the_walls_hold_the_velocities_they_are_given(lid):
    flow = solve_cavity(reynolds=10, lid=lid, cells=4, degree=4)
    along = torch.linspace(0, 1, 9, dtype=torch.float64)
    zero, one = torch.zeros_like(along), torch.ones_like(along)
    for wall in ([along, zero], [zero, along], [one, along]):
        fields = flow.fields(torch.stack(wall, 1)[:-1])
        assert max(fields[f"velocity_{a}"].abs().max() for a in "xy") < 1e-12
    inner = along[2:-2]  # the uniform lid slows down in the last cell before a corner
    fields = flow.fields(torch.stack([inner, one[2:-2]], 1))
    np.testing.assert_allclose(fields["velocity_x"], LIDS[lid](inner.numpy()), atol=1e-12)


def test_the_cavity_converges_with_the_cells():
    """Velocities of degree 3 by a factor of 8 or more as the cells are halved."""
    points = random_points(400)
    flows = [solve_cavity(reynolds=100, lid="smooth", cells=n, degree=3) for n in (4, 8, 16)]
    values = [flow.fields(points)["velocity_x"] for flow in flows]
    errors = [((value - values[-1]).norm() / values[-1].norm()).item() for value in values]
    assert errors[1] < errors[0] / 7
    assert errors[1] < 3e-3


@pytest.mark.slow
def test_the_smooth_cavity_is_a_reference_to_1e_6():
    points = random_points(2000)
    flow, fine = (solve_cavity(reynolds=100, lid="smooth", cells=n, degree=6) for n in (12, 16))
    errors = {n: (f - fine.fields(points)[n]).norm() / f.norm() for n, f in flow.fields(points).items()}
    assert errors["velocity_x"] < 5e-7
    assert errors["velocity_y"] < 5e-7
    assert errors["pressure"] < 5e-6


def test_continuation_takes_newton_where_it_does_not_go_at_once():
    """From the flow without inertia, as at lower Reynolds numbers, it does not converge."""
    flow = solve_cavity(reynolds=1000, lid="smooth", cells=8, degree=3)
    space = flow.space
    assert newton(space, space.stokes(1.0), 1 / 1000) is None
    residual = space.residual(flow.state, 1 / 1000)
    assert np.abs(np.delete(residual, space.fixed)).max() < 1e-12


def test_the_pressure_has_no_mean_and_the_velocity_no_divergence():
    flow = solve_cavity(reynolds=100, lid="smooth", cells=8, degree=4)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    x, w = torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)
    values = {n: f.view(40, 40) for n, f in flow.fields(torch.cartesian_prod(x, x)).items()}
    assert abs(w @ values["pressure"] @ w) < 1e-5
    h = 1e-4
    points = random_points(200)
    shift = h * torch.eye(2, dtype=torch.float64)
    slopes = [
        (flow.fields(points + shift[i])[name] - flow.fields(points - shift[i])[name]) / (2 * h)
        for i, name in enumerate(("velocity_x", "velocity_y"))
    ]
    assert sum(slopes).norm() < 5e-3 * slopes[0].norm()


def test_the_cylinder_has_the_forces_of_the_benchmark():
    """Case 2D-1; to more digits than the bounds of 1996: Nabh 1998, as quoted by John and Matthies 2001."""
    flow = solve_cylinder(reynolds=20, cells=6, degree=3)
    drag, lift = flow.drag_and_lift
    assert drag == pytest.approx(5.57953523384, rel=1e-4)
    assert lift == pytest.approx(0.010618948146, rel=1e-2)
    assert flow.pressure_difference == pytest.approx(0.11752016697, rel=3e-3)


@pytest.mark.slow
def test_the_cylinder_converges_to_the_forces_of_the_benchmark():
    flow = solve_cylinder(reynolds=20, cells=9, degree=4)
    drag, lift = flow.drag_and_lift
    assert drag == pytest.approx(5.57953523384, rel=1e-5)
    assert lift == pytest.approx(0.010618948146, rel=3e-4)
    assert flow.pressure_difference == pytest.approx(0.11752016697, rel=1e-4)


def test_the_flow_on_the_cylinder_is_at_rest_and_that_at_the_inlet_as_given():
    flow = solve_cylinder(reynolds=20, cells=4, degree=3)
    angle = torch.linspace(0, 6.2, 50, dtype=torch.float64)
    circle = torch.stack([0.2 + 0.05 * torch.cos(angle), 0.2 + 0.05 * torch.sin(angle)], 1)
    fields = flow.fields(circle)
    assert max(fields[f"velocity_{a}"].abs().max() for a in "xy") < 1e-3  # quadratic sides, not circles
    y = torch.linspace(0, 0.41, 30, dtype=torch.float64)
    inlet = flow.fields(torch.stack([torch.zeros_like(y), y], 1))["velocity_x"]
    np.testing.assert_allclose(inlet, 4 * 0.3 * y * (0.41 - y) / 0.41**2, atol=1e-12)
    # What comes in goes out.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    section = torch.from_numpy((nodes + 1) / 2 * 0.41)
    outlet = flow.fields(torch.stack([torch.full_like(section, 2.2), section], 1))["velocity_x"]
    assert (outlet.numpy() @ weights / 2) == pytest.approx(0.2, rel=1e-4)


def test_points_in_the_cylinder_are_refused():
    flow = solve_cylinder(reynolds=20, cells=3, degree=2)
    with pytest.raises(SettingsError, match="outside the fluid"):
        flow.fields(torch.tensor([[0.2, 0.2]], dtype=torch.float64))


def test_the_cylinder_is_solid_in_the_file(tmp_path):
    flow = simulate_cylinder(name="cylinder", reynolds=20.0, points=16, cells=3, degree=2)
    write_flow(flow, tmp_path / "flow.hdf5")
    back = read_flow(tmp_path / "flow.hdf5")
    assert back.grid == (86, 16)
    assert 8 < back.solid.sum() < 16
    assert np.abs(back.vectors["velocity"][0, 0][back.solid]).max() == 0
    assert np.abs(back.vectors["velocity"][0, 0][~back.solid]).min(-1).max() > 0
    assert json.loads(back.provenance["coefficients"])["drag"] == pytest.approx(5.58, rel=0.05)


def after(space, start, step, count):
    """The state after some steps in time."""
    return next(itertools.islice(space.march(start, 1e-3, step), count - 1, None))[0]


def test_a_march_is_of_second_order():
    """From a smooth start, the difference at a fixed time falls by four as the step is halved."""
    space = solve_cylinder(reynolds=20, cells=3, degree=2).space
    start = after(space, space.stokes(1e-3), 0.05, 8)
    ends = [after(space, start, 0.4 / count, count)[: 2 * space.size] for count in (8, 16, 32)]
    first, second = (np.linalg.norm(a - b) for a, b in itertools.pairwise(ends))
    assert 3 < first / second < 6


def test_a_march_ends_at_the_steady_flow():
    flow = solve_cylinder(reynolds=20, cells=3, degree=2)
    space = flow.space
    end = after(space, space.stokes(1e-3), 0.2, 100)
    assert np.abs(end - flow.state).max() < 1e-5 * np.abs(flow.state).max()


def test_the_wake_is_known_at_its_stored_times_only():
    wake = solve_wake(spin_up=0.0, duration=0.02, snapshots=3, step=0.005, cells=3, degree=2)
    assert wake.steps.tolist() == pytest.approx([0, 0.005, 0.01, 0.015, 0.02])
    place = [1.0, 0.2]
    points = torch.tensor([[time, *place] for time in wake.times[[2, 0]]], dtype=torch.float64)
    fields = wake.fields(points)
    for row, index in enumerate((2, 0)):
        expected = wake.states[index].fields(points[:1, 1:])
        assert all(fields[name][row] == expected[name][0] for name in fields)
    with pytest.raises(SettingsError, match="not stored"):
        wake.fields(torch.tensor([[0.005, *place]], dtype=torch.float64))


@pytest.mark.slow
def test_the_wake_sheds_vortices_as_in_the_benchmark():
    """Case 2D-2: drag up to 3.22 to 3.24, lift up to 0.99 to 1.01, Strouhal number 0.295 to 0.305."""
    wake = solve_wake(spin_up=4.0, duration=1.0, snapshots=2, step=0.005, cells=6, degree=3)
    assert wake.drag.max() == pytest.approx(3.23, rel=0.01)
    assert wake.lift.max() == pytest.approx(1.0, rel=0.02)
    assert 0.295 < wake.strouhal < 0.305


CAVITY = {"name": "c", "reynolds": 100.0, "lid": "smooth", "points": 8, "cells": 4, "degree": 2}
CYLINDER = {"name": "c", "reynolds": 20.0, "points": 8, "cells": 3, "degree": 2}
WAKE = {**CYLINDER, "spin_up": 0.0, "duration": 0.01, "snapshots": 2, "step": 0.01}
WRONG = [
    (simulate_cavity, CAVITY, {"reynolds": 0.0}),
    (simulate_cavity, CAVITY, {"lid": "smoth"}),
    (simulate_cavity, CAVITY, {"points": 1}),
    (simulate_cavity, CAVITY, {"cells": 1}),
    (simulate_cavity, CAVITY, {"degree": 1}),
    (simulate_cylinder, CYLINDER, {"reynolds": float("nan")}),
    (simulate_cylinder, CYLINDER, {"points": 2}),
    (simulate_cylinder, CYLINDER, {"cells": 2}),
    (simulate_wake, WAKE, {"step": 0.0}),
    (simulate_wake, WAKE, {"snapshots": 1}),
    (simulate_wake, WAKE, {"spin_up": -1.0}),
    (simulate_wake, WAKE, {"duration": 0.0}),
]


@pytest.mark.parametrize(
    ("simulate", "settings", "wrong"), WRONG, ids=lambda part: getattr(part, "__name__", str(part)[:40])
)
def test_numbers_that_make_no_simulation_are_refused(simulate, settings, wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        simulate(**{**settings, **wrong})


def test_a_reynolds_number_that_the_mesh_does_not_hold_is_refused():
    with pytest.raises(SettingsError, match=r"no steady flow is found beyond Re=.*more cells"):
        solve_cavity(reynolds=1e6, cells=3, degree=2)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skfem", None)
    with pytest.raises(MissingPackageError, match=r"scikit-fem.*physmix\[simulate\]"):
        simulate_cavity(**CAVITY)
