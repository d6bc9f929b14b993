"""A known field that carries the sources of laws: y = y_p + W D phi with L y_p = s."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from jaxtyping import Float
from torch import Tensor

from physmix.constraints import rational_null_space
from physmix.errors import ContradictionError
from physmix.laws.law import Law
from physmix.laws.polynomial import Component, Vector, law_rows, polynomial_basis
from physmix.operators import Monomial


@dataclass(frozen=True)
class PolynomialField:
    """Fields that are polynomials of the coordinates.

    Attributes:
        fields: the channels, in order.
        coefficients: by field and monomial; none is the zero field.
    """

    fields: tuple[str, ...]
    coefficients: Vector

    def derivative(self, monomial: Monomial) -> PolynomialField:
        """The field D^monomial of this one, in exact arithmetic."""
        found: dict[tuple[str, Monomial], Fraction] = {}
        for (field, powers), value in self.coefficients.items():
            if all(n <= p for n, p in zip(monomial, powers, strict=True)):
                lower = tuple(p - n for n, p in zip(monomial, powers, strict=True))
                found[field, lower] = value * math.prod(map(math.perm, powers, monomial))
        return PolynomialField(self.fields, found)

    def __call__(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, "point field"]:
        """The fields at points; differentiable."""
        out = points.new_zeros(points.shape[0], len(self.fields))
        for (field, monomial), value in self.coefficients.items():
            term = points.new_full((points.shape[0],), float(value))
            for place, exponent in enumerate(monomial):
                term = term * points[:, place] ** exponent
            unit = points.new_zeros(len(self.fields))
            unit[self.fields.index(field)] = 1.0
            out = out + term[:, None] * unit
        return out


def particular_field(laws: Sequence[Law], fields: Sequence[str]) -> PolynomialField:
    """A polynomial of lowest degree that obeys laws with derivatives and their constant sources.

    Laws without derivatives are left to the bias: of them the field obeys the homogeneous half.

    Args:
        laws: of one set of coordinates, with derivatives or at each point.
        fields: of the model.

    Raises:
        ContradictionError: if no polynomial obeys them.
    """
    wanted = [law if law.order else law.homogeneous() for law in laws if not law.integral]
    if not any(law.source for law in wanted):
        return PolynomialField(tuple(fields), {})
    coordinates = max((law.coordinates for law in wanted if law.order), key=len)
    zero = (0,) * len(coordinates)
    # The source becomes a field that is 1; what its equation asks for is the particular field.
    unit = "a source"
    closed = [
        replace(
            law,
            coordinates=coordinates,
            terms={
                **{(f, m if any(m) else zero): v for (f, m), v in law.terms.items()},
                **({(unit, zero): -law.source} if law.source else {}),
            },
            source=Fraction(0),
        )
        for law in wanted
    ]
    highest = max(law.order for law in wanted)
    part = Component(tuple(closed), tuple(fields), None)
    for degree in range(highest, highest + 3):
        basis = [*polynomial_basis(part, degree, len(coordinates)), (unit, zero)]
        for solution in rational_null_space(law_rows(part, basis), len(basis)):
            size = solution.get(len(basis) - 1)
            if size:
                found = {basis[i]: value / size for i, value in solution.items() if i < len(basis) - 1}
                return PolynomialField(tuple(fields), found)
    raise ContradictionError(law.name for law in wanted if law.source)
