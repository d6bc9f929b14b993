"""Ensembles: drawn by a seed, made by processes, and gone on with after a kill."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from physmix.commands.ensemble import EnsembleSettings, draw_members
from physmix.commands.simulate import simulate
from physmix.errors import FlowFileError, SettingsError
from physmix.flows import Windows, read_flow

SMALL = ["flow.points=8", "flow.refinement=1", "flow.snapshots=3", "flow.duration=0.05"]
FEW = "ensemble.members={train: 2, valid: 1, test: 1}"


@pytest.fixture
def small(settings, tmp_path):
    def make(*more, ensemble="streams", members=FEW):
        own = [*SMALL, members, f"output={tmp_path / 'out'}"]
        return settings(f"ensemble={ensemble}", *own, *more, name="simulate")

    return make


def files(folder):
    return sorted(folder.rglob("*.hdf5"))


def test_the_well_reads_every_split(small, tmp_path, capsys):
    import yaml
    from the_well.data import WellDataset
    from the_well.data.normalization import ZScoreNormalization

    out = tmp_path / "out"
    assert simulate(small()) == 0
    assert "train 2, valid 1, test 1 members, 4 of them simulated now" in capsys.readouterr().out
    for split, members in (("train", 2), ("valid", 1), ("test", 1)):
        data = WellDataset(
            path=str(out),
            well_split_name=split,
            use_normalization=True,
            normalization_type=ZScoreNormalization,
        )
        assert len(data) == members * 2
        assert data.metadata.dataset_name == "streams"
    states = np.concatenate([read_flow(path).scalars["density"] for path in files(out / "data/train")])
    stats = yaml.safe_load((out / "stats.yaml").read_text())
    assert stats["mean"]["density"] == pytest.approx(states.mean())
    assert stats["std"]["density"] == pytest.approx(states.std())
    assert stats["rms_delta"]["density"] == pytest.approx(np.sqrt((np.diff(states, axis=1) ** 2).mean()))
    assert len(stats["std"]["velocity"]) == 2
    assert len(Windows(out / "data/train", batch=2, seed=0)) == 2


def test_a_second_call_makes_what_is_missing_and_no_more(small, tmp_path, capsys):
    simulate(small())
    first, *_ = kept = files(tmp_path / "out")
    first.unlink()
    before = {path: path.stat().st_mtime_ns for path in kept[1:]}
    capsys.readouterr()
    simulate(small(members="ensemble.members={train: 3, valid: 1, test: 1}"))
    assert "2 of them simulated now" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in kept[1:]} == before
    with pytest.raises(FlowFileError, match="made with other settings"):
        simulate(small("flow.gamma=1.5"))
    assert simulate(small("flow.gamma=1.5", "overwrite=true")) == 0


def test_members_do_not_depend_on_their_number_and_differ(tmp_path):
    flow = {"solver": "streams", "name": "streams", "seed": 0, "mach": 0.5, "points": 8}

    def draw(count, seed=0):
        ranges = {"mach": [0.1, 0.9], "points": [8, 16]}
        ensemble = EnsembleSettings(name="a", members={"train": count, "test": 2}, ranges=ranges, seed=seed)
        return draw_members(flow, ensemble, tmp_path)

    assert draw(3)[:3] == draw(9)[:3]
    assert draw(3)[-2:] == draw(9)[-2:]
    drawn = [(m.settings["seed"], m.settings["mach"]) for m in draw(9)]
    assert len(set(drawn)) == 11
    assert draw(3, seed=1) != draw(3)
    assert all(isinstance(m.settings["points"], int) for m in draw(9))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("+ensemble.members.tran=1", "did you mean train"),
        ("ensemble.members={train: -1}", "give a number from 0 up"),
        ("ensemble.members={train: 1.5}", "whole number"),
        ("+ensemble.ranges.depth=[0, 1]", "unknown key 'depth'"),
        ("ensemble.ranges.mach=[1.0, 0.1]", r"give \[lowest, highest\]"),
        ("processes=0", "processes=0"),
    ],
)
def test_bad_settings_are_refused(small, wrong, message):
    with pytest.raises(SettingsError, match=message):
        simulate(small(wrong))


def test_members_that_fail_are_named_and_the_others_kept(small, tmp_path):
    wrong = ["ensemble.ranges.strength=[90.0, 90.0]", "ensemble.ranges.count=[1, 1]", "flow.gamma=2.0"]
    with pytest.raises(SettingsError, match=r"4 of 4 members failed.*leave no pressure"):
        simulate(small(*wrong, ensemble="vortices"))
    assert files(tmp_path / "out") == []


def run_script(root, *given):
    command = [sys.executable, str(root / "scripts" / "simulate.py"), "ensemble=streams", *SMALL, *given]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, start_new_session=True, **quiet)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_files(root, tmp_path):
    members = "ensemble.members={train: 6, valid: 1, test: 1}"
    given = [members, "flow.points=16", "flow.duration=0.5", "processes=2"]
    whole = run_script(root, *given, f"output={tmp_path / 'whole'}")
    assert whole.wait() == 0
    killed = run_script(root, *given, f"output={tmp_path / 'killed'}")
    while len(files(tmp_path / "killed")) < 2:
        assert killed.poll() is None
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert 2 <= len(files(tmp_path / "killed")) < 8
    again = run_script(root, *given, f"output={tmp_path / 'killed'}")
    assert again.wait() == 0
    one, two = files(tmp_path / "whole"), files(tmp_path / "killed")
    assert [path.name for path in one] == [path.name for path in two]
    for a, b in zip(one, two, strict=True):
        assert a.read_bytes() == b.read_bytes()
    assert (tmp_path / "whole/stats.yaml").read_bytes() == (tmp_path / "killed/stats.yaml").read_bytes()
