"""Time marching: a problem solved window by window, each from where the last one ended."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.mixing.derivatives import Entry
from physmix.problems import Condition, Measured, Part, Pin, Points, Problem, Region, State, feature_model
from physmix.problems.terms import Given
from physmix.training.solution import Solution, solve
from physmix.training.totals import carry_totals, conserved, density_total, given_total, outflow
from physmix.training.trace import Step

_START = "t=low"


@dataclass(frozen=True)
class March:
    """Solutions of windows of time that follow each other.

    Laws are exact inside of each window; from one to the next, fields are continuous as far as the
    residual of the start of a window goes, and totals of what laws conserve to round-off.

    Attributes:
        problem: over all of the time.
        windows: one solution each, in their order.
    """

    problem: Problem
    windows: tuple[Solution, ...]

    @property
    def residuals(self) -> dict[str, float]:
        """The largest root mean square of each residual over the windows."""
        names = dict.fromkeys(name for one in self.windows for name in one.residuals)
        return {name: max(one.residuals.get(name, 0.0) for one in self.windows) for name in names}

    def imbalances(self) -> dict[str, float]:
        """For each law of what is conserved and given at the start, how far its total is off at worst.

        That is the total at the end of a window, less what is given at the start, and what has flowed out
        since; over the integrals of the sizes of the density and of its flux through the boundary.
        """
        given = _given_at_start(self.problem)
        found = {}
        for one in conserved(self.problem.laws):
            if one.density not in given:
                continue
            left = given_total(one, given, self.windows[0])
            worst = size = passed = 0.0
            for window in self.windows:
                left -= outflow(one, window)
                passed += outflow(one, window, size=True)
                low, high = window.problem.region.box["t"]
                worst = max(worst, abs(density_total(one, window, high) - left))
                size = max(size, density_total(one, window, low, size=True))
            found[one.law] = worst / (size + passed) if size + passed else worst
        return found

    def at(self, points: Float[Tensor, "point coordinate"]) -> State:
        """Fields and their derivatives at points, as of a `Solution`."""
        names = self.problem.coordinates
        ends = torch.tensor([one.problem.region.box["t"][1] for one in self.windows[:-1]], dtype=points.dtype)
        which = torch.searchsorted(ends, points[:, names.index("t")].contiguous())
        parts = [(which == i).nonzero()[:, 0] for i in range(len(self.windows))]
        states = [one.at(points[some]) for one, some in zip(self.windows, parts, strict=True)]

        def gathered(value: Callable[[State], Tensor]) -> Tensor:
            out = points.new_zeros(len(points))
            for state, some in zip(states, parts, strict=True):
                out[some] = value(state)
            return out

        def lookup(entry: Entry) -> Tensor:
            field, orders = entry
            along = "".join(name * n for name, n in zip(names, orders, strict=True))
            return gathered(lambda state: state.d(field, along))

        known = {name: points[:, i] for i, name in enumerate(names)}
        derived = {name: gathered(itemgetter(name)) for name in self.problem.equations.derived}
        return State(names, self.problem.equations.fields, known | derived, lookup)


def march(
    problem: Problem,
    windows: int | Sequence[float],
    *,
    steps: int = 20,
    guess: Mapping[str, Given] | None = None,
    progress: Callable[[int, Step], None] | None = None,
    **features: Any,
) -> March:
    """Solve a problem window by window; each starts at the fields, and with the weights, of the last one.

    The totals of what laws conserve are made those of the start, and carried from window to window.

    Args:
        problem: with a condition at the start; numbers of points are those of each window.
        windows: how many of equal length, or the times where they meet.
        steps: at most, in each window.
        guess: fields to start from in the first window, see `fit_fields`.
        progress: called with the window's number and each step.
        features: of `feature_model`; subdomains along time are those of each window.

    Raises:
        SettingsError: if there is no time, no condition at the start, or one that gives no fields, an
            unknown number or data, no window, or times that do not increase.
    """
    region = problem.region
    _check_can_march(problem, windows)
    low, high = region.box["t"]
    times = (
        torch.linspace(low, high, windows + 1, dtype=torch.float64).tolist()
        if isinstance(windows, int)
        else [low, *windows, high]
    )
    found: list[Solution] = []
    for number, ends in enumerate(itertools.pairwise(times)):
        if not ends[0] < ends[1]:
            raise SettingsError(
                "marching", f"windows meet at {times}", "give increasing times inside the region"
            )
        window = _window(problem, region.over(t=ends), found[-1] if found else None)
        model = None
        if found:
            model = feature_model(window, **features)
            with torch.no_grad():
                model.mixing.weight.copy_(found[-1].model.mixing.weight)
                model.mixing.bias.copy_(found[-1].model.mixing.bias)

        def told(step: Step, number: int = number) -> None:
            if progress:
                progress(number, step)

        first = {} if found else {"guess": guess, **features}
        found.append(solve(window, model, steps=steps, progress=told, **first))
        carry_totals(found[-1], _given_at_start(window))
    return March(problem, tuple(found))


def _check_can_march(problem: Problem, windows: int | Sequence[float]) -> None:
    region, conditions = problem.region, problem.conditions
    measured = any(isinstance(one, Measured) for one in conditions)
    if "t" not in region.box or problem.unknowns or measured:
        what = "it has unknown numbers or data" if problem.unknowns or measured else "it has no time"
        raise SettingsError("marching", what, "use solve, or infer")
    if not any(_at_start(one) for one in conditions):
        raise SettingsError("marching", "nothing is given at the start", "add Condition(region.start, {...})")
    if any(_at_start(one) and one.residual for one in conditions if isinstance(one, Condition)):
        what = "a residual holds at the start, which says nothing of the start of later windows"
        raise SettingsError("marching", what, "give the fields there, Condition(region.start, {...})")
    if isinstance(problem.points, Points):
        what = "its points are made some at a time, for all windows alike"
        raise SettingsError("marching", what, "give their number in each window, or a sample")
    if isinstance(windows, int) and windows < 1:
        raise SettingsError("marching", f"{windows} windows are asked for", "give one or more")


def _at_start(condition: object) -> bool:
    if not isinstance(condition, Condition) or isinstance(condition.where, Tensor):
        return False
    return _START in _parts_of(condition)


def _parts_of(condition: Condition) -> list[str]:
    assert not isinstance(condition.where, Tensor)
    parts = [condition.where] if isinstance(condition.where, Part) else condition.where
    return [part.name for part in parts]


def _given_at_start(problem: Problem) -> dict[str, Given]:
    """The fields that are given over all of the start."""
    return {
        name: value
        for one in problem.conditions
        if isinstance(one, Condition) and _at_start(one)
        for name, value in one.values.items()
    }


def _window(problem: Problem, region: Region, last: Solution | None) -> Problem:
    """The problem over a window of time."""
    conditions: list[Condition | Measured | Pin] = []
    for one in problem.conditions:
        if not isinstance(one, Condition):
            conditions.append(one)
        elif isinstance(one.where, Tensor):
            when = one.where[:, region.coordinates.index("t")]
            low, high = region.box["t"]
            kept = (when >= low) & (when <= high if high == problem.region.box["t"][1] else when < high)
            if bool(kept.any()):
                conditions.append(replace(one, where=one.where[kept]))
        else:
            parts = _parts_of(one)
            if last is not None and _START in parts:
                values = {name: _end_of(last, name) for name in one.values}
                conditions.append(replace(one, where=region.start, values=values))
                parts = [name for name in parts if name != _START]
            if parts:
                conditions.append(replace(one, where=[region.part(name) for name in parts]))
    return replace(problem, region=region, conditions=conditions)


def _end_of(last: Solution, name: str) -> Callable[[Tensor], Tensor]:
    return lambda points: last.at(points)[name]
