"""Inverse problems: unknown numbers and hidden fields from measurements, with their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from physmix.errors import SettingsError
from physmix.mixing import PotentialModel
from physmix.problems import DataTerm, Problem, Residuals, feature_model
from physmix.training.gauss_newton import solve_last_layer
from physmix.training.posterior import Posterior
from physmix.training.solution import Solution
from physmix.training.trace import Step, Trace

_LADDER = (0.3, 1.0, 3.0, 10.0, 30.0)  # of exactness
_FIRST = 0.05  # deviation of noise that is not known, over that of the values
_SMALLEST, _LARGEST = 1e-100, 1e100  # of deviations, whose squares are numbers
_ROUNDS = 10  # of estimates of the noise; each changes the last by far less
_CONVERGED = 1e-2  # of the sum of squares, in units of variance: 0.1 standard errors


@dataclass(frozen=True)
class Inference:
    """What measurements say.

    Attributes:
        solution: the most probable.
        posterior: how far from it the truth may be.
        deviations: of the noise, by measured term, over those that were given; absolute where none were.
        exactness: of the equations, see `Residuals.balanced`.
        tolerances: by term, the root mean square of a residual of equations or conditions, in its own
            units, that counts as much as one measurement that is off by its deviation.
        misfit: the sum of squares over the number of measurements, about 1 if all is as was said.
        spread: of the misfit, one standard deviation.
    """

    solution: Solution
    posterior: Posterior
    deviations: Mapping[str, float]
    exactness: float
    tolerances: Mapping[str, float]
    misfit: float
    spread: float

    @property
    def verdict(self) -> str:
        """Whether data, noise and equations fit together, in words."""
        if self.misfit > 1 + 4 * self.spread:
            return (
                f"the misfit is {self.misfit:.2f} where 1 is expected: the noise is larger than was said, "
                "the equations do not hold, or the features are too few; give more features, or a lower "
                "exactness, and see whether it falls"
            )
        if self.misfit < 1 - 4 * self.spread:
            return (
                f"the misfit is {self.misfit:.2f} where 1 is expected: the noise is smaller than was said, "
                "or exactness is so low that fields follow the noise"
            )
        return f"data, noise and equations fit together: the misfit is {self.misfit:.2f}"


def infer(
    problem: Problem,
    model: PotentialModel | None = None,
    *,
    exactness: float | None = None,
    steps: int = 30,
    progress: Callable[[Step], None] | None = None,
    **features: object,
) -> Inference:
    """Unknown numbers and fields from measurements of a problem, by Gauss-Newton, with standard errors.

    The sum of squares is minus twice the log of a probability: measurements count in units of their
    deviations, equations and other conditions as if each mode of their residuals were normal with
    the `tolerances` that follow from `exactness`. They should be so low that the equations are exact for
    the data, and not so low that the features, which obey them approximately, cannot follow the data. So
    exactness is raised step by step, each fit the start of the next, for as long as the misfit stays within
    one standard deviation of one, or of the first where that is larger.

    Noise that is not given is estimated for each field as its sum of squares over n - (degrees of freedom
    used), see `Posterior.used`, until it stays (iterated maximum likelihood of variance components;
    MacKay, Neural Computation 4, 1992, equation 4.9, with the trace in place of gamma).

    Args:
        problem: with `Measured` among its conditions.
        model: see `solve`.
        exactness: see `Residuals.balanced`; raised as far as the data allow where omitted.
        steps: at most, of each fit.
        progress: called after each step.
        features: of `feature_model`.

    Raises:
        SettingsError: if nothing is measured, or exactness is not positive, or the noise cannot be
            estimated since there are too few measurements, or they do not vary.
        UnsupportedLawError, NoFreedomError: see `PotentialModel`.
    """
    if exactness is not None and not (math.isfinite(exactness) and exactness > 0):
        raise SettingsError(
            "an inference", f"exactness={exactness}", "give a positive number, or leave it out"
        )
    start = model is None
    model = feature_model(problem, **features) if model is None else model  # type: ignore[arg-type]
    residuals = Residuals(problem, model)
    data = {i: term for i, term in enumerate(residuals.terms) if isinstance(term, DataTerm)}
    if not data:
        raise SettingsError("an inference", "the problem has no measurements", "give it Measured(...)")
    if start:
        residuals.layout.set(torch.zeros(residuals.layout.count, dtype=torch.float64))
    for i, term in data.items():
        if term.estimated:
            residuals.balance[i] = 1 / (_FIRST * _spread(term)) ** 2
    ladder = _LADDER if exactness is None else (exactness,)
    residuals.balanced(min(ladder))
    solve_last_layer(residuals, steps=steps, least=1.0, progress=progress)
    count, most, best = sum(len(term.points) for term in data.values()), math.inf, None
    for exact in ladder:
        residuals.balanced(exact)
        trace = solve_last_layer(residuals, steps=steps, least=_CONVERGED, progress=progress)
        misfit = residuals.loss() / count
        if best is not None and misfit > most:
            break
        most = min(most, max(1.0, misfit) + math.sqrt(2 / count))
        trace, posterior = _noise_estimated(residuals, data, exact, steps, trace, progress)
        coordinates, numbers = residuals.layout.coordinates(), dict(residuals.unknowns)
        best = exact, coordinates, numbers, list(residuals.balance), trace, posterior
    assert best is not None
    exact, coordinates, residuals.unknowns, residuals.balance, trace, posterior = best
    residuals.layout.set(coordinates)
    fresh = Residuals(problem.elsewhere(), model)
    fresh.unknowns = residuals.unknowns
    solution = Solution(problem, model, residuals.unknowns, trace, residuals.sizes(), fresh.sizes())
    others = [i for i in range(len(residuals.terms)) if i not in data]
    return Inference(
        solution,
        posterior,
        {term.name: residuals.balance[i] ** -0.5 for i, term in data.items()},
        exact,
        {residuals.terms[i].name: (residuals.terms[i].weight * residuals.balance[i]) ** -0.5 for i in others},
        residuals.loss() / count,
        math.sqrt(2 / count),
    )


def _spread(term: DataTerm) -> float:
    """The deviation of what was measured, which a first guess of its noise is a share of."""
    spread = float(term.known["measured"].std(correction=0))
    if not spread > 0:
        problem = f"all {len(term.points)} measurements of {term.name} are the same number"
        raise SettingsError("the noise", problem, "give its deviation, or a Condition in their place")
    if not _SMALLEST < spread < _LARGEST:
        problem = f"measurements of {term.name} vary by {spread:.3g}, whose square is not a number here"
        raise SettingsError("the noise", problem, "give them in other units")
    return spread


def _noise_estimated(
    residuals: Residuals,
    data: Mapping[int, DataTerm],
    exactness: float,
    steps: int,
    trace: Trace,
    progress: Callable[[Step], None] | None,
) -> tuple[Trace, Posterior]:
    """The fit with noise that is not given estimated from it, in turn until both stay."""
    posterior = Posterior(residuals)
    for _ in range(_ROUNDS):
        if not _estimated(residuals, data, posterior):
            break
        residuals.balanced(exactness)
        trace = solve_last_layer(residuals, steps=steps, least=_CONVERGED, progress=progress)
        freedom, posterior = posterior.freedom, Posterior(residuals)
        posterior.freedom = freedom
    return trace, posterior


def _estimated(residuals: Residuals, data: Mapping[int, DataTerm], posterior: Posterior) -> bool:
    """Estimate noise that is not given; whether that changes it."""
    wanted = {i: term for i, term in data.items() if term.estimated}
    if not wanted:
        return False
    used, sizes = posterior.used(), residuals.sizes()
    changed, free = False, math.inf
    for i, term in wanted.items():
        left = len(term.points) - used[i]
        if left < 1:
            problem = f"{len(term.points)} measurements of {term.name} all serve to fit it"
            raise SettingsError("the noise", problem, "give its deviation, or fewer features")
        (name,) = residuals.names[i]
        variance = sizes[f"{term.name}: {name}"] ** 2 * len(term.points) / left
        if not variance > 0:
            problem = f"{term.name} is fitted without any error"
            raise SettingsError("the noise", problem, "give its deviation")
        changed = changed or abs(variance * residuals.balance[i] - 1) > 0.01
        residuals.balance[i] = 1 / variance
        free = min(free, left)
    posterior.freedom = free
    return changed
