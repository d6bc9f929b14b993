"""Time marching: a problem solved window by window, each from where the last one ended."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.mixing import PotentialModel
from physmix.mixing.derivatives import Entry
from physmix.problems import Condition, Measured, Pin, Points, Problem, State, feature_model
from physmix.problems.terms import Given
from physmix.training.saved import remembered
from physmix.training.solution import Solution, solve
from physmix.training.solved import FromFields
from physmix.training.totals import at_start, carry_totals, given_at_start
from physmix.training.trace import Step


@dataclass(frozen=True)
class March(FromFields):
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
    def unknowns(self) -> Mapping[str, float]:
        """None: problems with unknown numbers do not march."""
        return {}

    @property
    def residuals(self) -> dict[str, float]:
        """The largest root mean square of each residual over the windows."""
        return _largest([one.residuals for one in self.windows])

    @property
    def fresh(self) -> dict[str, float]:
        """The same at points that the solver has not seen."""
        return _largest([one.fresh for one in self.windows])

    @property
    def weighing(self) -> str:
        """How terms were weighed against each other in the first window, in words."""
        return self.windows[0].weighing

    @property
    def limited_by(self) -> str:
        """What limits the error in the window whose residuals are largest, in words."""
        sizes = [max(one.fresh.values(), default=0.0) for one in self.windows]
        worst = sizes.index(max(sizes))
        where = f"window {worst + 1} of {len(sizes)}: " if len(sizes) > 1 else ""
        return f"{where}{self.windows[worst].limited_by}"

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
    balance: bool = True,
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
        balance: see `solve`.
        guess: fields to start from in the first window, see `fit_fields`.
        ahead: the degree of the polynomial in the window's number along which weights are carried into the
            next window, as far as there are as many windows before it. Of a smooth flow in windows of one
            length 2 saves a step in each.
        progress: called with the window's number and each step.
        state: a folder that keeps each window as it is solved, and the solver at work on the next one; a
            march that was stopped goes on from there, to the same numbers.
        features: of `feature_model`; subdomains along time are those of each window.

    Raises:
        SettingsError: if there is no time, no condition at the start, or one that gives no fields, an
            unknown number or data, no window, or times that do not increase.
        CheckpointError: if the folder of the state is not one of this march.
    """
    first, rest = (steps, steps) if isinstance(steps, int) else steps
    found: list[Solution] = []
    for number, ends in enumerate(window_ends(problem, windows)):
        last = found[-1] if found else None
        window = window_of(problem, ends, last)

        def told(step: Step, number: int = number) -> None:
            if progress:
                progress(number, step)

        settings: dict[str, Any] = {"steps": rest if found else first, "balance": balance, "progress": told}
        if last is None:
            settings |= {"guess": guess, **features}
        make = partial(feature_model, window, **features)
        find = partial(_solved, window, make, found[-ahead - 1 :], **settings)
        kept = None if state is None else state / f"window-{number + 1}"
        found.append(remembered(kept, window, make, find))
    return March(problem, tuple(found))


def _solved(
    window: Problem,
    make: Callable[[], PotentialModel],
    before: Sequence[Solution],
    state: Path | None,
    **settings: Any,
) -> Solution:
    """The solution of a window, from the weights of those before it, with the totals of its start."""
    model = None
    if before:
        model = make()
        _carry_weights(model, [one.model for one in before])
    found = solve(window, model, state=state, **settings)
    carry_totals(found, given_at_start(window))
    return found


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


def window_ends(problem: Problem, windows: int | Sequence[float]) -> list[tuple[float, float]]:
    """First and last time of each window.

    Raises:
        SettingsError: see `march`.
    """
    if "t" not in problem.region.box:
        raise SettingsError("marching", "it has no time", "use solve, or give the region a box of t")
    if problem.unknowns or any(isinstance(one, Measured) for one in problem.conditions):
        raise SettingsError("marching", "it has unknown numbers or data", "use solve, or infer")
    if not any(at_start(one) for one in problem.conditions):
        raise SettingsError("marching", "nothing is given at the start", "add a condition at the start")
    if any(at_start(one) and one.residual for one in problem.conditions if isinstance(one, Condition)):
        what = "a residual holds at the start, which says nothing of the start of later windows"
        raise SettingsError("marching", what, "give the fields there, Condition(region.start, {...})")
    if isinstance(problem.points, Points):
        what = "its points are made some at a time, for all windows alike"
        raise SettingsError("marching", what, "give their number in each window, or a sample")
    low, high = problem.region.box["t"]
    if isinstance(windows, int) and windows < 1:
        raise SettingsError("marching", f"windows={windows}", "give a number from 1 up")
    times = (
        torch.linspace(low, high, windows + 1, dtype=torch.float64).tolist()
        if isinstance(windows, int)
        else [low, *map(float, windows), high]
    )
    ends = list(itertools.pairwise(times))
    if not all(a < b for a, b in ends):
        remedy = f"give increasing times between {low:g} and {high:g}"
        raise SettingsError("marching", f"windows meet at {listing(times[1:-1])}", remedy)
    return ends


def _largest(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in parts for name in one)
    return {name: max(one.get(name, 0.0) for one in parts) for name in names}


def window_of(problem: Problem, ends: tuple[float, float], last: Solution | None = None) -> Problem:
    """The problem over a window of time, which starts where the last one ended."""
    region = problem.region.over(t=ends)
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
            parts = [part.name for part in one.parts]
            if last is not None and at_start(one):
                values = {name: _end_of(last, name) for name in one.values}
                conditions.append(replace(one, where=region.start, values=values))
                parts.remove(region.start.name)
            if parts:
                conditions.append(replace(one, where=[region.part(name) for name in parts]))
    return replace(problem, region=region, conditions=conditions)


def _end_of(last: Solution, name: str) -> Callable[[Tensor], Tensor]:
    return lambda points: last.at(points)[name]
