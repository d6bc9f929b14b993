"""Surrogates on data sets of many files, as a user trains them."""

import json

import numpy as np
import pytest
import torch

from physmix.commands.train import train
from physmix.commands.trajectories import Trajectories
from physmix.errors import SettingsError
from physmix.flows import Flow, Windows
from physmix.surrogates import Pieces, Streamed

FIELDS = ("density", "velocity_x", "velocity_y", "pressure")


def few(settings, streams, *more):
    small = ["model.width=4", "model.potentials=3", "task.batch=2", "task.rollout=3"]
    return settings("experiment=surrogate_kh", f"data={streams}", "training.stages.0.steps=2", *small, *more)


@pytest.mark.parametrize("model", [["model=fno", "model.modes=4"], ["model=unet", "model.levels=2"]])
def test_a_surrogate_learns_a_data_set_and_conserves_and_its_twin_does_not(
    model, settings, streams, tmp_path
):
    found = {}
    for law in ("totals", "none"):
        assert train(few(settings, streams, *model, f"law={law}", "task.unroll=2", "task.noise=0.1")) == 0
        file = tmp_path / "runs" / "surrogate_kh" / law / "0" / "metrics.json"
        found[law] = json.loads(file.read_text())
    assert set(found["totals"]["errors"]) == set(FIELDS)
    assert set(found["totals"]["rollout_end"]) == {"nrmse", "crmse", "drift", "spectra"}
    assert found["totals"]["rollout_least"]["pressure"] > 0
    for precision, bound in (("float64", 1e-12), ("float32", 1e-5)):
        drift = {law: found[law]["rollout_drift"][precision] for law in found}
        assert set(drift["totals"]) == {"mass", "momentum_x", "momentum_y", "energy"}
        for name, value in drift["totals"].items():
            assert value < bound
            assert drift["none"][name] > (1e3 if precision == "float64" else 1) * max(value, 1e-16)
        assert len(found["none"]["rollout_path"]["drift"][precision]) == 4
    report = (tmp_path / "runs" / "surrogate_kh" / "none" / "0" / "report.html").read_text()
    assert "A roll-out of 3 steps" in report
    assert (
        tmp_path / "runs" / "surrogate_kh" / "none" / "0" / "figures" / "rollout.png"
    ).stat().st_size > 1e4
    for name, violation in found["totals"]["violations"].items():
        assert violation < 1e-13
        assert found["none"]["violations"][name] > 1e3 * max(violation, 1e-16)


def test_half_precision_of_the_network_leaves_laws_as_they_are(settings, streams, tmp_path):
    found = {}
    for law in ("totals", "none"):
        for name, more in (("full", []), ("mixed", ["training.precision=bf16-mixed"])):
            own = ["model=unet", "model.levels=2", f"law={law}", f"runs={tmp_path / name}"]
            assert train(few(settings, streams, *own, *more)) == 0
            file = tmp_path / name / "surrogate_kh" / law / "0" / "metrics.json"
            found[law, name] = json.loads(file.read_text())
    assert found["totals", "mixed"]["errors"] != found["totals", "full"]["errors"]  # it was at work
    for name, violation in found["totals", "mixed"]["violations"].items():
        assert violation < 1e-13
        assert found["none", "mixed"]["violations"][name] > 1e3 * max(violation, 1e-16)


def test_a_run_on_other_data_is_not_gone_on_with(settings, streams, tmp_path):
    mine = tmp_path / "mine"
    for path in streams.rglob("*.hdf5"):
        copy = mine / path.relative_to(streams)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    own = ["model=unet", "model.levels=1"]
    train(few(settings, mine, *own))
    first, second = sorted((mine / "data" / "train").iterdir())
    second.replace(first)
    with pytest.raises(SettingsError, match="other settings of data_sha256"):
        train(few(settings, mine, *own, "resume=true"))


def test_streamed_pieces_depend_on_the_step_alone(streams):
    windows = lambda: Windows(streams / "data" / "train", horizon=2, batch=3, seed=1, conserved=True)
    there = Streamed(windows())
    inside = [there(step) for step in range(12)]
    assert inside[0].shape == (3, 3, 16, 16, 4)
    assert not torch.equal(inside[0], inside[1])
    for step in (7, 11, 0, 5):  # as a resumed run asks
        assert torch.equal(Streamed(windows())(step), inside[step])
        assert torch.equal(there(step), inside[step])
    known = Pieces(Trajectories.of_folder(streams, unroll=2, batch=1, seed=0, workers=0).test, **ALL)
    assert inside[0].shape[2:] == known(0).shape[2:]


ALL = {"unroll": 2, "batch": 1, "seed": 0}


def test_a_folder_without_splits_is_refused(settings, streams, tmp_path):
    with pytest.raises(SettingsError, match="physmix-simulate ensemble=NAME"):
        train(few(settings, tmp_path, "model=unet"))


def test_a_field_that_is_the_same_everywhere_has_size_one():
    x = np.linspace(0, 1, 8, endpoint=False)
    wave = np.tile((1 + 0.1 * np.sin(2 * np.pi * x))[:, None], (1, 6, 1, 4))
    flow = Flow(
        name="along x",
        time=np.arange(6.0),
        axes={"x": x, "y": np.linspace(0, 1, 4, endpoint=False)},
        scalars={"density": wave, "pressure": np.full_like(wave, 0.1)},
        vectors={"velocity": np.stack([0.3 * wave, 0 * wave], -1)},
        parameters={"gamma": 1.4},
        boundary={"x": "PERIODIC", "y": "PERIODIC"},
    )
    size, mean = Trajectories.of_flow(flow, test_steps=1, **ALL).sizes()
    assert size["my"] == 1.0
    assert 0 < size["rho"] < 0.1
    assert mean["my"] == 0.0
