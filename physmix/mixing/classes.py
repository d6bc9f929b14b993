"""Potentials on staggered grids by the places where they live, each with the weights it may have.

Differences lead from the place of a potential to the places of some fields, so the lawful weights
split into one class for each place, like a polynomial into its even and its odd part; together the
classes have as many free weights as a grid with all fields at one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from physmix.constraints import LinearSet
from physmix.errors import NoFreedomError, UnsupportedLawError, listing
from physmix.grids import Place, StaggeredGrid, check_operators
from physmix.laws import Entry, Law, compile_laws
from physmix.operators import Operators


@dataclass(frozen=True)
class StaggeredClass:
    """Potentials of one place.

    Attributes:
        place: where they live.
        weights: the lawful weights that lead from there to the places of the fields.
        entries: the weights that are not always zero.
    """

    place: Place
    weights: LinearSet
    entries: tuple[Entry, ...]


def staggered_classes(
    laws: Iterable[Law], fields: Mapping[str, Place], operators: Operators, grid: StaggeredGrid
) -> tuple[StaggeredClass, ...]:
    """The places where potentials have lawful weights other than zero, with these weights.

    Args:
        laws: to hold together, in the differences of the grid.
        fields: the output channels in order, and where each lives.
        operators: what is applied to each potential.
        grid: of the fields.

    Raises:
        SettingsError: if a place is none of the grid, or the operators are those of other coordinates.
        UnsupportedLawError: if the terms of a law live at several places, so that they have no sum.
        NoFreedomError: if no place has a weight other than zero.
        UnknownFieldError, ContradictionError: see `compile_laws`.
    """
    laws, found = tuple(laws), []
    check_operators(grid.coordinates, operators)
    for place in fields.values():
        grid.shape(place)
    keys = [(name, monomial) for name in fields for monomial in operators.monomials]
    for place in grid.origins(fields.values(), operators):
        allowed = set(grid.allowed_entries(place, fields, operators))
        zeros = [{key: Fraction(1)} for key in keys if key not in allowed]
        try:
            weights = compile_laws(laws, list(fields), operators, zeros).weights
        except NoFreedomError:
            continue  # from here nothing lawful is reached
        used = weights.basis().abs().sum(1) > 0
        entries = tuple(key for key, one in zip(keys, used.tolist(), strict=True) if one)
        found.append(StaggeredClass(place, weights, entries))
    for law in laws:
        _check_places(law, fields, grid)
    if not found:
        names = listing(law.name for law in laws)
        raise NoFreedomError(f"the laws {names} on a staggered grid", "drop a law, or raise the order")
    return tuple(found)


def _check_places(law: Law, fields: Mapping[str, Place], grid: StaggeredGrid) -> None:
    """Refuse a law whose terms cannot be added at one place; totals are added over all places."""
    if law.integral or not law.order:
        places = set() if law.integral else {fields[name] for name in law.fields}
    else:
        places = {grid.moved(fields[name], monomial) for name, monomial in law.terms}
    if len(places) > 1:
        raise UnsupportedLawError(
            law.name,
            f"its terms live at the places {listing(sorted(places))}",
            "choose places of the fields such that all terms live at one",
        )
