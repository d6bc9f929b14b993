"""Time marching: a problem solved window by window, each from where the last one ended."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.mixing import PotentialModel
from physmix.mixing.derivatives import Entry
from physmix.problems import Condition, Measured, Part, Pin, Problem, Region, State, feature_model
from physmix.problems.terms import Given
from physmix.training.solution import Solution, solve
from physmix.training.totals import carry_totals, conserved, density_total, given_total, outflow
from physmix.training.trace import Step


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
    steps: int | tuple[int, int] = 20,
    guess: Mapping[str, Given] | None = None,
    ahead: int = 0,
    progress: Callable[[int, Step], None] | None = None,
    state: Path | None = None,
    **features: Any,
) -> March:
    """Solve a problem window by window; each starts at the fields, and with the weights, of the last one.

    The totals of what laws conserve are made those of the start, and carried from window to window.

    Args:
        problem: with a condition at the start; numbers of points are those of each window.
        windows: how many of equal length, or the times where they meet.
        steps: at most, in each window; or in the first one, and in those after it.
        guess: fields to start from in the first window, see `fit_fields`.
        ahead: the degree of the polynomial in the window's number along which weights are carried into the
            next window, as far as there are as many windows before it. Of a smooth flow in windows of one
            length 2 saves a step in each.
        progress: called with the window's number and each step.
        state: a folder that keeps the state of each window; a march that was stopped goes on from there.
        features: of `feature_model`; subdomains along time are those of each window.

    Raises:
        SettingsError: if there is no time, no condition at the start, an unknown number or data, or times
            do not increase.
    """
    region = problem.region
    measured = any(isinstance(one, Measured) for one in problem.conditions)
    if "t" not in region.box or problem.unknowns or measured:
        what = "it has unknown numbers or data" if problem.unknowns or measured else "it has no time"
        raise SettingsError("marching", what, "use solve, or infer")
    if not any(_at_start(one) for one in problem.conditions):
        raise SettingsError("marching", "nothing is given at the start", "add Condition(region.start, {...})")
    low, high = region.box["t"]
    times = (
        torch.linspace(low, high, windows + 1, dtype=torch.float64).tolist()
        if isinstance(windows, int)
        else [low, *windows, high]
    )
    first, rest = (steps, steps) if isinstance(steps, int) else steps
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
            _carry_weights(model, [one.model for one in found[-ahead - 1 :]])

        def told(step: Step, number: int = number) -> None:
            if progress:
                progress(number, step)

        made = {} if found else {"guess": guess, **features}
        file = state / f"window_{number}.safetensors" if state else None
        found.append(solve(window, model, steps=rest if found else first, progress=told, state=file, **made))
        carry_totals(found[-1], _given_at_start(window))
    return March(problem, tuple(found))


def _carry_weights(model: PotentialModel, before: Sequence[PotentialModel]) -> None:
    """The weights that a polynomial through those of the windows before has in the next one."""
    count = len(before)
    factors = [(-1) ** (count - 1 - i) * math.comb(count, i) for i in range(count)]  # they sum to one
    with torch.no_grad():
        for own, others in (
            (model.mixing.weight, [one.mixing.weight for one in before]),
            (model.mixing.bias, [one.mixing.bias for one in before]),
        ):
            own.copy_(sum(f * other for f, other in zip(factors, others, strict=True)))


def _at_start(condition: object) -> bool:
    if not isinstance(condition, Condition) or isinstance(condition.where, Tensor):
        return False
    parts = [condition.where] if isinstance(condition.where, Part) else condition.where
    return any(part.name == "t=low" for part in parts)


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
        elif _at_start(one) and last is not None:
            values = {name: _end_of(last, name) for name in one.values}
            conditions.append(replace(one, where=region.start, values=values))
        else:
            parts = [one.where] if isinstance(one.where, Part) else one.where
            conditions.append(replace(one, where=[region.part(part.name) for part in parts]))
    return replace(problem, region=region, conditions=conditions)


def _end_of(last: Solution, name: str) -> Callable[[Tensor], Tensor]:
    return lambda points: last.at(points)[name]
