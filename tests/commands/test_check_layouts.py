"""The checking command on files of other layouts, in single precision, and read part by part."""

import json

import h5py
import numpy as np
import pytest
from foreign import pdearena

from physmix.commands.check import check
from physmix.commands.flow_files import Told
from physmix.errors import SettingsError
from physmix.flows import FlowFile


def carried(path, leak=0.0, trajectories=2):
    """A gas carried around a periodic square by one velocity, as PDEBench would store it."""
    x, t = (np.arange(16) + 0.5) / 16, np.arange(5) / 23
    wave = 1 + 0.3 * np.sin(2 * np.pi * (x[None, :, None] + x[None, None, :] - t[:, None, None]))
    density = np.stack([(1 + 0.1 * k) * wave for k in range(trajectories)])
    density[-1, -1] *= 1 + leak
    with h5py.File(path, "w") as file:
        file["density"] = density.astype("f4")
        for name, value in (("Vx", 1.0), ("Vy", 0.0), ("pressure", 2.5)):
            file[name] = np.full(density.shape, value, "f4")
        file["x-coordinate"], file["y-coordinate"] = x.astype("f4"), x.astype("f4")
        file["t-coordinate"] = np.arange(6).astype("f4") / 16
        file.attrs.update(M=0.1, eta=1e-8, zeta=1e-8)


@pytest.mark.parametrize(("leak", "code"), [(0.0, 0), (1e-3, 1)])
def test_a_file_of_pdebench_is_judged_by_its_precision(tmp_path, capsys, leak, code):
    carried(tmp_path / "2D_CFD_periodic.hdf5", leak)
    assert check([tmp_path / "2D_CFD_periodic.hdf5"], as_json=True) == code
    findings = json.loads(capsys.readouterr().out)["paths"][0]["findings"]
    assert [f["law"] for f in findings] == ["mass", "momentum_x", "momentum_y", "energy"]
    assert all(f["tolerance"] == 1e-5 and "single precision" in f["method"] for f in findings)
    mass = findings[0]["violation"]
    assert mass == pytest.approx(leak, rel=1e-2) if leak else 1e-12 < mass < 1e-6


def test_every_trajectory_of_a_large_file_is_judged(tmp_path, monkeypatch):
    """The leak is in the last trajectory; no two are read at once."""
    carried(tmp_path / "2D_CFD_periodic.hdf5", 1e-3, trajectories=3)
    whole, read = FlowFile.parts, []

    def parts(self):
        for flow in whole(self, largest=1):
            read.append(len(flow.scalars["density"]))
            yield flow

    monkeypatch.setattr(FlowFile, "parts", parts)
    assert check([tmp_path / "2D_CFD_periodic.hdf5"]) == 1
    assert read == [1, 1, 1]


def test_what_a_file_does_not_tell_can_be_told(tmp_path, capsys):
    carried(tmp_path / "2D_CFD.hdf5")
    assert check([tmp_path / "2D_CFD.hdf5"]) == 2
    assert "not periodic" in capsys.readouterr().out
    assert check([tmp_path / "2D_CFD.hdf5"], told=Told.of("gamma=5/3", "x, y")) == 0
    with pytest.raises(SettingsError, match="gamma=5/3"):
        Told.of("gamma", "")


def test_fields_at_faces_are_judged_between_them(tmp_path, capsys):
    (tmp_path / "laws.yaml").write_text("laws: {solenoidal: 'dx(v_x) + dy(v_y) = 0'}")
    path = tmp_path / "NavierStokes2D_train.h5"
    pdearena(path)
    assert check([path], tmp_path / "laws.yaml") == 0
    assert "differences between faces" in capsys.readouterr().out
    with h5py.File(path, "r+") as file:
        file["train/vx"][0, 0, 3, 3] += 1e-6
    assert check([path], tmp_path / "laws.yaml") == 1
