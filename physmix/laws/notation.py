"""What the names in the text of a law stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from physmix.errors import SettingsError
from physmix.laws.tokens import in_range, is_long, read_number

TIME = "t"
VECTOR_OPERATORS = ("div", "grad", "curl", "laplacian")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_QUOTIENT = re.compile(r"([+-]?)([\d.]+(?:[eE][+-]?\d+)?)(?:/(\d+))?", re.ASCII)
_MOST_COORDINATES, _LONGEST = 10, 200

Constant = str | int | float | Fraction
"""A number: a decimal or quotient as text, or a Python number; a float counts as its shortest decimal."""


@dataclass(frozen=True)
class Notation:
    """What the names in the text of a law stand for; every other name is a field.

    Attributes:
        coordinates: coordinate x has the operator dx; all but t are those of space.
        ranks: of the fields declared as vectors (1) or symmetric tensors (2).
        constants: the exact value of each named number.
    """

    coordinates: tuple[str, ...]
    ranks: Mapping[str, int]
    constants: Mapping[str, Fraction]

    @classmethod
    def of(
        cls,
        coordinates: Iterable[str],
        vectors: Iterable[str] = (),
        tensors: Iterable[str] = (),
        constants: Mapping[str, Constant] | None = None,
    ) -> Notation:
        """Check the declarations.

        Raises:
            SettingsError: for a name that cannot stand in a law or has two meanings, or a constant
                that is no number between 1e-100 and 1e100 in size.
        """
        coordinates, vectors, tensors = tuple(coordinates), tuple(vectors), tuple(tensors)
        known = dict(constants or {})
        if len(coordinates) > _MOST_COORDINATES:
            raise SettingsError(_WHERE, f"it has {len(coordinates)} coordinates", "give ten at most")
        seen: set[str] = set()
        for name in (*coordinates, *vectors, *tensors, *known):
            _check_name(name, seen)
            seen.add(name)
        for name in coordinates:
            if f"d{name}" in VECTOR_OPERATORS:
                raise SettingsError(_WHERE, f"the operator of {name!r} would be d{name}", "rename it")
        ranks = dict.fromkeys(vectors, 1) | dict.fromkeys(tensors, 2)
        return cls(coordinates, ranks, {name: _value(name, value) for name, value in known.items()})

    @property
    def space(self) -> tuple[int, ...]:
        """The places of the space coordinates."""
        return tuple(i for i, name in enumerate(self.coordinates) if name != TIME)

    @property
    def derivatives(self) -> dict[str, int]:
        """The operator of each coordinate, and its place."""
        return {f"d{name}": i for i, name in enumerate(self.coordinates)}


_WHERE = "the notation of a law"


def _check_name(name: object, seen: set[str]) -> None:
    if not isinstance(name, str) or len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise SettingsError(_WHERE, f"{str(name)[:_LONGEST]!r} is no name", "use letters, digits and _")
    if name in seen:
        raise SettingsError(_WHERE, f"{name!r} is declared twice", "give each name one meaning")


def _value(name: str, value: Constant) -> Fraction:
    """A constant as an exact number."""
    text = repr(value) if isinstance(value, float) else str(value) if _is_plain(value) else ""
    number = None
    if len(text) <= _LONGEST and (match := _QUOTIENT.fullmatch(text)):
        sign, top, bottom = match.groups()
        try:
            number = read_number(top)
        except ValueError:  # two decimal points
            number = None
        if number is not None:
            denominator = int(bottom or 1)
            number = number * (-1 if sign == "-" else 1) / denominator if denominator else None
    if number is None or not in_range(number) or is_long(number):
        remedy = 'give a number between 1e-100 and 1e100 in size, such as "8.8541878128e-12" or "1/3"'
        raise SettingsError(_WHERE, f"the constant {name} is {str(value)[:_LONGEST]!r}", remedy)
    return number


def _is_plain(value: object) -> bool:
    return isinstance(value, str | Fraction | int) and not isinstance(value, bool)
