"""Laws and potentials as linear maps between spaces of polynomials, with exact coefficients.

Derivatives lower the degree. If every field i can be given an order such that order_i + degree of the
operator is the same in all terms of a law, then the law maps fields of degree n - order_i to one degree,
and kernel and image can be counted degree by degree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import perm

from physmix.laws.law import Law
from physmix.operators import Monomial, monomials, plus

Vector = dict[tuple[str, Monomial], Fraction]
"""Coefficients by field and monomial: of a polynomial field, or of the weights of one potential."""


@dataclass(frozen=True)
class Component:
    """Laws that share fields with each other and with no other law.

    Attributes:
        laws: none for a field that no law speaks of.
        fields: in the order of the model.
        orders: of each field relative to the lowest; None if terms of a law differ in ways that no orders
            of fields explain.
    """

    laws: tuple[Law, ...]
    fields: tuple[str, ...]
    orders: Mapping[str, int] | None

    def degrees(self, field: str, degree: int) -> range:
        """The degrees of a field's polynomials that belong to this degree of the component."""
        if self.orders is None:
            return range(max(0, degree + 1))
        exact = degree - self.orders[field]
        return range(max(0, exact), max(0, exact + 1))

    def levels(self, field: str, level: int) -> range:
        """The orders of derivatives of potentials that belong to this level, for a field."""
        if self.orders is None:
            return range(level + 1)
        return range(level + self.orders[field], level + self.orders[field] + 1)


def components(laws: Sequence[Law], fields: Sequence[str]) -> tuple[Component, ...]:
    """Split laws into parts that have no field in common, in the order of the fields."""
    left, parts = list(fields), []
    while left:
        together, grown = {left[0]}, True
        while grown:
            touched = [law for law in laws if together & set(law.fields)]
            more = together.union(*(law.fields for law in touched))
            grown, together = more != together, more
        inside = tuple(law for law in laws if together & set(law.fields))
        names = tuple(field for field in fields if field in together)
        parts.append(Component(inside, names, _orders(inside, names)))
        left = [field for field in left if field not in together]
    return tuple(parts)


def _orders(laws: Sequence[Law], fields: Sequence[str]) -> dict[str, int] | None:
    order = {fields[0]: 0}
    for _ in fields:
        for law in laws:
            for field, monomial in law.terms:
                if field in order:
                    total = order[field] + sum(monomial)
                    for other, b in law.terms:
                        if order.setdefault(other, total - sum(b)) != total - sum(b):
                            return None
    lowest = min(order.values())
    return {field: value - lowest for field, value in order.items()}


def derivative(operator: Monomial, monomial: Monomial) -> tuple[int, Monomial] | None:
    """D^operator x^monomial as (factor, monomial), or None if it vanishes."""
    factor = 1
    for lower, power in zip(operator, monomial, strict=True):
        if lower > power:
            return None
        factor *= perm(power, lower)
    return factor, tuple(p - q for p, q in zip(monomial, operator, strict=True))


def polynomial_basis(
    component: Component, degree: int, coordinates: int, held: Sequence[int] = ()
) -> list[tuple[str, Monomial]]:
    """All fields of one degree that are a single monomial, constant along the held coordinates."""
    return [
        (field, monomial)
        for field in component.fields
        for each in component.degrees(field, degree)
        for monomial in monomials(coordinates, each)
        if not any(monomial[i] for i in held)
    ]


def law_rows(component: Component, basis: Sequence[tuple[str, Monomial]]) -> list[dict[int, Fraction]]:
    """The laws as equations on the coefficients over a basis: no term may remain."""
    rows: dict[tuple[int, Monomial], dict[int, Fraction]] = {}
    for place, (field, monomial) in enumerate(basis):
        for number, law in enumerate(component.laws):
            for (name, operator), value in law.terms.items():
                lowered = derivative(operator, monomial) if name == field else None
                if lowered is not None:
                    row = rows.setdefault((number, lowered[1]), {})
                    row[place] = row.get(place, Fraction(0)) + value * lowered[0]
    return list(rows.values())


def potential_field(weights: Vector, monomial: Monomial) -> Vector:
    """The field of the potential x^monomial under the weights of one potential."""
    found: Vector = {}
    for (field, operator), value in weights.items():
        lowered = derivative(operator, monomial)
        if lowered is not None:
            key = (field, lowered[1])
            found[key] = found.get(key, Fraction(0)) + value * lowered[0]
    return {key: value for key, value in found.items() if value}


def product_rows(
    entries: Sequence[tuple[str, Monomial]], systems: Sequence[Mapping[tuple[str, Monomial], Fraction]]
) -> list[dict[int, Fraction]]:
    """Equations on coefficients of entries D_a of fields: the product with each system vanishes.

    One for each system and monomial c: sum over a + b = c, on the same field, of coefficient_a *
    system_b. With laws as systems its solutions are weights of potentials; with weights, laws.
    """
    rows: dict[tuple[int, Monomial], dict[int, Fraction]] = {}
    for place, (field, a) in enumerate(entries):
        for number, system in enumerate(systems):
            for (name, b), value in system.items():
                if name == field:
                    row = rows.setdefault((number, plus(a, b)), {})
                    row[place] = row.get(place, Fraction(0)) + value
    return list(rows.values())
