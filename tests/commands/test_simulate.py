"""The simulation command: it writes, compares, and never overwrites unasked."""

import pytest

from physmix.commands.simulate import simulate
from physmix.errors import FlowFileError, SettingsError
from physmix.flows import read_flow

SMALL = ["flow=vortex", "flow.points=8", "flow.refinement=1", "flow.snapshots=2", "flow.duration=0.1"]


@pytest.fixture
def small(settings, tmp_path):
    return lambda *more: settings(*SMALL, f"output={tmp_path / 'flow.hdf5'}", *more, name="simulate")


def test_it_writes_a_flow_once(small, tmp_path, capsys):
    path = tmp_path / "flow.hdf5"
    assert simulate(small()) == 0
    assert read_flow(path).grid == (8, 8)
    before = path.read_bytes()
    assert simulate(small()) == 0
    assert "holds this flow already: relative difference 0.0e+00" in capsys.readouterr().out
    assert path.read_bytes() == before


@pytest.mark.parametrize("other", ["flow.strength=3.0", "flow.points=10", "flow.snapshots=3"])
def test_another_flow_is_not_overwritten_unasked(small, tmp_path, other):
    simulate(small())
    before = (tmp_path / "flow.hdf5").read_bytes()
    with pytest.raises(FlowFileError, match="overwrite=true"):
        simulate(small(other))
    assert (tmp_path / "flow.hdf5").read_bytes() == before
    assert simulate(small(other, "overwrite=true")) == 0
    assert (tmp_path / "flow.hdf5").read_bytes() != before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("flow.solver=vertex", "did you mean vortex"),
        ("+flow.viscosity=1.0", "unknown key 'viscosity'"),
        ("flow.points=many", "not of type int"),
        ("flow.stream=[1.0]", "two velocities"),
    ],
)
def test_bad_settings_are_refused(small, wrong, message):
    with pytest.raises(SettingsError, match=message):
        simulate(small(wrong))
