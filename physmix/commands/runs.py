"""Run folders: what may be written there, and what a finished run says."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from physmix.checking import Finding, finite, worst
from physmix.errors import RunExistsError, SettingsError, listing
from physmix.files import write_whole

_PACKAGES = ("physmix", "torch", "lightning", "numpy", "h5py", "hydra-core")


def run_folder(runs: str, *parts: str) -> Path:
    """Where a run lives: runs/<experiment>/<law>/<seed>.

    Raises:
        SettingsError: if a part is no name of a folder.
    """
    for part in parts:
        if Path(part).name != part or part in ("", ".", ".."):
            raise SettingsError("the run", f"{part!r} is no name of a folder", "use a plain name")
    return Path(runs).joinpath(*parts)


def versions() -> dict[str, str]:
    """Of Python and of the packages that a run depends on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in _PACKAGES
    }


def claim(folder: Path, wanted: Mapping[str, Any], *, resume: bool) -> bool:
    """Make the run folder, or make sure that it is of the same run; whether there is work left.

    Raises:
        RunExistsError: if it exists and resume is not set.
        SettingsError: if it was made with other settings, or is damaged.
    """
    file = folder / "config.yaml"
    if folder.exists() and not resume:
        raise RunExistsError(folder)
    if file.exists():
        remedy = f"repeat its own settings (see {file}), or choose another seed or runs folder"
        try:
            found = yaml.safe_load(file.read_text())
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            problem = f"its config.yaml is damaged ({type(error).__name__})"
            raise SettingsError(f"the run {folder}", problem, "move the folder away") from error
        if found != wanted:
            same = found if isinstance(found, dict) else {}
            changed = listing(key for key in wanted if same.get(key) != wanted[key])
            raise SettingsError(f"the run {folder}", f"it was made with other settings of {changed}", remedy)
    else:
        write_whole(file, yaml.safe_dump(dict(wanted), sort_keys=False).encode())
    return not (folder / "metrics.json").exists()


def judged(findings: Sequence[Finding]) -> dict[str, Any]:
    """What the metrics of every run say of laws, and of what they were found with."""
    return {
        "violations": worst(findings),
        "findings": [finding.as_dict() for finding in findings],
        "versions": versions(),
    }


def finish(
    folder: Path, metrics: Mapping[str, Any], figures: Mapping[str, bytes], page: str
) -> dict[str, Any]:
    """Write the figures, the report and the metrics of a run, which is finished then; its metrics as read."""
    for name, figure in figures.items():
        write_whole(folder / "figures" / f"{name}.png", figure)
    write_whole(folder / "report.html", page.encode())
    # Last, since it says that the run is finished.
    write_whole(folder / "metrics.json", as_json(metrics))
    return read_metrics(folder / "metrics.json")


def as_json(metrics: Mapping[str, Any]) -> bytes:
    """Metrics as JSON; numbers that are not finite become null."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: clean(part) for key, part in value.items()}
        if isinstance(value, list):
            return [clean(part) for part in value]
        return finite(value) if isinstance(value, float) else value

    return (json.dumps(clean(metrics), indent=1, allow_nan=False) + "\n").encode()


def read_metrics(path: Path) -> dict[str, Any]:
    """The metrics of a finished run.

    Raises:
        SettingsError: if they are damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if {"steps", "seconds", "errors", "violations", "findings"} <= content.keys():
            return content
    except (ValueError, AttributeError, RecursionError):
        pass
    raise SettingsError(f"the run {path.parent}", "its metrics.json is damaged", "move the folder away")


def print_run(metrics: Mapping[str, Any], folder: Path, against: str = "") -> None:
    """Print what a finished run found.

    Args:
        metrics: as `read_metrics` returns them.
        folder: of the run.
        against: what errors are relative to, where it is no known truth.
    """

    def shown(value: float | None) -> str:
        return "not a number" if value is None else f"{value:.2e}"

    speed = metrics.get("samples_per_second")
    rate = "" if speed is None else f", {speed:.3g} samples per second"
    print(f"run {folder}: {metrics['steps']} steps in {metrics['seconds']:.1f} s{rate}")
    for field, error in metrics["errors"].items():
        print(f"  relative L2 error of {field:<14} {shown(error)}{against}")
    for law, violation in metrics["violations"].items():
        holds = all(finding["holds"] for finding in metrics["findings"] if finding["law"] == law)
        print(f"  relative violation of {law:<13} {shown(violation)}  {'holds' if holds else 'VIOLATED'}")
    print(f"  report {folder / 'report.html'}")
