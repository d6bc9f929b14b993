"""Solving a problem, and what comes out."""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.mixing import PotentialModel
from physmix.mixing.derivatives import DerivativeMap, Entry
from physmix.mixing.support import WeightLayout
from physmix.problems import (
    Problem,
    Residuals,
    State,
    feature_model,
    weighed_in_words,
)
from physmix.problems.state import Asked
from physmix.problems.terms import Given
from physmix.training.fitting import fit_fields
from physmix.training.forecast import forecast
from physmix.training.solved import FromFields
from physmix.training.solvers import Solver, choose
from physmix.training.trace import Step, Trace, drive

_FRESH = 3.0  # times larger at fresh points: the collocation points are too few


@dataclass(frozen=True)
class Solution(FromFields):
    """A solved problem.

    Attributes:
        problem: what was asked.
        model: obeys the laws at every point, whatever its weights.
        unknowns: the numbers that were found, by name.
        trace: of the solver.
        residuals: the root mean square of each at the points of the problem, by "term: residual".
        fresh: the same at points that the solver has not seen.
        balance: how much each term counts by itself, beside its weight; see `Residuals.balanced`.
    """

    problem: Problem
    model: PotentialModel
    unknowns: Mapping[str, float]
    trace: Trace
    residuals: Mapping[str, float]
    fresh: Mapping[str, float]
    balance: Mapping[str, float] = field(default_factory=dict)

    def at(self, points: Float[Tensor, "point coordinate"]) -> State:
        """Fields and their derivatives at points, in physical units: y["ux"], y.d("ux", "xy").

        What follows from the fields, such as a pressure, is known by name as well.
        """
        layout = WeightLayout(self.model)

        @cache
        def lookup(entry: Entry) -> Tensor:
            found = points.new_zeros(len(points))
            derivatives = DerivativeMap(self.model, [entry])
            with torch.no_grad():
                for places, support in layout.supports(points):
                    for some in places.split(4096):
                        channels = derivatives.channels(points[some], support)
                        found[some] = derivatives.values(points[some], support, channels)[0]
            return found

        numbers = {name: points.new_full((len(points),), value) for name, value in self.unknowns.items()}
        places = {name: points[:, i] for i, name in enumerate(self.problem.coordinates)}
        state = State(self.problem.coordinates, self.model.fields, places | numbers, lookup)
        derived = Asked({k: partial(rule, state) for k, rule in self.problem.equations.derived.items()})
        known = ChainMap(places, numbers, derived)  # type: ignore[arg-type]
        return State(self.problem.coordinates, self.model.fields, known, lookup)

    @property
    def windows(self) -> tuple[Solution, ...]:
        """Itself: all was solved at once."""
        return (self,)

    @property
    def weighing(self) -> str:
        """How terms were weighed against each other, in words."""
        return weighed_in_words(self.balance)

    @property
    def limited_by(self) -> str:
        """What limits the error, in words."""
        ratios = {
            name: self.fresh[name] / self.residuals[name] for name in self.residuals if self.residuals[name]
        }
        worst = max(ratios, key=ratios.__getitem__, default="")
        if worst and ratios[worst] > _FRESH:
            return (
                f"the collocation points: {worst} is {ratios[worst]:.1f} times larger at fresh points; "
                "give more points, or fewer features"
            )
        if not self.trace.ended:
            return (
                "the solver: residuals were still falling; give more steps, a better start, or another solver"
            )
        if any(parameter.requires_grad for parameter in self.model.network.parameters()):
            return "the network: residuals are as large at fresh points; give wider layers, or another seed"
        if self.trace.steps and self.trace.steps[-1].damping > 1e-12:
            return "the solver: it was still damped at its last step; give more steps, or a better start"
        return "the features: residuals are as large at fresh points; give more features, or other slopes"


def solve(
    problem: Problem,
    model: PotentialModel | None = None,
    *,
    solver: str | Solver = "auto",
    steps: int | None = None,
    seconds: float = math.inf,
    balance: bool = True,
    guess: Mapping[str, Given] | None = None,
    progress: Callable[[Step], None] | None = None,
    report: Callable[[str], None] | None = None,
    state: Path | None = None,
    **features: object,
) -> Solution:
    """Solve a problem: on frozen random features by Gauss-Newton, or with hidden layers that move.

        solve(problem, features=700)
        solve(problem, network_model(problem, [32, 32]), report=print)

    Args:
        problem: equations, region and conditions.
        model: to start from, such as a `network_model`, or the solution at a lower Reynolds number; its
            weights are changed. Without one it is made by `feature_model`, and starts at zero.
        solver: a name of `SOLVERS`, one of them with its settings, such as SOAP(batch=500), or "auto".
        steps: at most; as many as the solver has by itself if omitted.
        seconds: no step begins later.
        balance: weigh terms by their sensitivity, see `Residuals.balanced`; else by their weights alone.
        guess: fields to start from, by name, such as `Solution.fields`; see `fit_fields`. A gas starts
            with a density.
        progress: called after each step.
        report: called, as is print, with the choice of the solver and its forecast before the solve, and
            with what limited the error after it.
        state: a file that keeps the state of the solver; a solve that was stopped goes on from there.
        features: of `feature_model`, such as features=700, slope=4.0.

    Raises:
        SettingsError: if numbers do not fit, or a residual is not finite.
        UnsupportedLawError, NoFreedomError: see `PotentialModel`.
        MissingPackageError: for a solver whose package is not installed.
        CheckpointError: if the file of the state is not one of this solve.
    """
    start = model is None
    model = feature_model(problem, **features) if model is None else model  # type: ignore[arg-type]
    residuals = Residuals(problem, model)
    if start:
        residuals.layout.set(torch.zeros(residuals.layout.count, dtype=torch.float64))
    if guess:
        fit_fields(problem, model, guess)
    if balance:
        residuals.balanced()
    chosen, why = choose(solver, residuals)
    if report:
        report(why)
        report(str(forecast(residuals, chosen)))
    run = chosen.start(chosen.weights(residuals))
    trace = drive(
        run, chosen.steps if steps is None else steps, seconds=seconds, progress=progress, file=state
    )
    trace.solver = why
    residuals.forget()
    fresh = Residuals(problem.elsewhere(), model)
    fresh.unknowns = residuals.unknowns
    weighed = {term.name: b for term, b in zip(residuals.terms, residuals.balance, strict=True)}
    sizes = residuals.sizes(), fresh.sizes()
    solution = Solution(problem, model, residuals.unknowns, trace, *sizes, weighed)
    if report:
        report(f"stopped: {trace.reason}; the error is limited by {solution.limited_by}")
    return solution
