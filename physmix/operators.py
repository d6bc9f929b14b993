"""Commuting operators by name: the alphabet that laws, jets and grids share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Monomial = tuple[int, ...]
"""Exponents, one per generator: (1, 0, 2) over (t, x, y) is d/dt d2/dy2."""


def monomials(generators: int, degree: int) -> tuple[Monomial, ...]:
    """All monomials of exactly this total degree, (degree, 0, ...) first."""
    if generators == 0:
        return ((),) if degree == 0 else ()
    return tuple(
        (first, *rest)
        for first in range(degree, -1, -1)
        for rest in monomials(generators - 1, degree - first)
    )


def plus(a: Monomial, b: Monomial) -> Monomial:
    """The product of two monomials."""
    return tuple(p + q for p, q in zip(a, b, strict=True))


@dataclass(frozen=True)
class Operators:
    """What is applied to each potential before mixing.

    Attributes:
        generators: their names; a derivative bears the name of its coordinate.
        monomials: products of generators, in the order of the channels.
        telescoping: whether every monomial but the identity sums to zero over the domain.
    """

    generators: tuple[str, ...]
    monomials: tuple[Monomial, ...]
    telescoping: bool = False

    @classmethod
    def derivatives(cls, coordinates: Iterable[str], order: int) -> Operators:
        """All derivatives of exactly this order."""
        names = tuple(coordinates)
        return cls(names, monomials(len(names), order))

    @classmethod
    def identity(cls) -> Operators:
        """The channels themselves, at a point: there every law is pointwise."""
        return cls((), ((),))

    def __len__(self) -> int:
        return len(self.monomials)

    @property
    def order(self) -> int:
        """The highest degree among the monomials."""
        return max(map(sum, self.monomials), default=0)
