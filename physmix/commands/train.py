"""Train an experiment: a run folder with metrics, checkpoint, configuration and report."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from physmix.commands.experiments import Experiment, Setting, make_experiment
from physmix.commands.interface import check_keys, run_configured
from physmix.commands.laws import LawTexts
from physmix.commands.models import check_judged, judge
from physmix.commands.registry import OPTIMIZERS, at_least, call, choose
from physmix.commands.runs import claim, finish, judged, print_run, read_metrics, run_folder
from physmix.errors import SettingsError
from physmix.reporting import RunReport, draw, render
from physmix.training import History, Processes, Stage, check_precision, fit, joined, save_checkpoint

_NEVER_COMPARED = ("nodes", "processes", "progress", "resume", "runs", "threads")


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What conf/train.yaml and an experiment say of a run; see there."""

    name: str
    data: str
    law: Mapping[str, Any]
    judged: Mapping[str, Any]
    model: Mapping[str, Any]
    task: Mapping[str, Any]
    training: Mapping[str, Any]
    seed: int
    resume: bool
    runs: str
    threads: int | None
    nodes: int | None
    processes: int | None
    progress: bool

    def __post_init__(self) -> None:
        at_least("the run", 0, seed=self.seed)
        counts = {"threads": self.threads, "nodes": self.nodes, "processes": self.processes}
        at_least("the run", 1, **{name: 1 if count is None else count for name, count in counts.items()})
        if self.seed >= 2**31:
            raise SettingsError("the run", f"seed={self.seed}", "give a number below 2**31")
        for law in (self.law, self.judged):
            if not LawTexts.of(law).name:
                raise SettingsError("the law", f"{law!r}", "write name: NAME and laws: {name: text}")

    def folder(self, law: str) -> Path:
        """Where a run lives: runs/<experiment>/<law>/<seed>."""
        return run_folder(self.runs, self.name, law, str(self.seed))

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to be gone on with, its data included."""
        kept = {k: v for k, v in vars(self).items() if k not in _NEVER_COMPARED}
        data = Path(self.data)
        found = hashlib.sha256()
        for path in sorted(data.rglob("*.hdf5")) if data.is_dir() else [data]:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        return kept | {"data_sha256": found.hexdigest()}


def main() -> None:
    """The command physmix-train."""
    sys.exit(run_configured("train", train))


def train(settings: Mapping[str, Any]) -> int:
    """Train one experiment, or print it if it is finished.

    Args:
        settings: as composed from conf/train.yaml.

    Raises:
        RunExistsError: if the run folder exists and resume is not set.
        PhysmixError: whatever else keeps the run from being made.
    """
    run = call(RunSettings, settings, "the run")
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    with joined(run.nodes, run.processes) as processes:
        return _train(run, processes)


def _train(run: RunSettings, processes: Processes) -> int:
    folder = run.folder(run.law["name"])
    # Everything is checked, down to a first loss, before a folder is made.
    stages = read_stages(run.training)
    laws, judged_laws = LawTexts.of(run.law), LawTexts.of(run.judged)
    setting = Setting(Path(run.data), laws, judged_laws, run.model, run.seed, processes.share)
    experiment = make_experiment(run.task, setting)
    check_judged(experiment.description, setting.judged.parse(experiment.description["coordinates"]))
    losses = experiment.task.losses(0)
    if not all(torch.isfinite(loss) for loss in losses.values()):
        named = ", ".join(f"{name}={float(loss.detach())}" for name, loss in losses.items())
        raise SettingsError("the task", f"its first losses are {named}", "check data and model")
    if processes.first(lambda: claim(folder, run.identity(), resume=run.resume)):
        history = fit(
            experiment.task,
            stages,
            folder / "training",
            steps_per_epoch=run.training["steps_per_epoch"],
            progress=run.progress,
            samples=experiment.samples,
            precision=run.training.get("precision"),
            processes=processes,
        )
        if processes.rank == 0:
            _finish(run, experiment, setting, history)
    if processes.rank == 0:
        print_run(read_metrics(folder / "metrics.json"), folder)
    return 0


def _finish(run: RunSettings, experiment: Experiment, setting: Setting, history: History) -> None:
    """Judge what was trained, and write it down."""
    law, judged_law, model = run.law["name"], run.judged["name"], experiment.task.model
    folder, description = run.folder(law), experiment.description
    laws = setting.judged.parse(description["coordinates"])
    save_checkpoint(folder / "checkpoint", model, description)
    evaluation = experiment.evaluate(laws)
    findings = [*judge(model, description, laws, run.seed), *evaluation.findings]
    metrics = {
        "experiment": run.name,
        "law": law,
        "seed": run.seed,
        "seconds": history.seconds,
        "samples_per_second": history.throughput,
        "steps": len(history.steps),
        "errors": evaluation.errors,
        **judged(findings),
        **evaluation.details,
    }
    twin_law = judged_law if law == "none" else "none"
    report = RunReport(
        metrics=metrics,
        twin=_read_twin(run.folder(twin_law)),
        laws=setting.judged.spelled(description["coordinates"]),
        history=history.state(),
        pictures=evaluation.pictures,
        command=f"physmix-train experiment={run.name} law={twin_law} seed={run.seed}",
    )
    figures = draw(report)
    finish(folder, metrics, figures, render(report, figures))


def read_stages(training: Mapping[str, Any]) -> list[Stage]:
    """The stages of a training configuration.

    Raises:
        SettingsError: if a key or value does not fit.
    """
    check_keys(training, ("precision", "stages", "steps_per_epoch"), "training")
    check_precision(training.get("precision"))
    length = training.get("steps_per_epoch")
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise SettingsError("training", f"steps_per_epoch={length!r}", "give a number from 1 up")
    listed = training.get("stages")
    if not isinstance(listed, list) or not listed or not all(isinstance(s, Mapping) for s in listed):
        raise SettingsError("training", f"stages={listed!r}", "list one stage or more")
    return [_read_stage(settings, f"training stage {i}") for i, settings in enumerate(listed)]


def _read_stage(settings: Mapping[str, Any], where: str) -> Stage:
    make = choose(OPTIMIZERS, settings.get("optimizer"), where)
    common = {k: v for k, v in settings.items() if k in ("steps", "anneal", "clip")}
    own = {k: v for k, v in settings.items() if k not in common and k != "optimizer"}

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        try:
            return call(make, own, where, parameters=parameters)
        except ValueError as error:  # torch's own check of its settings
            raise SettingsError(where, str(error), "correct it") from error

    def stage(*, steps: int, anneal: bool = False, clip: float | None = None) -> Stage:
        at_least(where, 1, steps=steps)
        at_least(where, 1e-300, clip=1.0 if clip is None else clip)
        return Stage(settings["optimizer"], optimizer, steps, anneal, clip)

    optimizer([torch.nn.Parameter(torch.zeros(1))])  # fails now, not after an hour
    return call(stage, common, where)


def _read_twin(folder: Path) -> dict[str, Any] | None:
    path = folder / "metrics.json"
    return read_metrics(path) if path.is_file() else None
