"""The nearest lawful field within bounds: Newton steps on the dual, each solved by conjugate gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from physmix.errors import ProjectionError, SettingsError
from physmix.grids import PeriodicGrid
from physmix.laws import Law
from physmix.reconciliation.projection import Fields, LawfulFields

_STEPS, _INNER, _SETTLED = 60, 400, 1e-14


def reconcile(
    fields: Fields,
    names: Sequence[str],
    laws: Iterable[Law],
    grid: PeriodicGrid,
    *,
    weights: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Fields:
    """The lawful fields nearest to given ones: min sum of weight * |y - y0|^2 under laws and bounds.

    Without bounds this is one projection. With them y = clip(y0 - v), where v is orthogonal to the
    lawful fields, and the v that makes y lawful is found by semismooth Newton steps (Qi & Sun 2006,
    "A quadratically convergent Newton method for computing the nearest correlation matrix", the same
    on another set). y is within the bounds exactly, and lawful to round-off.

    Args:
        fields: (trajectory, time, *grid, field), measured or simulated.
        names: of the fields.
        laws: see `LawfulFields`.
        grid: periodic, with the operators in which the laws are to hold.
        weights: of each field, by name.
        bounds: lowest and highest value of fields, by name, such as {"rho": (0, inf)}.

    Raises:
        UnknownFieldError, UnsupportedLawError, ContradictionError, ShapeError: see `LawfulFields`.
        SettingsError: if a field is not finite, or a bound is none.
        ProjectionError: if no lawful field is within the bounds, or none is found.
    """
    lawful = LawfulFields(laws, names, grid, weights)
    if not bool(fields.isfinite().all()):
        raise SettingsError("the fields", "some numbers are not finite", "leave these states out")
    nearest = lawful.project(fields)
    if not bounds:
        return nearest
    low, high = _limits(bounds, names, lawful.scale)
    start = fields.double() * lawful.scale
    taken = start - nearest * lawful.scale
    size = max(float(start.abs().max()), 1e-300)
    best = _missed(lawful, start, taken, low, high)
    for _ in range(_STEPS):
        off, inside = best
        left = float(off.abs().max())
        if left <= _SETTLED * size:
            break
        step, share = _solve(lawful, off, inside), 1.0
        while True:
            trial = _missed(lawful, start, taken + share * step, low, high)
            if float(trial[0].square().sum()) < (1 - 1e-4 * share) * float(off.square().sum()):
                taken, best = taken + share * step, trial
                break
            share /= 2
            if share < 1e-6:
                return _finished(start, taken, low, high, lawful, left / size)
    return _finished(start, taken, low, high, lawful, float(best[0].abs().max()) / size)


def _limits(
    bounds: Mapping[str, tuple[float, float]], names: Sequence[str], scale: Tensor
) -> tuple[Tensor, Tensor]:
    unknown = [name for name in bounds if name not in names]
    wrong = [name for name, (low, high) in bounds.items() if not low <= high]
    if unknown or wrong:
        problem = f"{(unknown + wrong)[0]} has none that can be met"
        raise SettingsError("the bounds", problem, "give (lowest, highest) of a field")
    pairs = [bounds.get(name, (-torch.inf, torch.inf)) for name in names]
    limits = torch.tensor(pairs, dtype=torch.float64) * scale[:, None]
    return limits[:, 0], limits[:, 1]


def _missed(
    lawful: LawfulFields, start: Fields, taken: Fields, low: Tensor, high: Tensor
) -> tuple[Fields, Fields]:
    """How far the clipped fields are from lawful ones, and where they are not clipped."""
    free = start - taken
    clipped = free.clamp(low, high)
    return lawful.correction(clipped), (clipped == free).double()


def _solve(lawful: LawfulFields, side: Fields, inside: Fields) -> Fields:
    """Conjugate gradients on P D P step = side, where P is the part that projection takes."""
    step, rest = torch.zeros_like(side), side.clone()
    direction, square = rest.clone(), float(side.square().sum())
    first = square
    for _ in range(_INNER):
        image = lawful.correction(inside * direction, homogeneous=True)
        curvature = float((direction * image).sum())
        if curvature <= 1e-14 * float(direction.square().sum()):
            break  # nothing here is free to move
        length = square / curvature
        step, rest = step + length * direction, rest - length * image
        before, square = square, float(rest.square().sum())
        if square <= 1e-26 * first:
            break
        direction = rest + (square / before) * direction
    return step


def _finished(
    start: Fields, taken: Fields, low: Tensor, high: Tensor, lawful: LawfulFields, left: float
) -> Fields:
    if left > 1e-12:
        raise ProjectionError(
            f"fields within the bounds stay {left:.1e} away from lawful ones",
            "widen the bounds, or drop a law: they may contradict each other",
        )
    return (start - taken).clamp(low, high) / lawful.scale
