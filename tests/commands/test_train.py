"""The training command: what a run leaves, resuming, sweeping, and refusals."""

import json
import shutil
import signal
import subprocess
import sys
import time

import h5py
import pytest
import yaml

from physmix.commands.train import train
from physmix.errors import (
    ContradictionError,
    FlowFileError,
    LawSyntaxError,
    NoFreedomError,
    RunExistsError,
    SettingsError,
    ShapeError,
    UnknownFieldError,
    UnsupportedLawError,
)


def metrics(tmp_path, *parts):
    return json.loads(tmp_path.joinpath("runs", *parts, "metrics.json").read_text())


@pytest.mark.parametrize(("experiment", "law"), [("vortex", "mass_momentum"), ("fields", "totals")])
def test_a_run_leaves_what_it_promises_and_its_twin_violates(experiment, law, few, tmp_path, capsys):
    assert train(few(experiment, "law=none")) == 0
    assert train(few(experiment)) == 0
    folder = tmp_path / "runs" / experiment / law / "0"
    assert {p.name for p in folder.iterdir()} == {
        "checkpoint",
        "config.yaml",
        "figures",
        "metrics.json",
        "report.html",
        "training",
    }
    lawful, free = metrics(tmp_path, experiment, law, "0"), metrics(tmp_path, experiment, "none", "0")
    assert set(lawful["errors"]) == {"density", "velocity_x", "velocity_y", "pressure"}
    assert lawful["violations"].keys() == free["violations"].keys()
    for name, violation in lawful["violations"].items():
        assert violation < 1e-12
        assert free["violations"][name] > 1e3 * max(violation, 1e-16)
    assert lawful["steps"] == sum(s["steps"] for s in few(experiment)["training"]["stages"])
    assert {"seconds", "seed", "versions"} <= lawful.keys()
    page = (folder / "report.html").read_text()
    assert f"{free['violations']['mass']:.1e}" in page  # constrained beside free
    assert "holds" in capsys.readouterr().out
    assert yaml.safe_load((folder / "config.yaml").read_text())["name"] == experiment


def test_a_run_that_exists_is_refused_and_left_as_it_is(few, tmp_path, capsys):
    train(few("fields"))
    before = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    with pytest.raises(RunExistsError, match="resume=true"):
        train(few("fields"))
    capsys.readouterr()
    assert train(few("fields", "resume=true")) == 0  # prints the result again
    assert "relative L2 error" in capsys.readouterr().out
    assert {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()} == before


def test_resuming_with_other_settings_is_refused(few, tmp_path):
    train(few("fields"))
    with pytest.raises(SettingsError, match="other settings of model"):
        train(few("fields", "resume=true", "model.depth=1"))


def test_resuming_with_other_data_is_refused(few, tmp_path, vortex_file):
    data = tmp_path / "mine.hdf5"
    shutil.copy(vortex_file, data)
    train(few("fields", f"data={data}"))
    with h5py.File(data, "r+") as file:
        file["t0_fields/density"][0, 0, 0, 0] *= 1.5
    with pytest.raises(SettingsError, match="other settings of data_sha256"):
        train(few("fields", f"data={data}", "resume=true"))


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json"])
@pytest.mark.parametrize("content", ["[", "[]", "{"])
def test_a_damaged_run_is_refused_with_a_sentence(name, content, few, tmp_path):
    train(few("fields"))
    (tmp_path / "runs" / "fields" / "totals" / "0" / name).write_text(content)
    with pytest.raises(SettingsError, match=r"damaged|other settings"):
        train(few("fields", "resume=true"))


def test_a_run_that_went_wrong_says_so_in_json(few, tmp_path, capsys):
    """A learning rate that throws the weights to where no number is: null, and not 0."""
    train(few("fields", "training.stages.0.lr=1000.0", "training.stages.0.steps=3", "task.rollout=60"))
    values = metrics(tmp_path, "fields", "totals", "0")["violations"].values()
    assert all(value is None for value in values)
    assert "not a number  VIOLATED" in capsys.readouterr().out


REFUSED = {
    "unknown field": (["+law.laws.extra='dt(foo) = 0'"], UnknownFieldError, "'foo'.*rho, mx"),
    "contradiction": (["+law.laws.one='rho = 1'", "+law.laws.two='rho = 2'"], ContradictionError, "one, two"),
    "no freedom": (
        [f"+law.laws.{n}='dt({n}) = 0'" for n in ("rho", "sxx", "sxy", "syy", "mx", "my")]
        + [f"+law.laws.x{n}='dx({n}) = 0'" for n in ("rho", "sxx", "sxy", "syy", "mx", "my")],
        NoFreedomError,
        "no freedom",
    ),
    "unknown model": (["model.name=potential"], SettingsError, "did you mean potentials"),
    "unknown key": (["+model.widht=3"], SettingsError, "unknown key 'widht'"),
    "wrong type": (["model.potentials=many"], SettingsError, "not of type int"),
    "unknown optimiser": (["training.stages.0.optimizer=adamw"], SettingsError, "did you mean adam"),
    "no steps": (["training.stages.0.steps=0"], SettingsError, "steps=0"),
    "law is a number": (["law.laws=5"], SettingsError, "laws: {name: text}"),
    "judged law unknown": (["+judged.laws.extra='dt(foo) = 0'"], UnknownFieldError, "'foo'"),
    "judged law unreadable": (["+judged.laws.extra='dt(rho'"], LawSyntaxError, "column"),
    "judged law about a total": (["+judged.laws.t='integral(rho) = const'"], UnsupportedLawError, "total"),
    "negative potentials": (["model.potentials=-1"], SettingsError, "potentials=-1"),
    "no hidden": (["model.hidden=[0]"], SettingsError, "hidden=0"),
    "hidden text": (["model.hidden=abc"], SettingsError, "hidden='abc'"),
    "slope is NaN": (["model.slope=nan"], SettingsError, "slope"),
    "no collocation": (["task.collocation=0"], SettingsError, "collocation=0"),
    "fraction is text": (["task.fraction=lots"], SettingsError, "fraction='lots' is not of type float"),
    "hold_out is text": (["task.hold_out=many"], SettingsError, "hold_out='many' is not of type int"),
    "fraction is NaN": (["task.fraction=nan"], SettingsError, "fraction"),
    "stages is a number": (["training.stages=5"], SettingsError, "stages=5"),
    "no stages": (["training.stages=[]"], SettingsError, "list one stage"),
    "no epoch": (["training.steps_per_epoch=0"], SettingsError, "steps_per_epoch=0"),
    "anneal is text": (["training.stages.0.anneal=abc"], SettingsError, "anneal='abc'"),
    "negative rate": (["training.stages.0.lr=-1"], SettingsError, "learning rate"),
    "negative clip": (["+training.stages.0.clip=-1.0"], SettingsError, "clip=-1"),
    "precision": (["training.precision=half"], SettingsError, "give bf16-mixed or 16-mixed"),
    "no GPU": (["training.precision=16-mixed"], SettingsError, "needs a GPU"),
    "threads": (["threads=0"], SettingsError, "threads=0"),
    "resume is text": (["resume=abc"], SettingsError, "resume='abc'"),
    "model of another task": (
        ["model=stack", "law=none", "law@judged=none"],
        ShapeError,
        "the state has shape",
    ),
    "no data": (["data=none.hdf5"], FlowFileError, "does not exist"),
    "bad name": (["name=../up"], SettingsError, "no name of a folder"),
    "bad seed": (["seed=-1"], SettingsError, "seed=-1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_before_a_folder_is_made(name, few, tmp_path):
    overrides, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        train(few("vortex", *overrides))
    assert not (tmp_path / "runs").exists()


def command(tmp_path, *overrides, root, runs="runs"):
    data = root / "data" / "vortex.hdf5"
    script = [sys.executable, str(root / "scripts" / "train.py")]
    return [*script, f"data={data}", f"runs={tmp_path / runs}", "progress=false", "threads=1", *overrides]


def test_the_command_ends_with_one_sentence(root, tmp_path):
    for overrides, sentence in [
        (["experiment=vortex", "sed=1"], "no key 'sed' (did you mean seed?)"),
        (["experiment=vortx"], "(did you mean vortex?); choose from fields, surrogate_kh, vortex"),
        ([], "add experiment=NAME, one of fields, surrogate_kh, vortex"),
        (["experiment=vortex", "law=null"], "must be a string"),
        (["experiment=vortex", "data=nowhere.hdf5"], "nowhere.hdf5"),
    ]:
        result = subprocess.run(
            command(tmp_path, *overrides, root=root),
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert result.returncode == 2
        assert not result.stdout
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("physmix: ")
        assert sentence in lines[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_last_bit(root, tmp_path):
    """SIGKILL in each stage, then the same command with resume=true."""
    overrides = [
        "experiment=vortex",
        "training.stages.0.steps=60",
        "training.stages.1.steps=8",
        "training.steps_per_epoch=4",
    ]
    subprocess.run(command(tmp_path, *overrides, root=root, runs="whole"), check=True, capture_output=True)
    whole = json.loads((tmp_path / "whole/vortex/mass_momentum/0/metrics.json").read_text())
    for stage in ("0-adam", "1-lbfgs"):
        arguments = command(tmp_path, *overrides, root=root, runs=stage)
        folder = tmp_path / stage / "vortex" / "mass_momentum" / "0"
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (folder / "training" / f"{stage}.ckpt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (folder / "metrics.json").exists()
        subprocess.run([*arguments, "resume=true"], check=True, capture_output=True)
        resumed = json.loads((folder / "metrics.json").read_text())
        assert resumed["errors"] == whole["errors"]
        assert resumed["violations"] == whole["violations"]


@pytest.mark.slow
def test_a_sweep_makes_a_run_for_each_seed(root, tmp_path):
    overrides = [
        "-m",
        "experiment=vortex",
        "seed=1,2",
        "training.stages.0.steps=2",
        "training.stages.1.steps=1",
    ]
    subprocess.run(command(tmp_path, *overrides, root=root), check=True, capture_output=True, cwd=tmp_path)
    one, two = (metrics(tmp_path, "vortex", "mass_momentum", seed) for seed in "12")
    assert (one["seed"], two["seed"]) == (1, 2)
    assert one["errors"] != two["errors"]
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_a_precision_that_is_left_out_is_full_precision(few):
    given = few("fields")
    del given["training"]["precision"]
    assert train(given) == 0
