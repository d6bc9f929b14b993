"""Train an experiment: a run folder with metrics, checkpoint, configuration and report."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from physmix.checking import TOLERANCES, worst
from physmix.commands.experiments import Setting, make_experiment
from physmix.commands.interface import check_keys, run_configured
from physmix.commands.models import judge
from physmix.commands.registry import OPTIMIZERS, call, choose
from physmix.errors import RunExistsError, SettingsError
from physmix.files import write_whole
from physmix.flows import read_flow
from physmix.laws import parse_laws
from physmix.reporting import RunReport, draw, render
from physmix.training import Stage, fit, save_checkpoint

_KEYS = (
    "data",
    "judged",
    "law",
    "model",
    "name",
    "progress",
    "resume",
    "runs",
    "seed",
    "task",
    "threads",
    "training",
)
_NOT_COMPARED = ("progress", "resume", "runs", "threads")
_PACKAGES = ("physmix", "torch", "lightning", "numpy", "h5py", "hydra-core")


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
    check_keys(settings, _KEYS, "the run")
    if settings["threads"] is not None:
        torch.set_num_threads(int(settings["threads"]))
    stages = read_stages(settings["training"])
    setting = Setting(
        flow=read_flow(settings["data"]),
        laws=_law_texts(settings["law"]),
        judged=_law_texts(settings["judged"]),
        model=settings["model"],
        seed=_seed(settings["seed"]),
    )
    folder = run_folder(settings)
    experiment = make_experiment(settings["task"], setting)  # all is checked before a folder is made
    metrics_file = folder / "metrics.json"
    _claim(folder, settings)
    if metrics_file.exists():
        _print(json.loads(metrics_file.read_text()), folder)
        return 0

    history = fit(
        experiment.task,
        stages,
        folder / "training",
        steps_per_epoch=settings["training"]["steps_per_epoch"],
        progress=settings["progress"],
    )
    model = experiment.task.model
    save_checkpoint(folder / "checkpoint", model, experiment.description)
    judged = parse_laws(setting.judged, experiment.description["coordinates"])
    evaluation = experiment.evaluate(judged)
    findings = [*judge(model, experiment.description, judged, setting.seed), *evaluation.findings]
    metrics = {
        "experiment": settings["name"],
        "law": settings["law"]["name"],
        "seed": setting.seed,
        "seconds": history.seconds,
        "steps": len(history.steps),
        "errors": evaluation.errors,
        "violations": worst(findings),
        "findings": [finding.as_dict() for finding in findings],
        **evaluation.details,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    twin_law = "none" if settings["law"]["name"] != "none" else settings["judged"]["name"]
    report = RunReport(
        metrics=metrics,
        twin=_read_twin(run_folder(settings, twin_law)),
        laws=setting.judged,
        history=history.state(),
        pictures=evaluation.pictures,
        tolerance=TOLERANCES[torch.float64],
        command=f"physmix-train experiment={settings['name']} law={twin_law} seed={setting.seed}",
    )
    figures = draw(report)
    for name, figure in figures.items():
        write_whole(folder / "figures" / f"{name}.png", figure)
    write_whole(folder / "report.html", render(report, figures).encode())
    # Last, since it says that the run is finished.
    write_whole(metrics_file, (json.dumps(metrics, indent=1) + "\n").encode())
    _print(metrics, folder)
    return 0


def run_folder(settings: Mapping[str, Any], law: str | None = None) -> Path:
    """Where a run lives: runs/<experiment>/<law>/<seed>."""
    parts = (str(settings["name"]), law or str(settings["law"]["name"]), str(settings["seed"]))
    for part in parts:
        if Path(part).name != part or part in ("", ".", ".."):
            raise SettingsError("the run", f"{part!r} is no name of a folder", "use a plain name")
    return Path(settings["runs"]).joinpath(*parts)


def read_stages(training: Mapping[str, Any]) -> list[Stage]:
    """The stages of a training configuration.

    Raises:
        SettingsError: if a key or value does not fit.
    """
    check_keys(training, ("stages", "steps_per_epoch"), "training")
    stages: list[Stage] = []
    for settings in training["stages"]:
        where = f"training stage {len(stages)}"
        make = choose(OPTIMIZERS, settings.get("optimizer"), where)
        own = {key: settings[key] for key in ("steps", "anneal", "clip") if key in settings}
        rest = {key: value for key, value in settings.items() if key not in own and key != "optimizer"}
        call(make, rest, where, parameters=[torch.nn.Parameter(torch.zeros(1))])  # fails early
        if not isinstance(own.get("steps"), int) or own["steps"] < 1:
            raise SettingsError(where, f"steps={own.get('steps')!r}", "give a number from 1 up")

        def optimizer(
            parameters: Any, make: Any = make, rest: Any = rest, where: str = where
        ) -> torch.optim.Optimizer:
            return call(make, rest, where, parameters=parameters)

        stages.append(Stage(settings["optimizer"], optimizer, **own))
    return stages


def _law_texts(law: Any) -> dict[str, str]:
    if not isinstance(law, Mapping):
        raise SettingsError("the law", f"{law!r} is not a law", "add law=NAME, or laws by name")
    check_keys(law, ("name", "laws"), "the law")
    return dict(law["laws"])


def _seed(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise SettingsError("the run", f"seed={value!r}", "give a whole number from 0 up")
    return value


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the run folder, or make sure that it belongs to the same configuration."""
    wanted = {key: value for key, value in settings.items() if key not in _NOT_COMPARED}
    file = folder / "config.yaml"
    if not folder.exists():
        folder.mkdir(parents=True)
        write_whole(file, yaml.safe_dump(wanted, sort_keys=False).encode())
        return
    if not settings["resume"]:
        raise RunExistsError(folder)
    if not file.exists():
        write_whole(file, yaml.safe_dump(wanted, sort_keys=False).encode())
    found = yaml.safe_load(file.read_text())
    if found != wanted:
        changed = [key for key in wanted if not isinstance(found, dict) or found.get(key) != wanted[key]]
        raise SettingsError(
            f"the run {folder}",
            f"it was made with other settings of {', '.join(changed) or 'the run'}",
            f"repeat its own settings (see {file}), or choose another seed or runs folder",
        )


def _read_twin(folder: Path) -> dict[str, Any] | None:
    try:
        metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    except (OSError, ValueError):
        return None
    return metrics


def _print(metrics: Mapping[str, Any], folder: Path) -> None:
    print(f"run {folder}: {metrics['steps']} steps in {metrics['seconds']:.1f} s")
    for field, error in metrics["errors"].items():
        print(f"  relative L2 error of {field:<12} {error:.2e}")
    for law, violation in metrics["violations"].items():
        verdict = "holds" if violation <= TOLERANCES[torch.float64] else "VIOLATED"
        print(f"  relative violation of {law:<12} {violation:.2e}  {verdict}")
    print(f"  report {folder / 'report.html'}")
