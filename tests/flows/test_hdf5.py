"""Flows on disk: round trips, other people's readers, and files that must be refused."""

import shutil

import h5py
import numpy as np
import pytest

from physmix.errors import FlowFileError
from physmix.flows import Flow, read_flow, write_flow


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


def dangling(file):
    del file["t0_fields/density"]
    file["t0_fields/density"] = h5py.SoftLink("/nowhere")


def virtual(file):
    shape = file["t0_fields/density"].shape
    del file["t0_fields/density"]
    layout = h5py.VirtualLayout(shape, "f8")
    layout[...] = h5py.VirtualSource("other.hdf5", "secret", shape)
    file["t0_fields"].create_virtual_dataset("density", layout)


def huge(file):
    del file["t0_fields/density"]
    file["t0_fields"].create_dataset("density", (2**25, 5, 6, 4), "f8", chunks=(1, 5, 6, 4))


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
    "virtual": (virtual, "kept in another file"),
    "huge": (huge, "bytes"),
    "integers": (integers, "expected floating point"),
    "transposed": (transposed, "expected"),
    "time backwards": (put("dimensions/time", 9.0), "does not increase"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(flow, tmp_path, name):
    change, message = BROKEN[name]
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)
    edit(path, change)
    with pytest.raises(FlowFileError, match=message):
        read_flow(path)


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


def test_a_full_disk_leaves_the_old_file(flow, tmp_path, monkeypatch):
    path = tmp_path / "flow.hdf5"
    write_flow(flow, path)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("physmix.flows.hdf5._write", full)
    with pytest.raises(FlowFileError, match=r"No space left.*free space"):
        write_flow(flow, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["flow.hdf5"]
