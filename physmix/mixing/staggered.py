"""Lawful fields on staggered grids: potentials at several places, each mixed into what it can reach.

Differences lead from the place of a potential to the places of some fields, so the lawful weights
split into one class for each place, like a polynomial into its even and its odd part; together the
classes have as many free weights as a grid with all fields at one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.constraints import LinearSet, Rows
from physmix.errors import NoFreedomError, SettingsError, ShapeError, UnsupportedLawError, listing
from physmix.grids import Mask, Place, StaggeredGrid, check_operators
from physmix.laws import Entry, Law, WallRule, compile_laws, wall_bias
from physmix.mixing.held import averaged, joined
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.walled import shared_out
from physmix.operators import Operators

_LAWFUL = 1e-10  # how much a lifting may miss a law, of the size of its terms


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


class StaggeredLayer(nn.Module):
    """Potentials on a staggered grid in, lawful fields out: a mixing layer over its differences.

        faces = {"ux": (1, 0), "uy": (0, 1)}
        held = {name: grid.walls(place) for name, place in faces.items()}
        layer = StaggeredLayer(grid, laws, faces, Operators.derivatives("xy", 1), 8, held=held)
        flow = layer(network(state))  # {"ux": (batch, nx + 1, ny), "uy": (batch, nx, ny + 1)}

    The potentials are shared out among the classes. The bias is the mean flow, of fields that are held
    nowhere.

    Walls and obstacles are values that are held: there a field equals the lifting, exactly. What flows
    past an obstacle on either side is learnt, see `physmix.mixing.held`.

    Args:
        grid: of all fields and potentials.
        laws: to hold together, in the differences of the grid.
        fields: the output channels in order, and where each lives.
        operators: what is applied to each potential.
        potentials: their number.
        held: true where a field equals the lifting, by name, of the shape of the field; see
            `StaggeredGrid.walls`.
        lifting: lawful fields that are added, such as `reconcile` makes of given values on the
            boundary; zero if omitted.
        gain: size of the initial outputs for potentials with differences of size one.
        generator: source of the initial weights.

    Attributes:
        places: where each potential lives.
        extent: (*grid), the values of a potential along each coordinate that `forward` takes.
        mixing: the layer that an optimiser trains, through `projected`.

    Raises:
        SettingsError: if there are fewer potentials than classes, places do not fit, or the lifting is
            not lawful.
        ShapeError: if `held` or the lifting has not the shape of the fields.
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
        held: Mapping[str, Mask] | None = None,
        lifting: Mapping[str, Tensor] | None = None,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.fields, laws = grid, dict(fields), tuple(laws)
        self.classes = staggered_classes(laws, fields, operators, grid)
        self.counts = shared_out(potentials, [str(one.place) for one in self.classes])
        counted = list(zip(self.classes, self.counts, strict=True))
        self.places = tuple(one.place for one, count in counted for _ in range(count))
        self.extent = tuple(map(max, zip(*(grid.shape(one.place) for one in self.classes), strict=True)))
        held, lifting = dict(held or {}), dict(lifting or {})
        self._check_given(held, lifting, laws)
        for number, one in enumerate(self.classes):
            parts = joined(grid, one.place, one.entries, held) if held else None
            self.register_buffer(f"parts_{number}", parts, persistent=False)
        for name in self.fields:
            self.register_buffer(f"lifting_{name}", lifting.get(name), persistent=False)
        constraint = compile_laws(laws, list(fields), operators)
        if still := tuple(name for name in fields if name in held and bool(held[name].any())):
            constraint = replace(constraint, bias=wall_bias(constraint, [WallRule(fields=still)]))
        rows = Rows([(one.weights, count) for one, count in counted])
        self.mixing = LawfulLayer(constraint, potentials, gain=gain, generator=generator, rows=rows)

    def _check_given(
        self, held: Mapping[str, Tensor], lifting: Mapping[str, Tensor], laws: Iterable[Law]
    ) -> None:
        if unknown := [name for name in (*held, *lifting) if name not in self.fields]:
            known = f"the fields are {listing(self.fields)}"
            raise SettingsError("a staggered layer", f"it has no {listing(unknown)}", known)
        for name, given in (*held.items(), *lifting.items()):
            if tuple(given.shape) != self.grid.shape(self.fields[name]):
                expected = f"({listing(self.grid.shape(self.fields[name]))})"
                raise ShapeError(f"what is given of {name}", given.shape, expected)
        if not lifting:
            return
        whole = {
            name: lifting.get(name, torch.zeros(self.grid.shape(place)))[None].double()
            for name, place in self.fields.items()
        }
        for law in laws:
            terms = torch.stack(self.grid.terms(whole, self.fields, law.terms))
            missed, size = terms.sum(0).abs().max(), terms.abs().sum(0).max()
            if not law.integral and missed > _LAWFUL * size:
                problem = f"it misses the law {law.name} by {float(missed / size):.1e} of its terms"
                raise SettingsError("the lifting", problem, "make it lawful with reconcile")

    def forward(self, potentials: Float[Tensor, "batch *grid potential"]) -> dict[str, Tensor]:
        """The fields by name, each of shape (batch, *grid.shape(place)).

        Args:
            potentials: of `extent`. Each has the values of its place; where these are fewer, the last
                ones along a coordinate are left out.

        Raises:
            ShapeError: if the potentials are not on the grid, or of another number.
        """
        expected = (*self.extent, len(self.places))
        if tuple(potentials.shape[1:]) != expected:
            raise ShapeError("the potentials", potentials.shape, f"(batch, {listing(expected)})")
        mixing = self.mixing
        monomials = mixing.constraint.operators.monomials
        weights = mixing.weight.view(-1, len(self.fields), len(monomials)).split(self.counts)
        found: dict[str, Tensor] = dict(zip(self.fields, mixing.bias, strict=True))
        channels = potentials.split(self.counts, -1)
        for number, (one, weight) in enumerate(zip(self.classes, weights, strict=True)):
            part = self._placed(number, channels[number])
            for field, name in enumerate(self.fields):
                for operator, monomial in enumerate(monomials):
                    if (name, monomial) in one.entries:
                        out = self.grid.apply(part, one.place, monomial) @ weight[:, field, operator]
                        found[name] = found[name] + out
        for name, place in self.fields.items():
            if (lifting := getattr(self, f"lifting_{name}")) is not None:
                found[name] = found[name] + lifting.to(potentials)
            found[name] = found[name].expand(len(potentials), *self.grid.shape(place))
        return found

    def _placed(self, number: int, potential: Tensor) -> Tensor:
        """The potentials of a class: the values of its place, as the walls leave them."""
        for dimension, size in enumerate(self.grid.shape(self.classes[number].place)):
            potential = potential.narrow(dimension + 1, 0, size)
        parts = getattr(self, f"parts_{number}")
        return potential if parts is None else averaged(potential, parts)
