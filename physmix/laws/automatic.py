"""Laws compiled over the derivatives of lowest order that reach every lawful field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from physmix.laws.compiler import Entry, MixingConstraint, compile_laws
from physmix.laws.completeness import potentials_of
from physmix.laws.law import Law
from physmix.operators import Operators, monomials


def compile_complete(
    laws: Iterable[Law], fields: Sequence[str], coordinates: Sequence[str], *, degree: int = 3
) -> MixingConstraint:
    """Compile laws over the operators of lowest order that are complete, an order for each field.

        compile_complete(parse_laws({"mass": "div(u) = 0"}, "xy"), ["ux", "uy"], "xy").operators.order  # 1

    Args:
        laws: differential or pointwise laws to hold together.
        fields: the output channels, in order.
        coordinates: of the laws.
        degree: of the polynomials up to which completeness is asked for.

    Raises:
        UnknownFieldError: if a law names a field that is not among the outputs.
        UnsupportedLawError: if a law has no potentials, or they miss some lawful fields; it says which.
        ContradictionError, NoFreedomError, SettingsError: see `compile_laws`.
    """
    laws, coordinates = tuple(laws), tuple(coordinates)
    mixed: dict[str, range] = {}
    for part in potentials_of(laws, fields, coordinates, degree):
        part.require()
        for field in part.component.fields:
            mixed[field] = part.component.levels(field, part.level)
    orders = sorted({order for levels in mixed.values() for order in levels})
    operators = Operators(
        coordinates, tuple(m for order in orders for m in monomials(len(coordinates), order))
    )
    zeros: list[dict[Entry, Fraction]] = [
        {(field, monomial): Fraction(1)}
        for field in fields
        for monomial in operators.monomials
        if sum(monomial) not in mixed[field]
    ]
    return compile_laws(laws, fields, operators, zeros)
