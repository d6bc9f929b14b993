"""A law as polynomials in commuting operators, with exact rational coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from physmix.errors import UnknownFieldError

Monomial = tuple[int, ...]
Terms = Mapping[tuple[str, Monomial], Fraction]


@dataclass(frozen=True)
class Law:
    """sum over (field i, monomial b) of coefficient l_(i,b) D_b y_i = source.

    An integral law states this for the sum over the domain only, where every difference vanishes.

    Attributes:
        name: the word used for the law in messages and in metrics.
        coordinates: the coordinate of each operator, in the order of the exponents.
        terms: l, without zeros.
        source: s, a constant.
        integral: whether the law is about the total over the domain.
    """

    name: str
    coordinates: tuple[str, ...]
    terms: Terms
    source: Fraction = Fraction(0)
    integral: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields the law speaks of."""
        return tuple(dict.fromkeys(field for field, _ in self.terms))

    @property
    def order(self) -> int:
        """The highest number of operators in one term."""
        return max((sum(monomial) for _, monomial in self.terms), default=0)

    def scaled(self, fields: Mapping[str, float], coordinates: Mapping[str, float] | None = None) -> Law:
        """The same law for y_i / fields[i] as a function of x_j / coordinates[j].

        A scale is a float, hence a rational number: the new coefficients are exact as well.
        """
        lengths = [Fraction((coordinates or {}).get(name, 1.0)) for name in self.coordinates]

        def factor(field: str, monomial: Monomial) -> Fraction:
            result = Fraction(fields.get(field, 1.0))
            for length, exponent in zip(lengths, monomial, strict=True):
                result /= length**exponent
            return result

        terms = {
            (field, monomial): value * factor(field, monomial)
            for (field, monomial), value in self.terms.items()
        }
        return replace(self, terms=terms)

    def check_fields(self, known: tuple[str, ...]) -> None:
        """Raise UnknownFieldError unless every field of the law is known."""
        for field in self.fields:
            if field not in known:
                raise UnknownFieldError(self.name, field, known)

    def conserved(self, coordinate: str) -> dict[str, Fraction] | None:
        """The density whose total a law in flux form keeps in time, or None.

        An integral law keeps its own terms. A differential law keeps the fields under one
        derivative in `coordinate` when all its other terms are derivatives in space, whose sum
        over a periodic domain vanishes.
        """
        if self.integral:
            return {field: value for (field, _), value in self.terms.items()}
        if coordinate not in self.coordinates or self.source:
            return None
        place = self.coordinates.index(coordinate)
        once = tuple(int(i == place) for i in range(len(self.coordinates)))
        density = {f: value for (f, monomial), value in self.terms.items() if monomial == once}
        rest = [m for _, m in self.terms if m != once]
        flux_form = all(m[place] == 0 and sum(m) > 0 for m in rest)
        return density if density and flux_form else None
