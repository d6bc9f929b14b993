"""Sweeps by several processes: every run in its own folder, as if it ran alone, and failures told."""

import importlib
import json
import os
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir

from physmix.commands.interface import RunFailed
from physmix.commands.train import train
from physmix.files import configurations

PLUGINS = {"joblib": "joblib", "ray": "ray", "submitit": "submitit", "slurm": "submitit"}


def launcher(name, *overrides):
    pytest.importorskip(f"hydra_plugins.hydra_{PLUGINS[name]}_launcher")
    with initialize_config_dir(str(configurations()), version_base="1.3"):
        composed = compose(
            "train", [f"launch={name}", "experiment=fields", *overrides], return_hydra_config=True
        )
    assert composed.progress is False
    return composed, composed.hydra.launcher


def test_every_launcher_is_shown():
    assert {file.stem for file in (configurations() / "launch").iterdir()} == set(PLUGINS)


@pytest.mark.parametrize("name", PLUGINS)
def test_launchers_are_those_of_their_plugins(name):
    _, found = launcher(name)
    module, _, kind = found["_target_"].rpartition(".")
    assert PLUGINS[name] in module
    assert isinstance(getattr(importlib.import_module(module), kind), type)


def test_a_job_of_slurm_has_the_nodes_and_tasks_of_the_run():
    composed, found = launcher("slurm", "nodes=2", "processes=4")
    assert (found.nodes, found.tasks_per_node) == (composed.nodes, composed.processes) == (2, 4)
    assert composed.resume  # what SLURM requeues goes on
    composed, found = launcher("slurm")
    assert (found.nodes, found.tasks_per_node) == (1, 1)


def test_a_failure_crosses_processes():
    import pickle

    assert pickle.loads(pickle.dumps(RunFailed(2))).code == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["joblib", "ray", "submitit"])
def test_a_sweep_leaves_each_run_in_its_folder_and_tells_of_failures(
    name, root, settings, vortex_file, tmp_path
):
    launcher(name)
    own = ["experiment=fields", "training.stages.0.steps=2", "model.width=4"]
    script = [sys.executable, str(root / "scripts" / "train.py"), "-m", f"launch={name}"]
    where = [f"data={vortex_file}", f"runs={tmp_path / 'sweep'}"]
    ended = subprocess.run(
        [*script, *own, *where, "seed=1,2,-1"],  # of which the last is refused
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root)},
        timeout=400,
    )
    assert ended.returncode == 2, ended.stderr
    assert "seed=-1" in ended.stderr  # which one it was
    folder = tmp_path / "sweep" / "fields" / "totals"
    assert {path.name for path in folder.iterdir()} == {"1", "2"}
    for seed in "12":
        assert train(settings(*own, f"seed={seed}", "threads=1")) == 0
        alone = tmp_path / "runs" / "fields" / "totals" / seed / "metrics.json"
        found, expected = (json.loads(p.read_text()) for p in (folder / seed / "metrics.json", alone))
        assert found["errors"] == expected["errors"]
        assert found["violations"] == expected["violations"]
    assert not list(tmp_path.glob("outputs"))  # of Hydra's own
