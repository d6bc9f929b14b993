"""Flows on disk: round trips, other people's readers, and files that must be refused."""

import dataclasses
import os
import resource
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from physmix.errors import FlowFileError
from physmix.flows import Flow, read_flow, write_flow, write_parts


@pytest.fixture
def flow():
    random = np.random.default_rng(0)
    shape = (2, 5, 6, 4)
    return Flow(
        name="small",
        time=np.linspace(0, 1, 5),
        axes={"x": np.arange(6) + 0.5, "y": np.arange(4) * 0.25},
        scalars={"density": 1 + random.random(shape), "pressure": random.random(shape)},
        vectors={"velocity": random.standard_normal((*shape, 2))},
        parameters={"gamma": 1.4, "speed": 2.0},
        boundary={"x": "PERIODIC", "y": "WALL"},
        provenance={"solver": "none", "note": "random numbers"},
    )


def test_a_flow_comes_back_as_it_was(flow, tmp_path):
    write_flow(flow, tmp_path / "flow.hdf5")
    back = read_flow(tmp_path / "flow.hdf5")
    for name in flow.components:
        np.testing.assert_array_equal(back.component(name), flow.component(name))
        assert back.component(name).dtype == np.float64
    for name in ("name", "parameters", "boundary", "provenance"):
        assert getattr(back, name) == getattr(flow, name)
    np.testing.assert_array_equal(back.axes["y"], flow.axes["y"])
    assert [p.name for p in tmp_path.iterdir()] == ["flow.hdf5"]  # no temporary file is left


def test_a_steady_flow_around_a_body_comes_back(flow, tmp_path):
    solid = np.zeros((6, 4), dtype=bool)
    solid[2:4, 1] = True
    still = dataclasses.replace(
        flow,
        time=flow.time[:1],
        scalars={name: np.where(solid, 0, values[:, :1]) for name, values in flow.scalars.items()},
        vectors={name: values[:, :1] * ~solid[..., None] for name, values in flow.vectors.items()},
        solid=solid,
    )
    write_flow(still, tmp_path / "flow.hdf5")
    back = read_flow(tmp_path / "flow.hdf5")
    np.testing.assert_array_equal(back.solid, solid)
    assert back.boundary == flow.boundary
    assert len(back.time) == 1
    assert not dataclasses.replace(back, boundary={"x": "PERIODIC", "y": "PERIODIC"}).periodic


def test_the_well_opens_our_file(flow, tmp_path):
    from the_well.data import WellDataset

    write_flow(flow, tmp_path / "flow.hdf5")
    data = WellDataset(path=str(tmp_path), n_steps_input=2, n_steps_output=1)
    assert len(data) == 2 * 3
    names = ["density", "pressure", "velocity_x", "velocity_y"]
    assert [name for group in data.metadata.field_names.values() for name in group] == names
    sample = data[0]["input_fields"].numpy()
    expected = np.stack([flow.component(name)[0, :2] for name in names], -1)
    np.testing.assert_allclose(sample, expected.astype(np.float32))


def test_the_well_opens_the_committed_file(vortex_file, tmp_path):
    from the_well.data import WellDataset

    shutil.copy(vortex_file, tmp_path)
    data = WellDataset(path=str(tmp_path))
    assert len(data) == 20
    assert tuple(data[3]["input_fields"].shape) == (1, 64, 64, 4)
    assert data.metadata.boundary_condition_types == ["PERIODIC"]


def test_the_committed_file_is_small(vortex_file):
    assert vortex_file.stat().st_size <= 3_000_000


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def put(name, value):
    def change(file):
        file[name][(0,) * file[name].ndim] = value

    return change


def external(file):
    del file["t0_fields/density"]
    file["t0_fields/density"] = h5py.ExternalLink("other.hdf5", "/secret")


def external_group(file):
    del file["t0_fields"]
    file["t0_fields"] = h5py.ExternalLink("other.hdf5", "/t0_fields")


def soft_then_external(file):
    file["elsewhere"] = h5py.ExternalLink("other.hdf5", "/t0_fields/density")
    del file["t0_fields/density"]
    file["t0_fields/density"] = h5py.SoftLink("/elsewhere")


def dangling_boundary(file):
    file["boundary_conditions/odd"] = h5py.SoftLink("/nowhere")


def name_with_a_path(file):
    file["t0_fields"].attrs["field_names"] = ["../t1_fields/velocity"]


def no_trajectory(file):
    for name in ("t0_fields/density", "t0_fields/pressure", "t1_fields/velocity"):
        shape = file[name].shape
        del file[name]
        file[name] = np.zeros((0, *shape[1:]))


def uneven_trajectories(file):
    values = file["t0_fields/density"][()]
    del file["t0_fields/density"]
    file["t0_fields/density"] = values[:1]


def dangling(file):
    del file["t0_fields/density"]
    file["t0_fields/density"] = h5py.SoftLink("/nowhere")


def body(shape, kind=bool):
    def change(file):
        part = file["boundary_conditions"].create_group("body_wall")
        part.attrs.update(bc_type="WALL", associated_dims=["x", "y"])
        part["mask"] = np.zeros(shape, kind)

    return change


def virtual(file):
    shape = file["t0_fields/density"].shape
    del file["t0_fields/density"]
    layout = h5py.VirtualLayout(shape, "f8")
    layout[...] = h5py.VirtualSource("other.hdf5", "secret", shape)
    file["t0_fields"].create_virtual_dataset("density", layout)


def huge(file):
    for group, name, more in (
        ("t0_fields", "density", ()),
        ("t0_fields", "pressure", ()),
        ("t1_fields", "velocity", (2,)),
    ):
        del file[group][name]
        shape = (5, 6, 4, *more)
        file[group].create_dataset(name, (2**25, *shape), "f8", chunks=(1, *shape))


def huge_chunk(file):
    del file["t0_fields/density"]
    shape = (2**21, 5, 6, 4)
    file["t0_fields"].create_dataset("density", (2, 5, 6, 4), "f8", chunks=shape, maxshape=shape)


def integers(file):
    shape = file["t0_fields/density"].shape
    del file["t0_fields/density"]
    file["t0_fields/density"] = np.ones(shape, int)


def transposed(file):
    values = file["t0_fields/density"][()]
    del file["t0_fields/density"]
    file["t0_fields/density"] = values.swapaxes(2, 3)


BROKEN = {
    "NaN": (put("t0_fields/density", np.nan), "1 values that are NaN"),
    "infinite": (put("t1_fields/velocity", np.inf), "NaN or infinite"),
    "missing field": (lambda f: f.__delitem__("t0_fields/density"), "no dataset /t0_fields/density"),
    "missing group": (lambda f: f.__delitem__("scalars"), "no group /scalars"),
    "missing names": (lambda f: f["t0_fields"].attrs.__delitem__("field_names"), "no attribute field_names"),
    "names that are numbers": (lambda f: f["t0_fields"].attrs.__setitem__("field_names", 3.5), "no dataset"),
    "external link": (external, "link to another file"),
    "dangling link": (dangling, "no dataset"),
    "external group": (external_group, "link to another file"),
    "soft link to an external one": (soft_then_external, "link to another file|no dataset"),
    "dangling boundary": (dangling_boundary, "no group /boundary_conditions/odd"),
    "a name with a path": (name_with_a_path, "is no name"),
    "no trajectory": (no_trajectory, "fields of 0 trajectories"),
    "uneven trajectories": (uneven_trajectories, "1, 2 trajectories"),
    "a mask of another shape": (body((4, 6)), "no boolean mask of shape"),
    "a mask of numbers": (body((6, 4), float), "no boolean mask of shape"),
    "virtual": (virtual, "kept in another file"),
    "huge": (huge, "bytes"),
    "a huge chunk": (huge_chunk, "bytes in one piece"),
    "integers": (integers, "expected floating point"),
    "transposed": (transposed, "expected"),
    "time backwards": (put("dimensions/time", 9.0), "does not increase"),
    "an unknown boundary": (
        lambda f: f["boundary_conditions/x_periodic"].attrs.__setitem__("bc_type", "PERIODC"),
        r"boundary of x of type 'PERIODC' \(did you mean PERIODIC\?\)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(flow, tmp_path, name):
    change, message = BROKEN[name]
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)
    write_flow(flow, tmp_path / "other.hdf5")  # where the links lead
    edit(path, change)
    with pytest.raises(FlowFileError, match=message):
        read_flow(path)


SHAPE = (2, 5, 6, 4)
UNFIT = {
    "another grid": (
        {"scalars": {"density": np.ones((2, 5, 4, 6))}},
        r"density.*\(trajectory, time 5, x 6, y 4\)",
    ),
    "no trajectory axis": ({"scalars": {"density": np.ones(SHAPE[1:])}}, r"density of shape \(5, 6, 4\)"),
    "three components": ({"vectors": {"velocity": np.ones((*SHAPE, 3))}}, "velocity.*component 2"),
    "uneven trajectories": ({"scalars": {"density": np.ones((1, *SHAPE[1:]))}}, "1, 2 trajectories"),
    "no scalars": ({"scalars": {}}, "no scalar field"),
    "integers": ({"scalars": {"p": np.ones(SHAPE), "q": np.ones(SHAPE, int)}}, "q of type int64"),
    "NaN": ({"scalars": {"density": np.full(SHAPE, np.nan)}}, "density has 240 values that are NaN"),
    "a parameter of infinity": ({"parameters": {"gamma": np.inf}}, "gamma has 1 values"),
    "time that stands": ({"time": np.ones(5)}, "dimension time that does not increase"),
    "time backwards": ({"time": np.linspace(1, 0, 5)}, "dimension time that does not increase"),
    "an axis of zeros": ({"axes": {"x": np.arange(6.0), "y": np.zeros(4)}}, "dimension y that does not"),
    "an axis called time": ({"axes": {"time": np.arange(6.0), "y": np.arange(4.0)}}, "beside time"),
    "a name with a path": ({"scalars": {"../density": np.ones(SHAPE)}}, "is no name"),
    "a misspelt boundary": ({"boundary": {"x": "PERIODC"}}, r"'PERIODC' \(did you mean PERIODIC\?\)"),
    "a boundary of nothing": ({"boundary": {"z": "WALL"}}, "boundary of z, but its dimensions are x, y"),
    "a body elsewhere": ({"solid": np.zeros((4, 6), bool)}, r"no boolean mask of shape \(6, 4\)"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_would_not_be_read_is_not_written(flow, tmp_path, name):
    change, message = UNFIT[name]
    with pytest.raises(FlowFileError, match=message):
        write_flow(dataclasses.replace(flow, **change), tmp_path / "flow.hdf5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_file_without_permission_is_not_said_to_be_cut_short(flow, closed):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name) / "folder"
        path = folder / "flow.hdf5"
        write_flow(flow, path)
        Path(name).chmod(0o755)
        {"file": path, "folder": folder}[closed].chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # nothing is closed to root
        try:
            with pytest.raises(FlowFileError, match="no permission to read it"):
                read_flow(path)
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


@pytest.mark.parametrize("size", [0, 100, 5_000])
def test_a_file_cut_short_is_refused(flow, tmp_path, size):
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FlowFileError, match="cut short"):
        read_flow(path)


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(FlowFileError, match="physmix-simulate flow=NAME"):
        read_flow(tmp_path / "none.hdf5")


def test_a_full_disk_leaves_the_old_file(flow, tmp_path, capfd):
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # as on a disk that fills up
    try:
        with pytest.raises(FlowFileError, match=r"cannot be written.*free space"):
            write_flow(flow, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["flow.hdf5"]
    assert not any(capfd.readouterr())  # the HDF5 library has nothing to add


@pytest.mark.parametrize(("kind", "read"), [(">f8", "f8"), (">f4", "f4"), ("f2", "f4"), ("g", "f8")])
def test_other_floating_point_types_become_ours(flow, tmp_path, kind, read):
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)

    def change(file):
        values = file["t0_fields/density"][()]
        attributes = dict(file["t0_fields/density"].attrs)
        del file["t0_fields/density"]
        file["t0_fields"].create_dataset("density", data=values.astype(kind)).attrs.update(attributes)

    edit(path, change)
    density = read_flow(path).scalars["density"]
    assert density.dtype == np.dtype(read)
    assert density.dtype.isnative
    np.testing.assert_allclose(density, flow.scalars["density"], rtol=1e-3)


def test_names_and_types_as_bytes_are_read(flow, tmp_path):
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)

    def change(file):
        attributes = file["boundary_conditions/x_periodic"].attrs
        attributes["bc_type"] = np.bytes_("periodic")
        attributes["associated_dims"] = np.array(["x"], dtype="S1")

    edit(path, change)
    assert read_flow(path).boundary == flow.boundary


def test_trajectories_written_one_by_one_are_those_of_the_whole(flow, tmp_path):
    flow = dataclasses.replace(flow, units={"pressure": "Pa"}, staggered=frozenset({"velocity"}))
    values = np.stack([flow.component(name) for name in flow.components], -1)
    write_parts(flow.metadata, tmp_path / "parts.hdf5", iter(values))
    write_flow(flow, tmp_path / "whole.hdf5")
    parts, whole = (read_flow(tmp_path / f"{name}.hdf5") for name in ("parts", "whole"))
    assert parts.metadata.fields == whole.metadata.fields == flow.metadata.fields
    for name in flow.components:
        np.testing.assert_array_equal(parts.component(name), whole.component(name))
    assert (parts.parameters, parts.boundary) == (whole.parameters, whole.boundary)


@pytest.mark.parametrize("given", [[], [SHAPE], [SHAPE, SHAPE, SHAPE], [SHAPE, (5, 6, 3)]])
def test_other_states_than_described_are_not_written(flow, tmp_path, given):
    states = [np.ones((*shape[-3:], 4)) for shape in given]
    with pytest.raises(FlowFileError, match="trajector"):
        write_parts(flow.metadata, tmp_path / "flow.hdf5", states)
    assert not list(tmp_path.iterdir())
