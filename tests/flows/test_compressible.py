"""Sod's tube and the Kelvin-Helmholtz instability, by the kept solver."""

import json

import numpy as np
import pytest
import torch

from physmix.errors import SettingsError
from physmix.flows import Riemann, gas, simulate_kelvin_helmholtz, simulate_sod
from physmix.flows.simulation.kelvin_helmholtz import two_streams

SOD = {"name": "s", "gamma": 1.4, "duration": 0.2, "snapshots": 3, "points": 50, "refinement": 1, "cfl": 0.8}
STREAMS = {**SOD, "gamma": 5 / 3, "duration": 0.3, "points": 16}


def mean_error(flow):
    """The mean difference from the exact cell averages at the last time, over all fields."""
    points = len(flow.axes["x"])
    fine = (torch.arange(20 * points, dtype=torch.float64) + 0.5) / (20 * points)
    t = torch.full_like(fine, flow.time[-1])
    rho, u, p = Riemann().fields(torch.stack([t, fine], 1)).values()
    states = torch.stack(gas.conserved(rho, u, 0 * u, p, gamma=1.4))
    exact = gas.primitive(*states.view(4, points, 20).mean(2), gamma=1.4)
    names = ("density", "velocity_x", "pressure")
    stored = [flow.component(name)[0, -1] for name in names]
    return np.mean(
        [np.abs(a - b.numpy()).mean() for a, b in zip(stored, (exact[0], exact[1], exact[3]), strict=True)]
    )


def test_the_tube_tends_to_the_exact_solution():
    """At a shock the mean error is of first order."""
    coarse = mean_error(simulate_sod(**SOD))
    assert coarse < 0.01
    assert mean_error(simulate_sod(**{**SOD, "points": 200})) < 0.4 * coarse


def test_the_tube_keeps_mass_and_energy_until_its_ends_are_reached():
    flow = simulate_sod(**SOD)
    rho, u, p = (flow.component(n)[0] for n in ("density", "velocity_x", "pressure"))
    for total in (rho.sum(1), (p / 0.4 + rho * u**2 / 2).sum(1)):
        assert np.abs(total / total[0] - 1).max() < 1e-13
    assert flow.boundary == {"x": "OPEN"}
    assert flow.grid == (50,)
    assert flow.provenance["values"] == "cell averages"
    assert json.loads(flow.provenance["solver_parameters"])["compressible.cvisc"] == 0


def test_the_streams_keep_every_total_and_begin_to_roll_up():
    flow = simulate_kelvin_helmholtz(**STREAMS)
    states = gas.conserved(*(flow.component(n)[0] for n in gas.PRIMITIVE), gamma=5 / 3)
    for state in states:
        totals = state.sum((1, 2))
        assert np.abs(totals - totals[0]).max() < 1e-13 * np.abs(state[0]).sum()
    assert flow.periodic
    # The start is the same after reflection along y and a quarter of the length along x.
    v = flow.component("velocity_y")[0]
    assert not np.allclose(v[-1], v[0], atol=1e-3)
    np.testing.assert_allclose(v[-1], -np.roll(v[-1], 4, 0)[:, ::-1], atol=1e-5)


def test_the_streams_start_as_in_the_paper():
    point = torch.tensor([[0.125, 0.0], [0.3, 0.25], [0.3, 0.5], [0.3, 0.75]], dtype=torch.float64)
    fields = two_streams(point)
    np.testing.assert_allclose(fields["density"], [1, 1.5, 2, 1.5], atol=3e-5)
    np.testing.assert_allclose(fields["velocity_x"], [0.5, 0, -0.5, 0], atol=3e-5)
    assert fields["velocity_y"][0].item() == pytest.approx(0.01)


@pytest.mark.parametrize("simulate", [simulate_sod, simulate_kelvin_helmholtz])
@pytest.mark.parametrize(
    "wrong",
    [{"points": 2}, {"snapshots": 1}, {"duration": 0.0}, {"refinement": 0}, {"cfl": 2.0}, {"gamma": 1.0}],
    ids=str,
)
def test_numbers_that_make_no_simulation_are_refused(simulate, wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        simulate(**{**SOD, "points": 8, **wrong})


def test_a_jump_within_a_cell_is_refused():
    with pytest.raises(SettingsError, match="even number"):
        simulate_sod(**{**SOD, "points": 25})
