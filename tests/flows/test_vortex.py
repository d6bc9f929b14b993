"""The isentropic vortex: exact, simulated, and the file in data/."""

import dataclasses

import numpy as np
import pytest
import torch

from physmix.errors import SettingsError
from physmix.flows import IsentropicVortex, exact_solution, gas, read_flow, simulate_vortex
from physmix.flows.simulation.compressible import GasDomain, point_values

SETTINGS = {
    "name": "small",
    "gamma": 1.4,
    "strength": 5.0,
    "stream": [1.0, 0.5],
    "length": 10.0,
    "duration": 0.5,
    "snapshots": 3,
    "refinement": 1,
    "cfl": 0.8,
}


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def exact_at(vortex, t, x, y):
    """Primitive fields over the grid of x and y, (4, x, y)."""
    points = torch.cartesian_prod(*(torch.as_tensor(c, dtype=torch.float64) for c in ([t], x, y)))
    return torch.stack(list(vortex.fields(points).values())).view(4, len(x), len(y)).numpy()


def test_it_comes_round_after_one_period():
    vortex = IsentropicVortex(stream=(1.0, 0.5))
    x = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(exact_at(vortex, 0.0, x, x), exact_at(vortex, 20.0, x, x), atol=1e-13)


@pytest.mark.parametrize(
    "pack", [np.asarray, lambda v: torch.tensor(v).double(), float], ids=["numpy", "torch", "float"]
)
def test_changes_of_variables_are_inverse(pack):
    values = [pack(v) for v in (1.3, 0.4, -0.7, 2.1)]
    for back in (
        gas.primitive(*gas.conserved(*values, gamma=1.4), gamma=1.4),
        gas.primitive_from_space_time(*gas.space_time(*values)),
    ):
        np.testing.assert_allclose([float(v) for v in back], [float(v) for v in values], rtol=1e-13)
    assert max(abs(float(r)) for r in gas.constitutive_residual(*gas.space_time(*values))) < 1e-15


def test_point_values_keep_totals_and_are_fourth_order():
    vortex, errors = IsentropicVortex(), []
    for n in (32, 64):
        edges = np.linspace(-5, 5, n + 1)
        x = (edges[1:] + edges[:-1]) / 2
        domain = GasDomain((edges, edges), ("periodic", "periodic"), vortex.gamma, flattening=False)
        averages = domain.averages(lambda xy: vortex.fields(torch.nn.functional.pad(xy, (1, 0))))
        points = point_values(averages)
        np.testing.assert_allclose(points.sum((1, 2)), averages.sum((1, 2)), rtol=1e-14)
        errors.append(
            relative(points, np.stack(gas.conserved(*exact_at(vortex, 0.0, x, x), gamma=vortex.gamma)))
        )
    assert 12 < errors[0] / errors[1] < 20


def test_the_simulation_converges_and_conserves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    errors = []
    for points in (16, 32):
        flow = simulate_vortex(**SETTINGS, points=points)
        x, y = flow.axes.values()
        exact = exact_at(exact_solution(flow), flow.time[-1], x, y)
        errors.append(
            max(relative(flow.component(n)[0, -1], e) for n, e in zip(gas.PRIMITIVE, exact, strict=True))
        )
        density = flow.component("density")[0].sum((1, 2))
        momentum = (flow.component("density") * flow.component("velocity_x"))[0].sum((1, 2))
        for total in (density, momentum):
            assert np.abs(total / total[0] - 1).max() < 1e-14
    assert errors[1] < 0.5 * errors[0]
    assert not list(tmp_path.iterdir())  # the solver leaves nothing behind


WRONG = [
    {"points": 2},
    {"snapshots": 1},
    {"duration": 0.0},
    {"refinement": 0},
    {"cfl": 0.0},
    {"cfl": 2.0},
    {"cfl": float("nan")},
    {"stream": [1.0]},
    {"gamma": 1.0},
    {"length": -1.0},
    {"strength": 100.0},
    {"strength": float("nan")},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_numbers_that_make_no_simulation_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        simulate_vortex(**{**SETTINGS, "points": 8, **wrong})


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "{}", '{"gamma": 1, "strength": 5, "stream": [1, 1], "length": 10}']
)
def test_a_provenance_that_is_not_ours_gives_no_exact_solution(vortex_file, text):
    flow = dataclasses.replace(read_flow(vortex_file), provenance={"vortex": text})
    assert exact_solution(flow) is None


def test_the_file_in_data_is_near_the_exact_solution(vortex_file):
    flow = read_flow(vortex_file)
    x, y = flow.axes.values()
    for index in (0, 10, 20):
        exact = exact_at(exact_solution(flow), flow.time[index], x, y)
        for name, values in zip(gas.PRIMITIVE, exact, strict=True):
            assert relative(flow.component(name)[0, index], values) < 2e-4
    assert flow.provenance["solver_version"]


@pytest.mark.slow
def test_the_command_makes_the_file_again(vortex_file, tmp_path):
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from physmix.commands.simulate import simulate
    from physmix.files import configurations

    with initialize_config_dir(str(configurations()), version_base="1.3"):
        config = compose("simulate", ["flow=vortex", f"output={tmp_path / 'again.hdf5'}"])
    assert simulate(OmegaConf.to_container(config, resolve=True)) == 0
    again, committed = read_flow(tmp_path / "again.hdf5"), read_flow(vortex_file)
    for name in committed.components:
        np.testing.assert_allclose(again.component(name), committed.component(name), rtol=0, atol=1e-12)
