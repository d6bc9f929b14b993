"""The benchmark of gases: totals that are exact on any grid, and rows that tell how far a solve is off."""

from dataclasses import replace

import pytest
import torch

from physmix.benchmarks import compressible, known
from physmix.flows import IsentropicVortex, Riemann

COARSE = compressible.Tube(viscosity=8e-3, width=0.03, cells=4, features=24, windows=2)


def test_totals_are_exact_on_a_coarse_solve():
    rows = {row.metric: row for row in compressible.sod_case("case", COARSE)}
    totals = [row for metric, row in rows.items() if metric.startswith("total of")]
    assert len(totals) == 6
    assert all(row.value < 1e-12 for row in totals)
    assert 1e-3 < rows["L1 error of density"].value < 0.06
    assert rows["L1 error of density"].holds is False  # too much viscosity for that


def test_the_place_of_a_shock():
    flow = Riemann()
    x = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    density = flow.fields(torch.stack([torch.full_like(x, 0.2), x], 1))["density"]
    assert compressible.shock(x, density, flow) == pytest.approx(0.85043, abs=2e-4)
    moved = torch.cat([density[:20], density[:-20]])
    assert compressible.shock(x, moved, flow) == pytest.approx(0.85543, abs=2e-4)


def test_the_vortex_is_measured_with_its_pressure():
    flow = IsentropicVortex(strength=1.0, length=40.0)
    asked = known.Solve(
        flow,
        replace(compressible.vortex_problem(flow, points=700), boundary_points=240),
        compressible.vortex_settings(flow, 90, 2.5),
        first=compressible.vortex_first(flow, 45, 2.0),
    )
    rows = {row.metric: row for row in known.solve_case(lambda: asked)("case")}
    errors = [rows[f"relative error of {name}"].value for name in ("rho", "p", "ux", "uy")]
    assert rows["mean relative error"].value == pytest.approx(sum(errors) / 4)
    assert max(errors) < 0.01
    assert 3 < rows["steps"].value <= 11  # those with few features among them
    assert rows["features carried along x"].value == flow.stream[0]
    assert rows["violation over its bound"].holds
