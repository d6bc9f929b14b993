"""What a solved problem leaves in its run folder: checkpoint, metrics, fields and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physmix.commands.features import describe
from physmix.commands.laws import LawTexts
from physmix.commands.models import judge
from physmix.commands.notation import Notation
from physmix.commands.quantities import Wanted, read_quantity
from physmix.commands.runs import finish, judged
from physmix.commands.solving import Found
from physmix.errors import MissingPackageError, SettingsError, listing
from physmix.flows import Flow, write_flow, write_vtu, write_vtu_series
from physmix.problems import Formula, Problem
from physmix.reporting import Course, SolvedReport, draw_solved, maps_of, render_solved
from physmix.training import Quantities, Solved, as_flow, as_meshes, save_checkpoint

_POINTS = 2000  # at which a known solution is compared


@dataclass(frozen=True)
class Run:
    """A run folder, and what is to be in it.

    Attributes:
        folder: where it is.
        name: of the problem.
        law: the names of those that are exact.
        seed: of features and points.
        grid: stored points along the longest side.
        times: how many are stored, where there is time.
        model: its settings.
        notation: what names in them stand for.
    """

    folder: Path
    name: str
    law: str
    seed: int
    grid: int
    times: int
    model: Mapping[str, Any]
    notation: Notation


@dataclass(frozen=True)
class Numbers:
    """The numbers that are asked of a solution.

    Attributes:
        quantities: by name.
        known: the solution, as far as it is known, by field.
        times: those that are stored.
    """

    quantities: Mapping[str, Wanted]
    known: Mapping[str, Formula]
    times: Sequence[float]


def read_wanted(
    quantities: Mapping[str, Any],
    known: Mapping[str, Any],
    problem: Problem,
    notation: Notation,
    times: int,
) -> Numbers:
    """What a configuration asks of a solution.

    Raises:
        SettingsError: if it is something that there is not.
    """
    stored = np.linspace(*problem.region.box["t"], times).tolist() if "t" in problem.coordinates else []
    formulas = {str(field): notation.formula(text) for field, text in known.items()}
    if strange := [field for field in formulas if field not in problem.equations.fields]:
        remedy = f"the fields are {listing(problem.equations.fields)}"
        raise SettingsError("the known solution", f"there is no field {listing(strange)}", remedy)
    wanted = {str(k): read_quantity(q, problem, notation, stored) for k, q in quantities.items()}
    return Numbers(wanted, formulas, stored)


def leave(
    run: Run, found: Found, twin: Solved | None, numbers: Numbers, *, cost: str, seconds: float
) -> dict[str, Any]:
    """Judge a solution, write all files, and return the metrics as read."""
    solution, folder = found.solution, run.folder
    findings, laws = [], {}
    for number, window in enumerate(solution.windows):
        description = describe(window.problem, run.model, run.notation)
        place = f"window-{number + 1}" if len(solution.windows) > 1 else ""
        save_checkpoint(folder / "checkpoint" / place, window.model, description)
        findings += judge(window.model, description, window.problem.laws, run.seed)
        laws = LawTexts.of(description["laws"]).spelled(window.problem.coordinates)
    metrics: dict[str, Any] = {
        "experiment": run.name,
        "law": run.law,
        "seed": run.seed,
        "seconds": seconds,
        "steps": sum(len(window.trace.steps) for window in solution.windows),
        "windows": len(solution.windows),
        **judged(findings),
        "imbalances": solution.imbalances(),
        **_errors(solution, twin, numbers),
        **_quantities(solution, twin, numbers),
        "unknowns": {k: {"value": one.value, "error": one.error} for k, one in found.unknowns.items()},
        "residuals": dict(solution.residuals),
        "fresh": dict(solution.fresh),
        "told": [
            cost,
            solution.weighing,
            solution.windows[-1].trace.reason,
            f"the error is limited by {solution.limited_by}",
            *found.told,
        ],
    }
    flow = as_flow(solution, run.name, run.grid, run.times)
    write_flow(flow, folder / "fields.hdf5")
    try:
        _write_meshes(folder, solution, flow)
    except MissingPackageError as error:
        print(f"{run.name}: files for ParaView are left out: {error}")
    losses = [[step.loss for step in window.trace.steps] for window in solution.windows]
    maps = [one for one in maps_of(flow) if one.name != "inside"]  # which the layout of a file asks for
    report = SolvedReport(metrics, laws, maps, losses, _courses(metrics))
    figures = draw_solved(report)
    return finish(folder, metrics, figures, render_solved(report, figures))


def _errors(solution: Solved, twin: Solved | None, numbers: Numbers) -> dict[str, Any]:
    """Against the twin, over all and by time, and against what is known."""
    over: dict[str, Any] = {}
    found = {}
    if twin:
        compared = Quantities(solution, twin)
        found = compared.errors()
        if numbers.times:
            over = {"times": list(numbers.times), **compared.errors_over(numbers.times)}
    problem = solution.problem
    points = problem.region.even().sample(_POINTS, problem.seed + 1).points
    state, known = solution.at(points), {}
    for name, formula in numbers.known.items():
        true = formula.at(points, problem.coordinates)
        known[name] = float((state[name] - true).norm() / true.norm().clamp(min=1e-300))
    return {"errors": found, "errors_over_time": over, "known": known}


def _quantities(solution: Solved, twin: Solved | None, numbers: Numbers) -> dict[str, Any]:
    """Single ones, and those over time."""
    found = {name: one.found(solution, twin) for name, one in numbers.quantities.items()}
    return {
        "quantities": {name: one for name, one in found.items() if "times" not in one},
        "series": {name: one for name, one in found.items() if "times" in one},
    }


def _write_meshes(folder: Path, solution: Solved, flow: Flow) -> None:
    """One file for ParaView, or a film."""
    meshes = as_meshes(solution, flow)
    if len(meshes) == 1:
        write_vtu(folder / "fields.vtu", meshes[0])
    else:
        write_vtu_series(folder / "fields.pvd", flow.time.tolist(), meshes)


def _courses(metrics: Mapping[str, Any]) -> list[Course]:
    """What is shown over time."""
    courses = [
        Course(name, one["times"], {name: one["value"]}, {name: one["error"]})
        for name, one in metrics["series"].items()
    ]
    errors = {k: v for k, v in metrics["errors_over_time"].items() if k != "times"}
    if errors:
        courses.append(Course("relative error", metrics["errors_over_time"]["times"], errors, {}, "log"))
    return courses
