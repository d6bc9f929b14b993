"""Solve a problem: a run folder with metrics, checkpoint, configuration, fields and report."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from physmix.commands.features import features_of
from physmix.commands.interface import run_configured
from physmix.commands.problems import read_problem
from physmix.commands.registry import at_least, call
from physmix.commands.runs import claim, print_run, read_metrics, run_folder
from physmix.commands.solved import Run, leave, read_wanted
from physmix.commands.solving import other_features, read_way
from physmix.errors import SettingsError

_AGAINST = "  (against a second solution)"
_PARTS = {
    "name": ("name",),
    "own": ("model", "quantities", "known"),
    "way": ("windows", "guess", "balance"),
}
"""Keys of a problem beside those of `read_problem`."""
_NEVER_COMPARED = ("file", "progress", "resume", "runs", "threads")


@dataclass(frozen=True, kw_only=True)
class SolveSettings:
    """What conf/solve.yaml and a problem say; see there."""

    problem: Mapping[str, Any] | None
    file: str | None
    seed: int
    steps: int
    twin: bool
    grid: int
    times: int
    resume: bool
    runs: str
    threads: int | None
    progress: bool

    def __post_init__(self) -> None:
        at_least("the run", 0, seed=self.seed)
        at_least("the run", 1, steps=self.steps, threads=1 if self.threads is None else self.threads)
        at_least("the run", 2, grid=self.grid, times=self.times)

    def content(self) -> dict[str, Any]:
        """The problem, of the library or of a file.

        Raises:
            SettingsError: if there is none, or the file cannot be read.
        """
        if self.file is None and self.problem is not None:
            return dict(self.problem)
        if self.file is None or self.problem is not None:
            given = "both are given" if self.file else "neither is given"
            raise SettingsError("the run", f"{given}, problem and file", "add problem=NAME, or file=PATH")
        try:
            found = yaml.safe_load(Path(self.file).read_text())
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            problem = f"{self.file} cannot be read ({error})"
            raise SettingsError("the problem", problem, "give a YAML file as in conf/problem") from error
        if not isinstance(found, dict):
            raise SettingsError("the problem", f"{self.file} holds no keys", "write it as in conf/problem")
        return {str(key): value for key, value in found.items()}


def main() -> None:
    """The command physmix-solve."""
    sys.exit(run_configured("solve", solve_problem))


def solve_problem(settings: Mapping[str, Any]) -> int:
    """Solve one problem, or print it if it is solved.

    Args:
        settings: as composed from conf/solve.yaml.

    Raises:
        RunExistsError: if the run folder exists and resume is not set.
        PhysmixError: whatever else keeps the problem from being solved.
    """
    run = call(SolveSettings, settings, "the run")
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    content = run.content()
    parts: dict[str, dict[str, Any]] = {
        part: {key: content.pop(key) for key in keys if key in content} for part, keys in _PARTS.items()
    }
    own = {key: parts["own"].get(key) or {} for key in _PARTS["own"]}
    name = parts["name"].get("name")
    if not isinstance(name, str):
        raise SettingsError("the problem", f"name={name!r}", "write name: NAME in its file")
    if bare := [key for key, part in own.items() if not isinstance(part, Mapping)]:
        raise SettingsError("the problem", f"{bare[0]}={own[bare[0]]!r}", "write keys and values under it")
    # Everything is read, down to a first loss, before a folder is made.
    problem, notation = read_problem(content, run.seed)
    way = read_way(parts["way"], problem, notation)
    given = {"notation": notation, "coordinates": problem.coordinates}
    features = call(features_of, own["model"], "the model", **given)
    cost = way.cost(problem, {**features, "seed": run.seed})
    wanted = read_wanted(own["quantities"], own["known"], problem, notation, run.times)
    exact = "_".join(problem.equations.laws) or "none"
    folder = run_folder(run.runs, name, exact, str(run.seed))
    same = {k: v for k, v in vars(run).items() if k not in _NEVER_COMPARED} | {"problem": run.content()}
    if not claim(folder, same, resume=run.resume):
        print_run(read_metrics(folder / "metrics.json"), folder, _AGAINST)
        return 0

    def report(told: str) -> None:
        if run.progress:
            print(f"{name}: {told}", flush=True)

    report(cost)
    begin = time.perf_counter()
    asked: dict[str, Any] = {"steps": run.steps, "report": report}
    found = way.find(problem, {**features, "seed": run.seed}, state=folder / "state" / "first", **asked)
    before = sum(window.trace.seconds for window in found.solution.windows)  # of a run that was stopped, too
    seconds, twin = max(time.perf_counter() - begin, before), None
    if run.twin:
        report(f"solved in {seconds:.1f} s; again with other features, for the errors")
        others = other_features(features, problem, run.seed + 1)
        twin = way.find(problem.elsewhere(), others, state=folder / "state" / "twin", **asked).solution
    made = Run(folder, name, exact, run.seed, run.grid, run.times, own["model"], notation)
    metrics = leave(made, found, twin, wanted, cost=cost, seconds=seconds)
    shutil.rmtree(folder / "state", ignore_errors=True)
    print_run(metrics, folder, _AGAINST)
    for label, one in (metrics["unknowns"] | metrics["quantities"]).items():
        error = "" if one["error"] is None else f" +- {one['error']:.1g}"
        print(f"  {label:<33} {one['value']:.6g}{error}")
    return 0
