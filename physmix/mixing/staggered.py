"""Lawful fields on staggered grids: potentials at several places, each mixed into what it can reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.constraints import Rows
from physmix.errors import SettingsError, ShapeError, listing
from physmix.grids import Mask, Place, StaggeredGrid
from physmix.laws import Law, WallRule, compile_laws, wall_bias
from physmix.mixing.classes import staggered_classes
from physmix.mixing.held import averaged, joined
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.precision import in_full_precision
from physmix.mixing.walled import shared_out
from physmix.operators import Operators

_LAWFUL = 1e-10  # how much a lifting may miss a law, of the size of its terms


class StaggeredLayer(nn.Module):
    """Potentials on a staggered grid in, lawful fields out: a mixing layer over its differences.

        faces = {"ux": (1, 0), "uy": (0, 1)}
        held = {name: grid.walls(place) for name, place in faces.items()}
        layer = StaggeredLayer(grid, laws, faces, Operators.derivatives("xy", 1), 8, held=held)
        flow = layer(network(state))  # {"ux": (batch, nx + 1, ny), "uy": (batch, nx, ny + 1)}

    The potentials are shared out among the classes. The bias is the mean flow, of fields that are held
    nowhere.

    Walls and obstacles are values that are held: there a field equals the lifting, exactly. What flows
    past an obstacle on either side is learnt, see `physmix.mixing.held`. Where bodies stand in a domain
    that is periodic in all directions, the mean flow past them is that of the lifting.

    Args:
        grid: of all fields and potentials.
        laws: to hold together, in the differences of the grid.
        fields: the output channels in order, and where each lives.
        operators: what is applied to each potential.
        potentials: their number.
        held: true where a field equals the lifting, by name, of the shape of the field; see
            `StaggeredGrid.walls`.
        lifting: lawful fields that are added, such as `nearest_lawful` makes of given values on the
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
        self.claim = self.mixing.claim

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
                raise SettingsError("the lifting", problem, "make it lawful with nearest_lawful")

    @in_full_precision
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
