"""Lawful fields on staggered grids: potentials at several places, each mixed into what it can reach.

Differences lead from the place of a potential to the places of some fields, so the lawful weights
split into one class for each place, like a polynomial into its even and its odd part; together the
classes have as many free weights as a grid with all fields at one place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.constraints import LinearSet, Rows
from physmix.errors import NoFreedomError, SettingsError, UnsupportedLawError, listing
from physmix.grids import Place, StaggeredGrid, allowed_entries, moved
from physmix.laws import Law, compile_laws
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.walled import shared_out
from physmix.operators import Operators


@dataclass(frozen=True)
class StaggeredClass:
    """Potentials of one place.

    Attributes:
        place: where they live.
        weights: the lawful weights that lead from there to the places of the fields.
    """

    place: Place
    weights: LinearSet


def staggered_classes(
    laws: Iterable[Law], fields: Mapping[str, Place], operators: Operators
) -> tuple[StaggeredClass, ...]:
    """The places where potentials have lawful weights other than zero, with these weights.

    Args:
        laws: to hold together, in the differences of the grid.
        fields: the output channels in order, and where each lives.
        operators: what is applied to each potential.

    Raises:
        SettingsError: if a place has not a 0 or 1 for each coordinate of the operators.
        UnsupportedLawError: if the terms of a law live at several places, so that they have no sum.
        NoFreedomError: if no place has a weight other than zero.
        UnknownFieldError, ContradictionError: see `compile_laws`.
    """
    laws, found = tuple(laws), []
    dimensions = len(operators.generators)
    places = tuple(itertools.product((0, 1), repeat=dimensions))
    if wrong := [name for name, place in fields.items() if place not in places]:
        remedy = f"give 0 (at points) or 1 (half-way) for each of {listing(operators.generators)}"
        raise SettingsError("the fields", f"the places of {listing(wrong)} do not fit", remedy)
    for place in places:
        allowed = set(allowed_entries(place, fields, operators))
        zeros = [
            {(name, monomial): Fraction(1)}
            for name in fields
            for monomial in operators.monomials
            if (name, monomial) not in allowed
        ]
        try:
            found.append(StaggeredClass(place, compile_laws(laws, list(fields), operators, zeros).weights))
        except NoFreedomError:
            continue  # from here nothing lawful is reached
    for law in laws:
        _check_places(law, fields)
    if not found:
        names = listing(law.name for law in laws)
        raise NoFreedomError(f"the laws {names} on a staggered grid", "drop a law, or raise the order")
    return tuple(found)


def _check_places(law: Law, fields: Mapping[str, Place]) -> None:
    """Refuse a law whose terms cannot be added at one place; totals are added over all places."""
    if law.integral or not law.order:
        places = set() if law.integral else {fields[name] for name in law.fields}
    else:
        places = {moved(fields[name], monomial) for name, monomial in law.terms}
    if len(places) > 1:
        raise UnsupportedLawError(
            law.name,
            f"its terms live at the places {listing(sorted(places))}",
            "choose places of the fields such that all terms live at one",
        )


class StaggeredLayer(nn.Module):
    """Potentials on a staggered grid in, lawful fields out: a mixing layer over its differences.

        faces = {"ux": (1, 0), "uy": (0, 1)}
        layer = StaggeredLayer(grid, laws, faces, Operators.derivatives("xy", 1), 8)

    The potentials are shared out among the classes. The bias is the mean flow.

    Args:
        grid: of all fields and potentials.
        laws: to hold together, in the differences of the grid.
        fields: the output channels in order, and where each lives.
        operators: what is applied to each potential.
        potentials: their number.
        gain: size of the initial outputs for potentials with differences of size one.
        generator: source of the initial weights.

    Attributes:
        places: where each potential lives.
        mixing: the layer that an optimiser trains, through `projected`.

    Raises:
        SettingsError: if there are fewer potentials than classes, or places do not fit.
        UnknownFieldError, UnsupportedLawError, ContradictionError, NoFreedomError: see
            `staggered_classes`.
    """

    def __init__(
        self,
        grid: StaggeredGrid,
        laws: Iterable[Law],
        fields: Mapping[str, Place],
        operators: Operators,
        potentials: int,
        *,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        laws = tuple(laws)
        self.grid = grid
        classes = staggered_classes(laws, fields, operators)
        counts = shared_out(potentials, [str(one.place) for one in classes])
        self.places = tuple(
            one.place for one, count in zip(classes, counts, strict=True) for _ in range(count)
        )
        rows = Rows([(one.weights, count) for one, count in zip(classes, counts, strict=True)])
        constraint = compile_laws(laws, list(fields), operators)
        self.mixing = LawfulLayer(constraint, potentials, gain=gain, generator=generator, rows=rows)
        self.claim = self.mixing.claim

    def forward(
        self, potentials: Float[Tensor, "batch *grid potential"]
    ) -> Float[Tensor, "batch *grid field"]:
        """The fields, each at its place.

        Raises:
            ShapeError: if the potentials are not on the grid, or of another number.
            SettingsError: if the operators are those of other coordinates than the grid's.
        """
        return self.mixing(self.grid.channels(potentials, self.mixing.constraint.operators, self.places))
