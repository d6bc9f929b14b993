"""Files of PDEBench, PDEArena and The Well, made by writers of their own after the published layouts."""

import dataclasses

import h5py
import numpy as np
import pytest
from foreign import compressible, pdearena

from physmix.errors import FlowFileError, SettingsError
from physmix.flows import Field, FlowFile, read_flow, write_flow


@pytest.mark.parametrize("extra_time", [0, 1])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_compressible_flow_is_read(tmp_path, dimensions, extra_time):
    path = tmp_path / "CFD_Rand_periodic_Train.hdf5"
    fields = compressible(path, dimensions, extra_time)
    axes = "xyz"[:dimensions]
    flow = read_flow(path)
    assert flow.time == pytest.approx(np.linspace(0, 1, 4 + extra_time)[:4])
    for stored, name in [("density", "density"), *((f"V{a}", f"velocity_{a}") for a in axes)]:
        np.testing.assert_array_equal(flow.component(name), fields[stored])
        assert flow.component(name).dtype == np.float32
    assert flow.periodic
    assert flow.evenly_spaced
    assert flow.parameters["gamma"] == 5 / 3
    assert "PDEBench's configuration" in flow.provenance["gamma"]
    assert flow.metadata.lengths == pytest.approx((1.0,) * dimensions, rel=1e-5)


def test_the_time_axis_may_be_no_longer_than_that(tmp_path):
    compressible(tmp_path / "flow.hdf5", 1, extra_time=2)
    with pytest.raises(FlowFileError, match="has 6 times in /t-coordinate, expected 4 or 5"):
        read_flow(tmp_path / "flow.hdf5")


def test_parts_are_those_of_the_whole(tmp_path):
    path = tmp_path / "flow.hdf5"
    fields = compressible(path, 2)
    with FlowFile(path, constants={"gamma": 1.4}, boundary={"x": "PERIODIC", "y": "WALL"}) as file:
        about = file.metadata
        assert about.components == ("density", "pressure", "velocity_x", "velocity_y")
        assert about.fields == (Field("density"), Field("pressure"), Field("velocity", 1))
        assert (about.trajectories, about.grid, about.precision) == (3, (8, 6), np.float32)
        assert about.boundary == {"x": "PERIODIC", "y": "WALL"}
        assert about.state_equation.gamma == 1.4
        states = file.read(slice(1, 3), slice(2, 4))
        parts = list(file.parts(largest=1))
    assert states.shape == (2, 2, 8, 6, 4)
    np.testing.assert_array_equal(states[..., 3], fields["Vy"][1:3, 2:4])
    assert [len(part.scalars["density"]) for part in parts] == [1, 1, 1]
    np.testing.assert_array_equal(parts[2].scalars["pressure"], fields["pressure"][2:])


def test_scalar_equations_are_read(tmp_path):
    values = np.random.default_rng(0).standard_normal((2, 3, 16)).astype("f4")
    with h5py.File(tmp_path / "1D_Advection_Sols_beta0.1.hdf5", "w") as file:
        file["tensor"] = values
        file["x-coordinate"] = np.linspace(0, 1, 16, endpoint=False).astype("f4")
        file["t-coordinate"] = np.linspace(0, 1, 4).astype("f4")
    flow = read_flow(tmp_path / "1D_Advection_Sols_beta0.1.hdf5")
    np.testing.assert_array_equal(flow.scalars["u"], values)
    assert flow.boundary == {}  # the file does not tell


def incompressible(path, times):
    random = np.random.default_rng(0)
    velocity = random.standard_normal((2, 3, 8, 8, 2)).astype("f4")
    particles = random.random((2, 3, 8, 8, 1)).astype("f4")
    with h5py.File(path, "w") as file:
        file.create_dataset("velocity", data=velocity, compression="lzf")
        file.create_dataset("particles", data=particles, compression="lzf")
        file["force"], file["t"] = velocity[:, 0], times
    return velocity, particles


def test_incompressible_flow_is_read(tmp_path):
    path = tmp_path / "ns_incom.h5"
    velocity, particles = incompressible(path, np.tile(np.arange(3.0), (2, 1)))
    flow = read_flow(path)
    np.testing.assert_array_equal(flow.vectors["velocity"], velocity)
    np.testing.assert_array_equal(flow.scalars["particles"], particles[..., 0])
    assert flow.boundary == {"x": "WALL", "y": "WALL"}
    assert "resampled" in flow.provenance["values"]
    incompressible(path, np.arange(6.0).reshape(2, 3))
    with pytest.raises(FlowFileError, match="different times"):
        read_flow(path)


def test_a_file_with_a_group_for_each_seed_is_read(tmp_path):
    path = tmp_path / "2D_diff-react.h5"
    values = np.random.default_rng(0).standard_normal((3, 5, 8, 6, 2)).astype("f4")
    with h5py.File(path, "w") as file:
        for i, each in enumerate(values):
            group = file.create_group(f"{i:04d}")
            group["data"] = each
            group["grid/x"], group["grid/y"] = np.linspace(-1, 1, 8), np.linspace(-1, 1, 6)
            group["grid/t"] = np.linspace(0, 5, 5)
    flow = read_flow(path)
    np.testing.assert_array_equal(flow.scalars["u1"], values[..., 1])
    with FlowFile(path) as file:
        np.testing.assert_array_equal(file.read(slice(1, 2), slice(3, 5)), values[1:2, 3:5])
    with h5py.File(path, "r+") as file:
        del file["0001/data"]
        file["0001/data"] = values[0, :4]
    with pytest.raises(FlowFileError, match=r"shape \(4, 8, 6, 2\), expected \(time 5"):
        read_flow(path)


def test_pdearena_is_read_with_its_faces(tmp_path):
    path = tmp_path / "NavierStokes2D_train.h5"
    pdearena(path)
    flow = read_flow(path)
    assert flow.metadata.places == {"u": (0, 0), "v_x": (1, 0), "v_y": (0, 1)}
    assert flow.metadata.lengths == pytest.approx((32.0, 24.0))
    write_flow(flow, tmp_path / "copy.hdf5")
    copy = read_flow(tmp_path / "copy.hdf5")
    assert copy.metadata.places == flow.metadata.places
    np.testing.assert_array_equal(copy.vectors["v"], flow.vectors["v"])
    with h5py.File(path, "r+") as file:
        file.copy("train", "valid")
    with pytest.raises(FlowFileError, match="one split"):
        read_flow(path)


def well(path):
    """As The Well publishes it: constant fields, fields without a dimension, tensors, names as text."""
    random = np.random.default_rng(0)
    parts = {
        "t0_fields/density": (random.random((2, 3, 4, 5)), True, True, [True, True]),
        "t0_fields/mask": (random.random((4, 5)), False, False, [True, True]),
        "t0_fields/profile": (random.random((2, 5)), True, False, [False, True]),
        "t1_fields/velocity": (random.random((2, 3, 4, 5, 2)), True, True, [True, True]),
        "t2_fields/stress": (random.random((2, 3, 4, 5, 2, 2)), True, True, [True, True]),
    }
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="other", n_spatial_dims=2, n_trajectories=2, grid_type="cartesian")
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        for name, count in (("time", 3), ("x", 4), ("y", 5)):
            dimensions[name] = np.arange(count, dtype="f4")
        for order in range(3):
            group = file.create_group(f"t{order}_fields")
            names = [name.partition("/")[2] for name in parts if name.startswith(f"t{order}")]
            group.attrs["field_names"] = names
        for name, (values, sampled, timed, spread) in parts.items():
            file[name] = values.astype("f4")
            file[name].attrs.update(sample_varying=sampled, time_varying=timed, dim_varying=spread)
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["gamma", "speed"]
        scalars["gamma"], scalars["speed"] = 1.4, np.array([1.0, 2.0])
        file.create_group("boundary_conditions")
    return {name.partition("/")[2]: values.astype("f4") for name, (values, *_) in parts.items()}


def test_every_kind_of_field_of_the_well_is_read(tmp_path):
    fields = well(tmp_path / "well.hdf5")
    flow = read_flow(tmp_path / "well.hdf5")
    assert flow.parameters == {"gamma": 1.4}  # what varies is no constant
    np.testing.assert_array_equal(flow.scalars["mask"], np.tile(fields["mask"], (2, 3, 1, 1)))
    np.testing.assert_array_equal(flow.scalars["profile"][1, 2, 3], fields["profile"][1])
    np.testing.assert_array_equal(flow.scalars["stress_xy"], fields["stress"][..., 0, 1])
    with FlowFile(tmp_path / "well.hdf5") as file:
        states = file.read(slice(1, 2), slice(1, 3))
        names = file.metadata.components
    assert names[3:] == ("velocity_x", "velocity_y", "stress_xx", "stress_xy", "stress_yx", "stress_yy")
    np.testing.assert_array_equal(
        states[..., names.index("stress_yx")], fields["stress"][1:2, 1:3, ..., 1, 0]
    )


def test_a_gas_without_gamma_has_no_equation_of_state(tmp_path):
    compressible(tmp_path / "flow.hdf5", 1)
    about = dataclasses.replace(read_flow(tmp_path / "flow.hdf5").metadata, parameters={})
    with pytest.raises(SettingsError, match="no ratio of specific heats"):
        _ = about.state_equation


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_primitive_and_conserved_variables_are_inverse(dimensions, tmp_path, generator):
    import torch

    from physmix.flows import IdealGas, gas

    axes = "xyz"[:dimensions]
    gas_law, names = IdealGas(1.4), gas.primitive_names(axes)
    states = 1 + torch.rand(3, 5, len(names), generator=generator, dtype=torch.float64)
    kept = gas_law.conserved(states, names, axes)
    speeds = states[..., 1:-1]
    energy = states[..., -1] / 0.4 + states[..., 0] * speeds.square().sum(-1) / 2
    torch.testing.assert_close(kept[..., -1], energy)
    torch.testing.assert_close(kept[..., 1:-1], states[..., :1] * speeds)
    torch.testing.assert_close(gas_law.primitive(kept, gas.conserved_names(axes), axes), states)
    with pytest.raises(SettingsError, match="no pressure among"):
        gas_law.conserved(states[..., :-1], names[:-1], axes)


HOSTILE = {
    "a link to another file": lambda f: f.__setitem__("density", h5py.ExternalLink("other.hdf5", "/density")),
    "expected floating point": lambda f: f.__setitem__("density", np.ones((3, 4, 8, 6), int)),
    r"Vx of shape|pressure of shape|field": lambda f: f.__setitem__("density", np.ones((3, 4, 8), "f4")),
    "1 to 3": lambda f: f.__setitem__("density", np.ones((3, 4, 8, 6, 2, 2), "f4")),
    "NaN": lambda f: f.__setitem__("density", np.full((3, 4, 8, 6), np.nan, "f4")),
}


@pytest.mark.parametrize("message", HOSTILE)
def test_a_hostile_file_is_refused(tmp_path, message):
    path = tmp_path / "flow.hdf5"
    compressible(path, 2)
    compressible(tmp_path / "other.hdf5", 2)
    with h5py.File(path, "r+") as file:
        del file["density"]
        HOSTILE[message](file)
    with pytest.raises(FlowFileError, match=message):
        read_flow(path)
