"""Formulas of fields as text, and values and points of files."""

import math

import numpy as np
import pytest
import torch

from physmix.errors import FormulaTextError, PhysmixError, SensorFileError, SettingsError
from physmix.flows import Flow, write_flow
from physmix.problems import Formula, State, read_points, read_profile

POINTS = torch.tensor([[0.2, 0.3], [0.5, 0.9]], dtype=torch.float64)


def state():
    """u = x^2 y, by its derivatives."""
    x, y = POINTS.T
    entries = {(0, 0): x**2 * y, (1, 0): 2 * x * y, (0, 1): x**2, (2, 0): 2 * y, (1, 1): 2 * x, (0, 2): 0 * x}
    return State("xy", ("u",), {"x": x, "y": y, "nx": torch.ones(2)}, lambda entry: entries[entry[1]])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("u*dx(u) - nu*laplacian(u)", lambda x, y: 2 * x**3 * y**2 - 0.1 * 2 * y),
        ("-dxy(u)^2/(1 + y)", lambda x, y: -4 * x**2 / (1 + y)),
        (
            "sin(pi*x)*exp(-y) + sqrt(x) + log(x) + tanh(cos(y))",
            lambda x, y: torch.sin(math.pi * x) * torch.exp(-y) + x.sqrt() + x.log() + torch.tanh(y.cos()),
        ),
        ("2", lambda x, y: 2 + 0 * x),
        ("+dy(u)*nx**2", lambda x, y: x**2),
    ],
)
def test_a_formula_is_what_it_reads(text, value):
    torch.testing.assert_close(Formula(text, {"nu": 0.1})(state()), value(*POINTS.T))


def test_a_formula_of_coordinates_alone_has_values_at_points():
    torch.testing.assert_close(Formula("4*y*(1 - y)").at(POINTS, "xy"), 4 * POINTS[:, 1] * (1 - POINTS[:, 1]))
    with pytest.raises(SettingsError, match="no 'u'"):
        Formula("u + y").at(POINTS, "xy")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("__import__('os').system('true')", "is not known"),
        ("(1).real", "is not known"),
        ("x if y else u", "is not known"),
        ("[u]", "is not known"),
        ("open(u)", "there is no 'open'"),
        ("dx(u*u)", "of a field"),
        ("dx(u, u)", "one argument"),
        ("sin(x=u)", "one argument"),
        ("u^0.5", "whole number"),
        ("u^99", "whole number"),
        ("u^True", "whole number"),
        ("u % 2", "is not known"),
        ("True", "not a number"),
        ("'u'", "not a number"),
        ("1e999", "too large"),
        ("u +", "not a formula"),
        ("-" * 90 + "u", "deep"),
        ("u" * 3000, "characters"),
    ],
)
def test_what_is_no_formula_is_refused(text, match):
    with pytest.raises(FormulaTextError, match=match):
        Formula(text)


def test_a_profile_is_a_spline_along_a_coordinate(tmp_path):
    path = tmp_path / "in.csv"
    y = np.array([1.0, 0.0, 0.75, 0.25, 0.5])  # in any order
    path.write_text("y [m],ux\n" + "".join(f"{a},{4 * a * (1 - a)}\n" for a in y))
    profile = read_profile(path, "xy", "y", ["ux"])["ux"]
    torch.testing.assert_close(profile(POINTS), 4 * POINTS[:, 1] * (1 - POINTS[:, 1]))
    with pytest.raises(SettingsError, match="both ends"):
        profile(POINTS + 0.2)
    with pytest.raises(SettingsError, match="no 'z'"):
        read_profile(path, "xy", "z", ["ux"])
    path.write_text("y,ux\n1,2\n1,3\n")
    with pytest.raises(SensorFileError, match="place of its own"):
        read_profile(path, "xy", "y", ["ux"])


def test_points_come_from_tables_and_flows(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("y,x,area\n0.5,1,3\n0.25,2,1\n")
    sample = read_points(path, "xy", share="area")
    assert sample.points.tolist() == [[1, 0.5], [2, 0.25]]
    assert sample.share.tolist() == [1.5, 0.5]
    solid = np.zeros((2, 3), bool)
    solid[0, 0] = True
    x, y = np.array([0.0, 1.0]), np.array([0.0, 1.0, 3.0])
    flow = Flow("grid", np.zeros(1), {"x": x, "y": y}, {"p": np.zeros((1, 1, 2, 3))}, solid=solid)
    write_flow(flow, tmp_path / "grid.hdf5")
    sample = read_points(tmp_path / "grid.hdf5", "xy")
    assert len(sample.points) == 5
    assert float(sample.share[sample.points[:, 1] == 3].mean()) > float(sample.share.mean())
    with pytest.raises(SettingsError, match="the coordinates"):
        read_points(tmp_path / "grid.hdf5", "xyz")
    path.write_text("y,x\n0.5,nan\n")
    with pytest.raises(PhysmixError, match="no finite number"):
        read_points(path, "xy")
