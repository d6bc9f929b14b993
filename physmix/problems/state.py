"""What a residual sees: fields, their derivatives, coordinates, and unknown numbers, at points."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing, suggestion
from physmix.mixing.derivatives import Entry

Residual = Callable[["State"], Mapping[str, Tensor]]
"""From a state to named residuals, each a function of the state at the same point."""


class Asked(Mapping[str, Tensor]):
    """Values that are made when they are asked for."""

    def __init__(self, rules: Mapping[str, Callable[[], Tensor]]) -> None:
        self._rules = rules

    def __getitem__(self, name: str) -> Tensor:
        return self._rules[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


class State:
    """Fields at points, in physical units.

        def burgers(y):
            return {"momentum": y.d("u", "t") + y["u"] * y.d("u", "x") - nu * y.d("u", "xx")}

    Args:
        coordinates: their names, one letter each.
        fields: their names.
        known: coordinates, unknown numbers, and whatever else has a value at the points, by name.
        lookup: gives an entry, (field, monomial), at the points.
    """

    def __init__(
        self,
        coordinates: Sequence[str],
        fields: Sequence[str],
        known: Mapping[str, Tensor],
        lookup: Callable[[Entry], Tensor],
    ) -> None:
        self.coordinates, self.fields = tuple(coordinates), tuple(fields)
        self._known, self._lookup = known, lookup

    def __getitem__(self, name: str) -> Float[Tensor, " point"]:
        """The values of a field, a coordinate, or an unknown number.

        Raises:
            SettingsError: if there is none of this name.
        """
        return self._known[name] if name in self._known else self.d(name, "")

    def d(self, field: str, along: str) -> Float[Tensor, " point"]:
        """A derivative of a field: d("u", "xxy") is d3 u / dx2 dy.

        Raises:
            SettingsError: if there is no such field or coordinate.
        """
        if field not in self.fields:
            known = (*self.fields, *self._known)
            raise SettingsError(
                "a residual",
                f"there is no {field!r}{suggestion(field, known)}",
                f"choose from {listing(known)}",
            )
        if strange := [name for name in along if name not in self.coordinates]:
            problem = f"{field!r} has no derivative along {listing(strange)}"
            raise SettingsError("a residual", problem, f"the coordinates are {listing(self.coordinates)}")
        return self._lookup((field, tuple(along.count(name) for name in self.coordinates)))

    def with_known(self, known: Mapping[str, Tensor]) -> State:
        """The same state, with more numbers at its points."""
        chained = ChainMap(dict(known), self._known)  # type: ignore[arg-type]
        return State(self.coordinates, self.fields, chained, self._lookup)

    def laplacian(self, field: str) -> Float[Tensor, " point"]:
        """The sum of the second derivatives in space: all coordinates but t."""
        return sum((self.d(field, 2 * name) for name in space(self.coordinates)), start=torch.zeros(()))


def space(coordinates: Sequence[str]) -> tuple[str, ...]:
    """All coordinates but time."""
    return tuple(name for name in coordinates if name != "t")


def entries_of(
    residual: Residual, coordinates: Sequence[str], fields: Sequence[str], known: Sequence[str]
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The derivatives that a residual asks for, and the names of what it returns; found by calling it.

    Raises:
        SettingsError: if it returns something else than tensors by name, one number a point.
    """
    asked: dict[Entry, Tensor] = {}
    generator = torch.Generator().manual_seed(0)

    def number() -> Tensor:
        return 0.5 + torch.rand(2, generator=generator, dtype=torch.float64)

    def lookup(entry: Entry) -> Tensor:
        return asked.setdefault(entry, number())

    found = residual(State(coordinates, fields, {name: number() for name in known}, lookup))
    if not isinstance(found, Mapping) or not found:
        raise SettingsError(
            "a residual", f"it returns {type(found).__name__}", "return a dict of tensors by name"
        )
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.shape != (2,):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise SettingsError(
                "a residual", f"{name!r} is {got} at 2 points", "return one number for each point"
            )
    return tuple(asked), tuple(found)
