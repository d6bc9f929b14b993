"""The nearest lawful field within bounds: Newton steps on the dual, each solved by conjugate gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from physmix.errors import ProjectionError, SettingsError, listing, suggestion
from physmix.grids import Place
from physmix.laws import Law
from physmix.reconciliation.conjugate import conjugate_gradients
from physmix.reconciliation.lawful import Fields, Grid, LawfulFields, Weights

_STEPS, _SETTLED, _NEAR, _DAMPED = 60, 1e-14, 1e-3, 1e-2


def nearest_lawful(
    fields: Fields,
    names: Sequence[str] | Mapping[str, Place],
    laws: Iterable[Law],
    grid: Grid,
    *,
    weights: Weights | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Any:
    """The lawful fields nearest to given ones: min sum of weight * |y - y0|^2 under laws and bounds.

    Without bounds this is one projection. With them y = clip(y0 - v), where v is orthogonal to the
    lawful fields, and the v that makes y lawful is found by semismooth Newton steps (Qi & Sun 2006,
    "A quadratically convergent Newton method for computing the nearest correlation matrix", the same
    on another set). y is within the bounds exactly, and lawful to round-off.

    Args:
        fields: measured or simulated, (trajectory, time, *grid, field); on a staggered grid a mapping
            from names to (batch, *grid.shape(place)). Tensors, or arrays of NumPy.
        names: of the fields; on a staggered grid a mapping from names to places.
        laws: see `LawfulFields`.
        grid: with the operators in which the laws are to hold.
        weights: of each field by name, numbers or by point; inf holds values as they are.
        bounds: lowest and highest value of fields, by name, such as {"rho": (0, inf)}.

    Returns:
        The fields as tensors of float64, one or by name as they were given.

    Raises:
        UnknownFieldError, UnsupportedLawError, ContradictionError, ShapeError: see `LawfulFields`.
        SettingsError: if a field is not finite, a bound is none, or values that are held do not balance.
        ProjectionError: if no lawful field is within the bounds, or none is found.
    """
    lawful = LawfulFields(laws, names, grid, weights)
    start = lawful.pack(fields)
    if not bool(start.isfinite().all()):
        raise SettingsError("the fields", "some numbers are not finite", "leave these states out")
    nearest = lawful.project(fields)
    if not bounds:
        return nearest
    low, high = _limits(bounds, lawful)
    member, taken = lawful.pack(nearest), start - lawful.pack(nearest)
    unit = _unit(lawful)
    size = max(float((unit * start).abs().max()), 1e-300)

    def dual(taken: Tensor, held: Tensor) -> Tensor:
        """Its gradient is what is missed, so that it falls along Newton's steps from far away as well."""
        change = (held - start).square() / 2
        return (unit**2 * (taken * (member - held) - change)).sum()

    best = _missed(lawful, start - taken, low, high)
    for _ in range(_STEPS):
        off, held, inside = best
        left = float((unit * off).abs().max())
        if left <= _SETTLED * size:
            break
        step, share = _solve(lawful, off, inside, min(_DAMPED, left / size)), 1.0
        value, slope, square = dual(taken, held), (unit**2 * step * off).sum(), (unit * off).square().sum()
        while True:
            trial = _missed(lawful, start - taken - share * step, low, high)
            # Near the end a fall of the dual is lost in round-off, and what is missed tells; far off that
            # misleads.
            nearer = left <= _NEAR * size and (unit * trial[0]).square().sum() < (1 - 1e-4 * share) * square
            if nearer or dual(taken + share * step, trial[1]) < value - 1e-4 * share * slope:
                taken, best = taken + share * step, trial
                break
            share /= 2
            if share < 1e-6:
                return lawful.unpack(_finished(held, left / size))
    return lawful.unpack(_finished(best[1], float((unit * best[0]).abs().max()) / size))


def _limits(bounds: Mapping[str, tuple[float, float]], lawful: LawfulFields) -> tuple[Tensor, Tensor]:
    for name, (lowest, highest) in bounds.items():
        if name not in lawful.names:
            problem = f"there is no field {name!r}{suggestion(name, lawful.names)}"
            raise SettingsError("the bounds", problem, f"the fields are {listing(lawful.names)}")
        if not lowest <= highest:
            problem = f"{name} has none that can be met"
            raise SettingsError("the bounds", problem, "give (lowest, highest) of a field")
    low = lawful.spread({name: pair[0] for name, pair in bounds.items()}, -torch.inf)
    return low, lawful.spread({name: pair[1] for name, pair in bounds.items()}, torch.inf)


def _unit(lawful: LawfulFields) -> Tensor:
    """In what changes are measured; what is held does not change."""
    return torch.where(lawful.weight.isfinite(), lawful.weight, 0.0).sqrt()


def _missed(lawful: LawfulFields, free: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far the clipped fields are from lawful ones, these, and where they are not clipped."""
    clipped = free.clamp(low, high)
    return lawful.correction(clipped), clipped, (clipped == free).double()


def _solve(lawful: LawfulFields, side: Tensor, inside: Tensor, damped: float) -> Tensor:
    """The step with (P D + damped) step = side, in the range of P, which projection takes from fields."""
    weight = _unit(lawful).square()
    side = lawful.correction(side, homogeneous=True)  # its round-off outside of the range would grow
    step, _ = conjugate_gradients(
        lambda part: lawful.correction(inside * part, homogeneous=True) + damped * part,
        side,
        lambda a, b: (weight * a * b).sum(),
        least=1e-14,
    )
    return step


def _finished(found: Tensor, left: float) -> Tensor:
    if left > 1e-12:
        raise ProjectionError(
            f"fields within the bounds stay {left:.1e} away from lawful ones",
            "widen the bounds, or drop a law: they may contradict each other",
        )
    return found
