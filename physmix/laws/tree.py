"""The tree of a law: fields, operators, sums and single numbers, each with its column in the text."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Number:
    """A number; zero is the zero of any rank."""

    value: Fraction
    column: int


@dataclass(frozen=True)
class Field:
    """A field by name: a scalar, a vector or a tensor."""

    name: str
    column: int


@dataclass(frozen=True)
class Applied:
    """An operator applied to what stands in its brackets."""

    operator: str
    inner: Node
    column: int


@dataclass(frozen=True)
class Sum:
    """Summands, each with its factor."""

    parts: tuple[tuple[Fraction, Node], ...]
    column: int


Node = Number | Field | Applied | Sum


@dataclass(frozen=True)
class Equation:
    """tree = 0, or the integral of tree stays constant."""

    tree: Sum
    integral: bool
