"""Measurements from tables and from stored flows, and what is wrong with a file, by line."""

import numpy as np
import pytest
import torch

from physmix.errors import SensorFileError, SettingsError
from physmix.flows import Flow, draw_sensors, read_flow, read_sensors, write_flow

TABLE = """uy [m/s], x [m],y [m],note,ux [m/s]
-1,0,0.5,"a, b",1.5

2e-1,1,0.25,,3
"""


def written(tmp_path, text):
    path = tmp_path / "probes.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_columns_come_in_any_order_with_units_and_others_beside_them(tmp_path):
    path = written(tmp_path, TABLE)
    found = read_sensors(path, "xy", ["ux", "uy"], units={"x": "m", "ux": "m/s"})
    assert found.points.tolist() == [[0.0, 0.5], [1.0, 0.25]]
    assert {name: value.tolist() for name, value in found.values.items()} == {
        "ux": [1.5, 3.0],
        "uy": [-1.0, 0.2],
    }
    assert found.points.dtype == torch.float64
    renamed = read_sensors(path, "yx", {"speed": "ux"})
    assert renamed.points.tolist() == [[0.5, 0.0], [0.25, 1.0]]
    assert list(renamed.values) == ["speed"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TABLE.replace("ux", "u"), "no column 'ux'.*did you mean"),
        (TABLE.replace("x [m]", "x [mm]"), "'x' has the unit 'mm', expected 'm'"),
        (TABLE.replace("x [m]", "x"), "'x' has no unit, expected 'm'"),
        (TABLE.replace("-1,0", "nan,0"), "line 2 has 'nan' in column 'uy'"),
        (TABLE.replace("-1,0", "-1,"), "line 2 has '' in column 'x'"),
        (TABLE.replace("1.5", "inf"), "no finite number"),
        (TABLE[:-4], "line 4 has 3 of 5 columns; it may be cut short"),
        (TABLE.splitlines()[0], "no row below"),
        ("", "no column 'x'"),
        (TABLE.replace("note", "x"), "name each column once"),
        (TABLE + '"open', "no table"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, says):
    with pytest.raises(SensorFileError, match=says):
        read_sensors(written(tmp_path, text), "xy", ["ux", "uy"], units={"x": "m"})


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(SensorFileError, match="does not exist"):
        read_sensors(tmp_path / "none.csv", "xy", ["ux"])
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\x89HDF\r\n\xff\xfe")
    with pytest.raises(SensorFileError, match="no table"):
        read_sensors(path, "xy", ["ux"])


def flow(times=3):
    axes = {"x": np.linspace(0, 1, 5), "y": np.linspace(0, 2, 4)}
    t, x, y = np.meshgrid(np.arange(times, dtype=float), *axes.values(), indexing="ij")
    solid = np.zeros((5, 4), dtype=bool)
    solid[2, 1] = True
    wet = np.where(solid, 0.0, 1.0)
    velocity = np.stack([wet * (t + 10 * x), wet * (y - t)], -1)[None]
    return Flow(
        "f",
        np.arange(times, dtype=float),
        axes,
        {"pressure": wet * x * y * np.ones_like(t)[None]},
        {"velocity": velocity},
        boundary={"x": "OPEN", "y": "WALL"},
        solid=solid,
    )


def test_points_of_a_stored_flow_are_drawn_by_seed(tmp_path):
    write_flow(flow(), tmp_path / "flow.hdf5")
    stored = read_flow(tmp_path / "flow.hdf5")
    found = draw_sensors(stored, 57, {"ux": "velocity_x", "p": "pressure"}, seed=1)  # all but the body
    t, x, y = found.points.T
    torch.testing.assert_close(found.values["ux"], t + 10 * x)
    torch.testing.assert_close(found.values["p"], x * y)
    assert len(found.points.unique(dim=0)) == 57
    again, other = (draw_sensors(stored, 9, {"p": "pressure"}, seed=s).points for s in (1, 2))
    assert torch.equal(found.points[:9], again)
    assert not torch.equal(again, other)
    late = draw_sensors(stored, 5, {"p": "pressure"}, seed=0, box={"t": (1, 2), "x": (0.5, 1.0)})
    assert late.points[:, :2].min(0).values.tolist() >= [1.0, 0.5]


def test_a_steady_flow_has_no_time():
    found = draw_sensors(flow(1), 4, {"uy": "velocity_y"}, seed=0)
    torch.testing.assert_close(found.values["uy"], found.points[:, 1])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"count": 58}, "58 are asked for, of 57"),
        ({"count": 0}, "0 are asked for"),
        ({"fields": {"ux": "velocityx"}}, "did you mean velocity_x"),
        ({"box": {"z": (0, 1)}}, "no z"),
    ],
)
def test_what_is_not_there_is_refused(settings, says):
    settings = {"count": 5, "fields": {"p": "pressure"}, "seed": 0} | settings
    with pytest.raises(SettingsError, match=says):
        draw_sensors(flow(), **settings)
