"""Laws compiled over the derivatives of lowest order that reach every lawful field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from physmix.laws.compiler import Entry, MixingConstraint, compile_laws
from physmix.laws.completeness import Potentials, potentials_of, symbol
from physmix.laws.law import Law
from physmix.laws.modular import rank
from physmix.operators import Operators, monomials


def compile_complete(
    laws: Iterable[Law],
    fields: Sequence[str],
    coordinates: Sequence[str],
    *,
    degree: int = 3,
    gauge: bool = False,
) -> MixingConstraint:
    """Compile laws over the operators of lowest order that are complete, an order for each field.

        compile_complete(parse_laws({"mass": "div(u) = 0"}, "xy"), ["ux", "uy"], "xy").operators.order  # 1

    Args:
        laws: differential or pointwise laws to hold together.
        fields: the output channels, in order.
        coordinates: of the laws.
        degree: of the polynomials up to which completeness is asked for.
        gauge: whether weights that others stand in for on a convex domain stay zero; see `gauge_entries`.

    Raises:
        UnknownFieldError: if a law names a field that is not among the outputs.
        UnsupportedLawError: if a law has no potentials, or they miss some lawful fields; it says which.
        ContradictionError, NoFreedomError, SettingsError: see `compile_laws`.
    """
    laws, coordinates = tuple(laws), tuple(coordinates)
    mixed: dict[str, range] = {}
    zeros: list[dict[Entry, Fraction]] = []
    for part in potentials_of(laws, fields, coordinates, degree):
        part.require()
        for field in part.component.fields:
            mixed[field] = part.component.levels(field, part.level)
        if gauge:
            zeros += [{entry: Fraction(1)} for entry in gauge_entries(part)]
    orders = sorted({order for levels in mixed.values() for order in levels})
    operators = Operators(
        coordinates, tuple(m for order in orders for m in monomials(len(coordinates), order))
    )
    zeros += [
        {(field, monomial): Fraction(1)}
        for field in fields
        for monomial in operators.monomials
        if sum(monomial) not in mixed[field]
    ]
    return compile_laws(laws, fields, operators, zeros)


def gauge_entries(potentials: Potentials) -> tuple[Entry, ...]:
    """Weights that may stay zero on a convex domain: a gauge, such as a vector potential of two components.

    Each takes one vector off the span of the lawful weights. As polynomials in the derivatives, what is
    left is independent, and of as high a rank as before: so for each vector n that was taken off there
    are polynomials with q n = sum over the others of p_s n_s. On a convex domain every smooth potential
    phi is q chi (Malgrange 1955, Ehrenpreis 1960), so that n phi = sum of n_s (p_s chi), and the rest
    reaches it. Along a periodic coordinate, around a hole or at walls there may be no such chi.

    A feature f(w . x) loses nothing at all: its derivatives are all multiples of one function of w . x,
    and weights that differ by what is taken off give the same fields.
    """
    kept: list[dict[int, int]] = []
    found: list[Entry] = []
    for vector in potentials.weights:
        row = symbol(vector, potentials.component.fields, len(potentials.coordinates))
        if rank([*kept, row], len(potentials.component.fields)) > len(kept):
            kept.append(row)
        else:
            others = [other for other in potentials.weights if other is not vector]
            found.append(next(entry for entry in vector if not any(entry in other for other in others)))
    return tuple(found)
