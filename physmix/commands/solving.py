"""How a problem is solved: at once, window by window of time, or by inference from measurements.

windows: 4                       of time, equally long, or the times where they meet, [0.1, 0.3]; one where
                                 it is left out and fields are given at the start
guess:   {rho: 1, E: 2.5}        fields to start from, such as those of a gas at rest
balance: false                   the weights of conditions count as they are
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from physmix.commands.notation import Notation
from physmix.commands.registry import call
from physmix.errors import SettingsError, listing
from physmix.problems import Measured, Problem, Residuals, feature_model
from physmix.problems.terms import Given
from physmix.training import (
    Estimate,
    Solution,
    Solved,
    Step,
    forecast,
    infer,
    march,
    solve,
    window_ends,
    window_of,
)
from physmix.training.saved import remembered

_FEWER = 0.9  # waves of a twin along each coordinate


@dataclass(frozen=True)
class Found:
    """A solution, the numbers that were found with it, and what is told of them."""

    solution: Solved
    unknowns: Mapping[str, Estimate]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """How a problem is solved.

    Attributes:
        ends: first and last time of each window; none where all is solved at once.
        measured: whether something is, so that it is an inference.
        guess: fields to start from.
        balance: whether terms are weighed by their sensitivity.
    """

    ends: Sequence[tuple[float, float]]
    measured: bool
    guess: Mapping[str, Given]
    balance: bool

    def cost(self, problem: Problem, features: Mapping[str, Any]) -> str:
        """What a solve will cost, in words."""
        first = window_of(problem, self.ends[0]) if self.ends else problem
        told = str(forecast(Residuals(first, feature_model(first, **features))))
        return told if len(self.ends) < 2 else f"{len(self.ends)} windows of time, in each {told}"

    def find(
        self,
        problem: Problem,
        features: Mapping[str, Any],
        *,
        steps: int,
        state: Path,
        report: Callable[[str], None],
    ) -> Found:
        """Solve a problem.

        Args:
            problem: what is asked.
            features: of `feature_model`.
            steps: at most, in each window.
            state: a folder from which a solve that was stopped goes on; of an inference nothing is kept.
            report: called where a window begins.
        """
        if self.measured:  # so that numbers have errors
            inference = infer(problem, steps=steps, **features)
            return Found(inference.solution, inference.posterior.unknowns, (inference.verdict,))
        settings: dict[str, Any] = {"steps": steps, "balance": self.balance, "guess": self.guess or None}
        if not self.ends:
            make = partial(feature_model, problem, **features)

            def once_from(file: Path | None) -> Solution:
                return solve(problem, **settings, state=file, **features)

            once = remembered(state, problem, make, once_from)
            return Found(once, {k: Estimate(value, math.nan) for k, value in once.unknowns.items()})
        meet, count = [high for _, high in self.ends[:-1]], len(self.ends)
        begun, seen = time.perf_counter(), set[int]()

        def told(window: int, step: Step) -> None:
            del step
            if window not in seen and count > 1:
                report(f"window {window + 1} of {count}, after {time.perf_counter() - begun:.1f} s")
            seen.add(window)

        return Found(march(problem, meet, **settings, progress=told, state=state, **features), {})


def other_features(features: Mapping[str, Any], problem: Problem, seed: int) -> dict[str, Any]:
    """The features of a twin: those of another seed, and in a periodic region fewer and less steep ones.

    There waves are no draw, but all up to a number; so the twin is the worse one, and errors are those of
    what it leaves out.
    """
    other = {**features, "seed": seed}
    if problem.region.around:
        slope = features["slope"]
        steep = [_FEWER * one for one in slope] if isinstance(slope, Sequence) else slope
        other |= {"features": round(_FEWER**2 * features["features"]), "slope": steep}
    return other


def read_way(settings: Mapping[str, Any], problem: Problem, notation: Notation) -> Way:
    """How a problem is to be solved.

    Raises:
        SettingsError: if it cannot be solved so.
    """
    return call(_way, settings, "the problem", problem=problem, notation=notation)


def _way(
    *,
    problem: Problem,
    notation: Notation,
    windows: int | Sequence[float] | None = None,
    guess: Mapping[str, Any] | None = None,
    balance: bool = True,
) -> Way:
    measured = any(isinstance(one, Measured) for one in problem.conditions)
    if measured and (guess or not balance):
        raise SettingsError("the problem", "it has measurements", "leave out guess and balance")
    given = {
        str(name): partial(notation.formula(text).at, coordinates=problem.coordinates)
        for name, text in (guess or {}).items()
    }
    if strange := [name for name in given if name not in problem.equations.fields]:
        known = listing(problem.equations.fields)
        raise SettingsError("the guess", f"there is no field {listing(strange)}", f"the fields are {known}")
    return Way(_ends(problem, windows), measured, given, balance)


def _ends(problem: Problem, windows: int | Sequence[float] | None) -> Sequence[tuple[float, float]]:
    """Those that are asked for; else a single one of a problem that can march, so that totals are carried."""
    if windows is not None:
        return window_ends(problem, windows)
    try:
        return window_ends(problem, 1)
    except SettingsError:  # steady, inverse, or with more at its start than fields: solved at once
        return ()
