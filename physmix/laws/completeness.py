"""Which lawful fields potentials reach: counted degree by degree, in exact arithmetic.

A law has potentials if its module over the ring of operators is free of torsion; then some finite order
of derivatives reaches every lawful polynomial, and with it every smooth lawful field of a convex domain.
Source: Lange-Hegermann, "Algorithmic linearly constrained Gaussian processes", NeurIPS 2018, section 3;
Oberst, "Multidimensional constant linear systems", 1990. Here the orders are tried from the lowest up,
and the dimensions of kernel and image are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from physmix.constraints import rational_null_space
from physmix.errors import UnsupportedLawError, listing
from physmix.laws.law import Law
from physmix.laws.modular import PRIME, rank, residue
from physmix.laws.polynomial import (
    Component,
    Vector,
    components,
    law_rows,
    polynomial_basis,
    potential_field,
    product_rows,
)
from physmix.operators import Monomial, monomials, plus

_HIGHEST = 4  # levels above the lowest that are tried; a law of the library needs two at most


@dataclass(frozen=True)
class Count:
    """Lawful polynomial fields of one degree, and those that potentials reach."""

    degree: int
    lawful: int
    reached: int


@dataclass(frozen=True)
class Potentials:
    """What the potentials of the laws of one component are, and what they reach.

    Attributes:
        component: the laws and their fields.
        coordinates: of the laws.
        level: order of the derivatives that are mixed, for the fields of lowest order.
        weights: one vector for each potential that the laws leave free; their span is all lawful weights.
        counts: by degree.
        autonomous: whether it is proven that no order of derivatives leaves any weight free.
        implied: laws that every reached field obeys and not every lawful one.
    """

    component: Component
    coordinates: tuple[str, ...]
    level: int
    weights: tuple[Vector, ...]
    counts: tuple[Count, ...]
    autonomous: bool = False
    implied: tuple[Law, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every lawful field up to the highest degree counted is reached."""
        return all(count.lawful == count.reached for count in self.counts)

    @property
    def orders(self) -> dict[str, int]:
        """The highest order of derivatives mixed into each field."""
        return {field: self.component.levels(field, self.level)[-1] for field in self.component.fields}

    def require(self) -> None:
        """Raise UnsupportedLawError, with the reason, unless the potentials are complete."""
        if self.complete:
            return
        names = listing(law.name for law in self.component.laws)
        if self.autonomous:
            fields = listing(self.component.fields)
            raise UnsupportedLawError(
                names,
                f"it has no potentials: it determines all of {fields} from initial or boundary values, so "
                "that no order of derivatives leaves a weight free",
                "hold a part of the law that has potentials by weights, and the rest as a residual",
            )
        if self.implied:
            raise UnsupportedLawError(
                names,
                "not every lawful field has potentials: those that have also obey "
                f"{listing(f'{str(law)!r}' for law in self.implied)}",
                "add this to the laws if it is meant, or drop a law",
            )
        raise UnsupportedLawError(
            names,
            f"derivatives up to order {max(self.orders.values())} do not reach every lawful field",
            "hold the part that is reached, with an order of your own choice",
        )


def potentials_of(
    laws: Sequence[Law], fields: Sequence[str], coordinates: Sequence[str], degree: int = 3
) -> tuple[Potentials, ...]:
    """The potentials of lowest order that reach every lawful polynomial up to a degree, by component.

    Where no order reaches them all, those of the order that reaches the most.

    Args:
        laws: differential or pointwise, with constant coefficients; sources are left out.
        fields: of the model.
        coordinates: of the laws.
        degree: of the polynomials that are counted.

    Raises:
        UnknownFieldError: if a law names a field that is not among the fields.
        UnsupportedLawError: if a law is about a total, or has derivatives in other coordinates.
    """
    laws = tuple(laws)
    for law in laws:
        law.check_fields(fields)
        if law.order and law.coordinates != tuple(coordinates):
            raise UnsupportedLawError(
                law.name,
                f"it has derivatives in {listing(law.coordinates)}, and the fields depend on "
                f"{listing(coordinates)}",
                "give both the same coordinates, in the same order",
            )
        if law.integral:
            raise UnsupportedLawError(
                law.name,
                "it is about a total over the domain, which has no potentials",
                "leave it out: weights over differences hold it",
            )
    return tuple(_of(part, tuple(coordinates), degree) for part in components(laws, fields))


def _of(component: Component, coordinates: tuple[str, ...], degree: int) -> Potentials:
    if _autonomous(component, len(coordinates)):
        counts = tuple(_count(component, (), 0, each, len(coordinates)) for each in range(degree + 1))
        return Potentials(component, coordinates, 0, (), counts, autonomous=True)
    best: tuple[int, tuple[Vector, ...], tuple[Count, ...]] | None = None
    for level in range(_HIGHEST + 1):
        weights = potential_weights(component, level, len(coordinates))
        counts = tuple(_count(component, weights, level, n, len(coordinates)) for n in range(degree + 1))
        reached = sum(count.reached for count in counts)
        if best is None or reached > sum(count.reached for count in best[2]):
            best = level, weights, counts
        if all(count.lawful == count.reached for count in counts):
            return Potentials(component, coordinates, *best)
    assert best is not None
    implied = _implied(component, best[1], coordinates)
    return Potentials(component, coordinates, *best, implied=implied)


def _autonomous(component: Component, coordinates: int) -> bool:
    """Whether the matrix of the laws has full column rank: then only zero weights are lawful.

    Full rank at one point, modulo a prime, is full rank over the rational functions.
    """
    rows = [symbol(law.terms, component.fields, coordinates) for law in component.laws]
    return bool(rows) and rank(rows, len(component.fields)) == len(component.fields)


def symbol(
    terms: Mapping[tuple[str, Monomial], Fraction], fields: Sequence[str], coordinates: int
) -> dict[int, int]:
    """The polynomials in the derivatives by which terms stand on each field, at one point, modulo a prime."""
    point = [int(value) for value in np.random.default_rng(0).integers(1, PRIME, coordinates)]
    row: dict[int, int] = {}
    for (field, operator), value in terms.items():
        size = residue(value)
        for base, power in zip(point, operator, strict=True):
            size = size * pow(base, power, PRIME) % PRIME
        place = fields.index(field)
        row[place] = (row.get(place, 0) + size) % PRIME
    return row


def potential_weights(component: Component, level: int, coordinates: int) -> tuple[Vector, ...]:
    """Weights over (field, derivative) that make the field of any potential lawful; exact, spanning all."""
    entries = [
        (field, operator)
        for field in component.fields
        for order in component.levels(field, level)
        for operator in monomials(coordinates, order)
    ]
    rows = product_rows(entries, [law.terms for law in component.laws])
    found = rational_null_space(rows, len(entries))
    return tuple({entries[i]: value for i, value in vector.items()} for vector in found)


def _count(
    component: Component,
    weights: Sequence[Vector],
    level: int,
    degree: int,
    coordinates: int,
    held: Sequence[int] = (),
) -> Count:
    basis = polynomial_basis(component, degree, coordinates, held)
    equations = [{j: residue(v) for j, v in row.items()} for row in law_rows(component, basis)]
    lawful = len(basis) - rank(equations, len(basis))
    rows = reached_rows(component, weights, level, degree, coordinates, held)
    inside = {key: place for place, key in enumerate(basis)}
    keys = dict.fromkeys(key for row in rows for key in row)
    outside = {key: place for place, key in enumerate(key for key in keys if key not in inside)}
    # Fields of higher degree are no fields of this degree: what reaches only them is taken off.
    everywhere = {**inside, **{key: len(inside) + place for key, place in outside.items()}}
    reached = rank([{everywhere[k]: residue(v) for k, v in row.items()} for row in rows], len(everywhere))
    above = [{outside[k]: residue(v) for k, v in row.items() if k in outside} for row in rows]
    return Count(degree, lawful, reached - (rank(above, len(outside)) if outside else 0))


def reached_rows(
    component: Component,
    weights: Sequence[Vector],
    level: int,
    degree: int,
    coordinates: int,
    held: Sequence[int] = (),
) -> list[Vector]:
    """The fields of all potentials that are a monomial of the degree that belongs to `degree`."""
    highest = degree + level
    powers = range(highest, highest + 1) if component.orders is not None else range(highest + 1)
    rows = [
        potential_field(vector, monomial)
        for each in powers
        for monomial in monomials(coordinates, each)
        if not any(monomial[i] for i in held)
        for vector in weights
    ]
    return [row for row in rows if row]


def _implied(
    component: Component, weights: Sequence[Vector], coordinates: tuple[str, ...]
) -> tuple[Law, ...]:
    """Laws of the reached fields that do not follow from the laws, of the lowest order there is."""
    highest = max(_total(component, key) for law in component.laws for key in law.terms)
    for total in range(highest + 1):
        entries = [
            (field, b)
            for field in component.fields
            for order in component.degrees(field, total)
            for b in monomials(len(coordinates), order)
        ]
        place = {entry: i for i, entry in enumerate(entries)}
        known = _consequences(component, total, place, len(coordinates))
        least, found = rank(known, len(entries)), list[Law]()
        for solution in rational_null_space(product_rows(entries, weights), len(entries)):
            known.append({i: residue(value) for i, value in solution.items()})
            if rank(known, len(entries)) > least + len(found):
                terms = {entries[i]: value for i, value in solution.items()}
                found.append(Law(f"implied {len(found) + 1}", coordinates, terms))
        if found:
            return tuple(found)
    return ()


def _total(component: Component, key: tuple[str, Monomial]) -> int:
    """The degree of a term, counting the order of its field the other way than polynomials do."""
    return (component.orders[key[0]] if component.orders is not None else 0) + sum(key[1])


def _consequences(
    component: Component, total: int, place: Mapping[tuple[str, Monomial], int], coordinates: int
) -> list[dict[int, int]]:
    """The laws and their derivatives of one degree."""
    rows = []
    for law in component.laws:
        left = total - max(_total(component, key) for key in law.terms)
        for order in range(left + 1) if component.orders is None else range(max(0, left), left + 1):
            rows += [
                {place[f, plus(b, shift)]: residue(v) for (f, b), v in law.terms.items()}
                for shift in monomials(coordinates, order)
            ]
    return rows
