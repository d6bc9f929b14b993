"""Solve a problem: a run folder with metrics, checkpoint, configuration, fields and report."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from physmix.commands.description import Description
from physmix.commands.interface import run_configured
from physmix.commands.laws import LawTexts
from physmix.commands.models import features_of, judge
from physmix.commands.notation import Notation, written_out
from physmix.commands.problems import read_problem
from physmix.commands.quantities import read_quantity
from physmix.commands.registry import at_least, call
from physmix.commands.runs import claim, finish, judged, print_run, read_metrics, run_folder
from physmix.errors import MissingPackageError, SettingsError
from physmix.flows import Flow, write_flow, write_vtu
from physmix.problems import Measured, Problem, Residuals, feature_model
from physmix.reporting import Map, SolvedReport, draw_solved, render_solved
from physmix.training import (
    Estimate,
    Quantities,
    Solution,
    as_flow,
    as_meshes,
    forecast,
    infer,
    save_checkpoint,
    solve,
)

_AGAINST = "  (against a second solution)"
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
    own: dict[str, Any] = {key: content.pop(key, {}) for key in ("model", "quantities")}
    name = content.pop("name", None)
    if not isinstance(name, str) or not all(isinstance(part, Mapping) for part in own.values()):
        raise SettingsError(
            "the problem", f"name={name!r}", "give a name, and keys under model and quantities"
        )
    # Everything is read, down to a first loss, before a folder is made.
    problem, notation = read_problem(content, run.seed)
    features = call(
        features_of, own["model"], "the model", notation=notation, coordinates=problem.coordinates
    )
    model = feature_model(problem, seed=run.seed, **features)
    cost = str(forecast(Residuals(problem, model)))
    quantities = {str(k): read_quantity(q, problem, notation) for k, q in own["quantities"].items()}
    exact = "_".join(problem.equations.laws) or "none"
    folder = run_folder(run.runs, name, exact, str(run.seed))
    wanted = {k: v for k, v in vars(run).items() if k not in _NEVER_COMPARED} | {"problem": run.content()}
    if not claim(folder, wanted, resume=run.resume):
        print_run(read_metrics(folder / "metrics.json"), folder, _AGAINST)
        return 0

    if run.progress:
        print(f"{name}: {cost}", flush=True)
    begin = time.perf_counter()
    found = _found(problem, steps=run.steps, seed=run.seed, **features)
    solution = found.solution
    seconds = time.perf_counter() - begin
    twin = None
    if run.twin:
        if run.progress:
            print(f"{name}: solved in {seconds:.1f} s; again with other features, for the errors", flush=True)
        other = _found(problem.elsewhere(), steps=run.steps, seed=run.seed + 1, **features)
        twin = other.solution

    description = describe(problem, own["model"], notation)
    save_checkpoint(folder / "checkpoint", solution.model, description)
    findings = judge(solution.model, description, problem.laws, run.seed)
    metrics: dict[str, Any] = {
        "experiment": name,
        "law": exact,
        "seed": run.seed,
        "seconds": seconds,
        "steps": len(solution.trace.steps),
        "errors": Quantities(solution, twin).errors() if twin else {},
        **judged(findings),
        "unknowns": {k: {"value": one.value, "error": one.error} for k, one in found.unknowns.items()},
        "quantities": {k: vars(rule(solution, twin)) for k, rule in quantities.items()},
        "residuals": dict(solution.residuals),
        "fresh": dict(solution.fresh),
        "told": [
            cost,
            solution.weighing,
            solution.trace.reason,
            f"the error is limited by {solution.limited_by}",
            *found.told,
        ],
    }
    flow = as_flow(solution, name, run.grid, run.times)
    write_flow(flow, folder / "fields.hdf5")
    try:
        write_vtu(folder / "fields.vtu", as_meshes(solution, flow)[-1])
    except MissingPackageError:
        print(f"{name}: fields.vtu is left out; the extra vtk writes it: pip install 'physmix[vtk]'")
    spelled = LawTexts.of(description["laws"]).spelled(problem.coordinates)
    report = SolvedReport(metrics, spelled, maps_of(flow), [step.loss for step in solution.trace.steps])
    figures = draw_solved(report)
    print_run(finish(folder, metrics, figures, render_solved(report, figures)), folder, _AGAINST)
    _print_numbers(metrics["unknowns"] | metrics["quantities"])
    return 0


def _print_numbers(numbers: Mapping[str, Mapping[str, float]]) -> None:
    for name, one in numbers.items():
        known = math.isfinite(one["error"])
        print(f"  {name:<33} {one['value']:.6g}" + (f" +- {one['error']:.1g}" if known else ""))


@dataclass(frozen=True)
class _Found:
    """A solution, the numbers that were found with it, and what is told of them."""

    solution: Solution
    unknowns: Mapping[str, Estimate]
    told: tuple[str, ...] = ()


def _found(problem: Problem, **settings: Any) -> _Found:
    """By inference where something is measured, so that numbers have errors; else by a plain solve."""
    if any(isinstance(one, Measured) for one in problem.conditions):
        inference = infer(problem, **settings)
        return _Found(inference.solution, inference.posterior.unknowns, (inference.verdict,))
    solution = solve(problem, **settings)
    return _Found(solution, {k: Estimate(value, math.nan) for k, value in solution.unknowns.items()})


def describe(problem: Problem, model: Mapping[str, Any], notation: Notation) -> Description:
    """The description of the model of a problem in its checkpoint."""
    equations, region = problem.equations, problem.region
    laws: dict[str, Any] = {
        "name": "_".join(equations.laws),
        "vectors": list(equations.vectors),
        "tensors": list(equations.tensors),
        "laws": dict(equations.laws),
    }
    written = {key: written_out(model[key], notation) for key in ("walls", "liftings") if key in model}
    return {
        "model": {"name": "features", **model, **written, "convex": region.convex},
        "laws": laws,
        "judged": laws,
        "coordinates": list(problem.coordinates),
        "fields": list(equations.fields),
        "box": {name: list(ends) for name, ends in region.box.items()},
        "size": {name: float(equations.sizes.get(name, 1.0)) for name in equations.fields},
        "mean": {},
        **{none: {} for none in ("cells", "boundary", "constants", "floor")},  # of grids and surrogates
    }


def maps_of(flow: Flow) -> list[Map]:
    """Pictures of all fields: in the plane of the first two coordinates, at the last time and mid-way."""
    names, axes = list(flow.axes), dict(flow.axes)
    box = flow.box()
    plane = (names[0], names[1]) if len(names) > 1 else ("t", names[0])
    title = "" if len(flow.time) == 1 or plane[0] == "t" else f", t = {flow.time[-1]:g}"
    maps = []
    for name in flow.components:
        values = np.array(flow.component(name)[0], np.float64)
        if flow.solid is not None:
            values[:, flow.solid] = np.nan
        if plane[0] != "t":
            values = values[-1]
            while values.ndim > 2:
                values = values[..., len(axes[names[values.ndim - 1]]) // 2]
        maps.append(Map(name, title, values, (*box[plane[0]], *box[plane[1]]), plane))
    return maps
