"""Solutions on disk: a checkpoint whose JSON also holds what was found, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from physmix.errors import CheckpointError
from physmix.jets import Sine
from physmix.mixing import PotentialModel
from physmix.problems import Problem
from physmix.training.checkpoint import load_weights, read_description, save_checkpoint
from physmix.training.solution import Solution
from physmix.training.trace import Step, Trace

ACTIVATIONS: Mapping[type[nn.Module], str] = {nn.Tanh: "tanh", Sine: "sin"}
_STEP = ("loss", "gradient", "step", "damping", "seconds")
_WORDS = ("reason", "solver")
_NUMBERS = ("unknowns", "residuals", "fresh", "balance")


def save_solution(folder: Path, solution: Solution) -> None:
    """Write a solution to a folder: weights as safetensors, the rest as JSON; each file appears whole.

    Where the model is layers and laws alone, without walls, liftings or subdomains, the JSON rebuilds it,
    and `physmix-check` judges the folder.
    """
    trace = solution.trace
    kept = {
        **{name: dict(getattr(solution, name)) for name in _NUMBERS},
        **{name: getattr(trace, name) for name in _WORDS},
        "ended": trace.ended,
        "steps": [[getattr(step, name) for name in _STEP] for step in trace.steps],
    }
    save_checkpoint(folder, solution.model, {**_described(solution), "solution": kept})


def _described(solution: Solution) -> dict[str, Any]:
    """What rebuilds the model, if plain words can say it."""
    model, equations = solution.model, solution.problem.equations
    parts = list(model.network) if isinstance(model.network, nn.Sequential) else []
    layers, between = parts[::2], {type(part) for part in parts[1::2]}
    plain = all(type(layer) is nn.Linear and layer.bias is not None for layer in layers)
    if not parts or not plain or len(between) != 1 or not between <= ACTIVATIONS.keys():
        return {}
    (activation,) = (ACTIVATIONS[kind] for kind in between)
    widths = [layers[0].in_features, *(layer.out_features for layer in layers)]
    laws = {
        "laws": dict(equations.laws),
        "coordinates": list(model.coordinates),
        "vectors": list(equations.vectors),
        "tensors": list(equations.tensors),
    }
    activated = len(parts) % 2 == 0
    return {
        "model": {"name": "layers", "widths": widths, "activation": activation, "activated": activated},
        "laws": laws,
        "judged": laws,
        "coordinates": list(model.coordinates),
        "fields": list(model.fields),
        "box": {name: list(ends) for name, ends in solution.problem.region.box.items()},
        "size": dict(equations.sizes),
        "mean": {},
    }


def load_solution(folder: Path, problem: Problem, model: PotentialModel) -> Solution:
    """The solution of a problem from a folder.

    Args:
        folder: where `save_solution` put it.
        problem: as it was solved; equations and conditions are functions, which no file holds.
        model: made as it was for the solve, by `feature_model` or `network_model`; takes the weights.

    Raises:
        CheckpointError: if the folder does not hold a solution, or the weights do not fit the model.
    """
    kept: Any = read_description(folder).get("solution")
    if not _whole(kept) or set(kept["unknowns"]) != set(problem.unknowns):
        remedy = "give a folder that save_solution wrote, and the problem that was solved"
        raise CheckpointError(folder / "model.json", "does not hold a solution of this problem", remedy)
    load_weights(folder, model)
    steps = [Step(*map(float, numbers)) for numbers in kept["steps"]]
    trace = Trace(steps, kept["reason"], kept["solver"], kept["ended"])
    unknowns, residuals, fresh, balance = (kept[name] for name in _NUMBERS)
    return Solution(problem, model, unknowns, trace, residuals, fresh, balance)


def remembered(
    folder: Path | None,
    problem: Problem,
    make: Callable[[], PotentialModel],
    find: Callable[[Path | None], Solution],
) -> Solution:
    """The solution that a folder keeps, or else a new one, which the folder keeps from then on.

    Args:
        folder: of its own; nothing is kept without one.
        problem: see `load_solution`.
        make: the model, as it was made for the solve.
        find: a solution, given the file that keeps the solver at work.

    Raises:
        CheckpointError: see `load_solution`.
    """
    if folder is None:
        return find(None)
    if (folder / "model.json").exists():  # which is written last
        return load_solution(folder, problem, make())
    solver = folder / "solver.safetensors"
    found = find(solver)
    save_solution(folder, found)
    solver.unlink(missing_ok=True)
    return found


def _whole(kept: Any) -> bool:
    """Whether what a file says has the parts and types of a solution."""
    if not isinstance(kept, Mapping) or not isinstance(kept.get("steps"), list):
        return False
    return (
        all(isinstance(kept.get(name), str) for name in _WORDS)
        and isinstance(kept.get("ended"), bool)
        and all(isinstance(kept.get(name), dict) and _numeric(kept[name].values()) for name in _NUMBERS)
        and all(isinstance(row, list) and len(row) == len(_STEP) and _numeric(row) for row in kept["steps"])
    )


def _numeric(values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
