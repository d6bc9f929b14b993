"""Several processes train as one: the same curve, the same laws, one run folder; and a lost one ends all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from physmix.commands.experiments import Setting, make_experiment
from physmix.commands.laws import LawTexts
from physmix.commands.train import train
from physmix.errors import SettingsError, TrainingError
from physmix.training.processes import Processes, _started, joined, lost

FIELDS = [
    "experiment=fields",
    "training.stages.0.steps=12",
    "training.steps_per_epoch=4",
    "model.width=4",
    "task.noise=0.1",
]
VORTEX = [
    "experiment=vortex",
    "training.stages.0.steps=6",
    "training.stages.1.steps=3",
    "training.stages.1.max_iter=4",
    "task.collocation=65",  # no multiple of the processes
    "task.fraction=0.002",
    "model.hidden=[16]",
]
STREAMED = [
    "experiment=surrogate_kh",
    "training.stages.0.steps=8",
    "training.stages.0.lr=1e-3",  # five times more, and steps make 1e-5 of the rounding of float32
    "model=unet",
    "model.width=4",
    "model.levels=2",
    "task.unroll=2",
    "task.batch=2",
    "task.shards=2",
    "task.rollout=3",
]
CASES = {"fields": (FIELDS, 1e-12), "vortex": (VORTEX, 1e-9), "streamed": (STREAMED, 1e-6)}  # float32 network


def torchrun(root, processes=2):
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*run, f"--nproc-per-node={processes}", str(root / "scripts" / "train.py")]


def command(root, tmp_path, overrides, data, processes=2):
    own = [f"data={data}", f"runs={tmp_path / 'runs'}", "progress=false", "threads=1"]
    return [*torchrun(root, processes), *own, *overrides]


def run_folder(runs):
    (config,) = runs.rglob("config.yaml")
    return config.parent


def history(folder):
    """Of the last stage, with all before it."""
    last = max((folder / "training").glob("*.ckpt"))
    return torch.load(last, weights_only=True)["history"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_curve_of_one(case, root, settings, vortex_file, request, tmp_path):
    overrides, tolerance = CASES[case]
    data = request.getfixturevalue("streams") if case == "streamed" else vortex_file
    assert train(settings(*overrides, f"data={data}", f"runs={tmp_path / 'one'}")) == 0
    arguments = command(root, tmp_path, overrides, data)
    ended = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert ended.stdout.count("report ") == 1  # one process speaks
    one, two = run_folder(tmp_path / "one"), run_folder(tmp_path / "runs")
    assert (two / "config.yaml").read_bytes() == (one / "config.yaml").read_bytes()
    assert {p.name for p in two.iterdir()} == {p.name for p in one.iterdir()}
    assert len(list(two.rglob("events.*"))) == len(list(one.rglob("events.*")))
    alone, together = history(one), history(two)
    assert together["steps"] == alone["steps"]
    assert together["samples"] == alone["samples"] > 0
    for name, losses in alone["losses"].items():
        assert together["losses"][name] == pytest.approx(losses, rel=tolerance), name
        assert losses[-1] != losses[0]
    found, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (two, one))
    assert max(found["violations"].values()) < 1e-12
    assert found["errors"] == pytest.approx(expected["errors"], rel=1e-5)


@pytest.mark.slow
def test_the_data_do_not_make_two_processes_equal_by_themselves(root, settings, vortex_file, tmp_path):
    """Half the batch is another curve: what is compared above can differ."""
    assert train(settings(*FIELDS, "task.batch=2")) == 0
    half = history(run_folder(tmp_path / "runs"))
    assert train(settings(*FIELDS, f"runs={tmp_path / 'whole'}")) == 0
    whole = history(run_folder(tmp_path / "whole"))
    assert abs(half["losses"]["loss"][-1] / whole["losses"]["loss"][-1] - 1) > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_run_goes_on(rank, root, settings, vortex_file, tmp_path):
    steps = ["training.stages.0.steps=60", "training.steps_per_epoch=5"]
    assert train(settings(*FIELDS, *steps, f"runs={tmp_path / 'whole'}")) == 0
    whole = run_folder(tmp_path / "whole")
    arguments = command(root, tmp_path, [*FIELDS, *steps], vortex_file)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    state = tmp_path / "runs" / "fields" / "totals" / "0" / "training" / "0-adam.ckpt"
    wait_for(state.exists, process)
    os.kill(process_of_rank(process.pid, rank), signal.SIGKILL)
    _, said = process.communicate(timeout=60)  # within the patience of torchrun
    assert process.returncode not in (0, None)
    assert "Signal 9 (SIGKILL)" in said
    assert not (state.parent.parent / "metrics.json").exists()
    kept = history(state.parent.parent)["steps"][-1]
    assert kept % 5 == 0
    ended = subprocess.run([*arguments, "resume=true"], capture_output=True, text=True, check=True)
    assert "60 steps" in ended.stdout
    found, expected = history(state.parent.parent), history(whole)
    assert found["steps"] == expected["steps"]
    assert found["losses"]["loss"] == pytest.approx(expected["losses"]["loss"], rel=1e-12)


def wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def process_of_rank(parent, rank):
    """The child of torchrun with a rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            child = int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            if child and f"\0RANK={rank}\0" in f"\0{(folder / 'environ').read_text()}":
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("no such process")


SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_JOB_NAME": "physmix",
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "2",
    "SLURM_NODELIST": "alpha[1-2]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}


@pytest.fixture
def slurm(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)  # no srun here
    # Lightning keeps the rank for the whole process: the sixth would log nothing in later tests.
    monkeypatch.setattr(rank_zero_only, "rank", rank_zero_only.rank)
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)


def test_processes_of_slurm_are_recognised(slurm):
    found = _started()
    assert (found.nodes, found.each, found.count) == (2, 4, 8)
    given = found.trainer()
    assert (given["num_nodes"], given["devices"], given["strategy"]) == (2, 4, "ddp")
    (environment,) = given["plugins"]
    assert not environment.auto_requeue
    assert (environment.global_rank(), environment.local_rank(), environment.world_size()) == (5, 1, 8)
    assert environment.main_address == "alpha1"


def test_lightning_takes_the_configuration_of_slurm(slurm, monkeypatch):
    from lightning import Trainer

    monkeypatch.setenv("SLURM_NTASKS", "8")
    trainer = Trainer(**_started().trainer(), logger=False, enable_checkpointing=False)
    assert (trainer.world_size, trainer.num_nodes, trainer.global_rank) == (8, 2, 5)


def test_other_numbers_than_were_started_are_refused(slurm):
    with pytest.raises(SettingsError, match=r"nodes=3 and processes=4 .* 2 with 4 on each"), joined(nodes=3):
        pass


def test_processes_that_nobody_started_are_refused(few, tmp_path):
    with pytest.raises(SettingsError, match="nproc-per-node"):
        train(few("fields", "processes=2"))
    assert not (tmp_path / "runs").exists()


def test_a_batch_that_cannot_be_shared_is_refused(few):
    given = few("fields", "task.batch=3")
    laws = LawTexts.of(given["law"]), LawTexts.of(given["judged"])
    setting = Setting(Path(given["data"]), *laws, given["model"], 0, (1, 2))
    with pytest.raises(SettingsError, match="batch of 3 cannot be shared by 2 processes"):
        make_experiment(given["task"], setting)


def test_what_the_first_process_alone_does():
    assert Processes().first(lambda: 3) == 3

    class Told:
        """What the first process tells the others."""

        def __init__(self, answer=None):
            self.answer = answer

        def broadcast(self, said):
            return said if self.answer is None else self.answer

    assert Processes(0, 2, _fabric=Told()).first(lambda: 3) == 3
    assert Processes(1, 2, _fabric=Told((True, 3))).first(lambda: pytest.fail("is not its work")) == 3
    with pytest.raises(ZeroDivisionError):
        Processes(0, 2, _fabric=Told()).first(lambda: 1 // 0)
    with pytest.raises(TrainingError, match="first process ended"):
        Processes(1, 2, _fabric=Told((False, None))).first(lambda: 3)


def test_errors_of_a_lost_process_are_known():
    assert lost(torch.distributed.DistNetworkError("gone"))
    assert lost(RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer"))
    assert not lost(RuntimeError("shapes do not match"))
