"""A law as polynomials in commuting operators, with exact rational coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from physmix.errors import UnknownFieldError
from physmix.operators import Monomial

Terms = Mapping[tuple[str, Monomial], Fraction]


@dataclass(frozen=True)
class Law:
    """sum over (field i, monomial b) of coefficient l_(i,b) D_b y_i = source.

    An integral law states this for the sum over the domain only, where every difference vanishes,
    and with a source that is whatever it was at the start.

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

    def __str__(self) -> str:
        """The law in the notation it can be read from."""
        if self.integral:
            return f"integral({self._left(self.terms)}) = const"
        return f"{self._left(self.terms)} = {self.source}"

    def _left(self, terms: Terms) -> str:
        written = ""
        for (field, monomial), value in terms.items():
            operators = [f"d{c}" for c, e in zip(self.coordinates, monomial, strict=True) for _ in range(e)]
            text = "(".join([*operators, field]) + ")" * len(operators)
            size = "" if abs(value) == 1 else f"{abs(value)}*"
            sign = (" - " if value < 0 else " + ") if written else ("-" if value < 0 else "")
            written += sign + size + text
        return written

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

    def homogeneous(self) -> Law:
        """The law of the differences of two lawful fields: without its source."""
        return replace(self, source=Fraction(0))

    def check_fields(self, known: Iterable[str]) -> None:
        """Raise UnknownFieldError unless every field of the law is known."""
        known = tuple(known)
        for field in self.fields:
            if field not in known:
                raise UnknownFieldError(self.name, field, known)
