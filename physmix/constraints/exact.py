"""Null spaces in exact arithmetic, for constraints with rational coefficients.

A singular value decomposition gives each entry of a basis to the round-off of the largest one. When
a law is written in units far apart, its smallest entries carry it; here every entry is right to
its own last bit, and the rank is a fact instead of a tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor

Row = Mapping[int, Fraction]
"""The entries of a sparse row that are not zero, by column."""


def null_space(rows: Sequence[Row], size: int) -> Float[Tensor, "size nullity"]:
    """Orthonormal columns that span { w : row . w = 0 for every row }, in float64."""
    columns: list[dict[int, Fraction]] = []
    norms: list[Fraction] = []
    for vector in rational_null_space(rows, size):
        # Gram-Schmidt without square roots stays rational.
        rest = dict(vector)
        for other, norm in zip(columns, norms, strict=True):
            share = _dot(vector, other) / norm
            if share:
                for place, value in other.items():
                    rest[place] = rest.get(place, Fraction(0)) - share * value
        columns.append({place: value for place, value in rest.items() if value})
        norms.append(_dot(columns[-1], columns[-1]))
    basis = torch.zeros(size, len(columns), dtype=torch.float64)
    for j, (vector, norm) in enumerate(zip(columns, norms, strict=True)):
        length = _root(norm)
        for i, value in vector.items():
            basis[i, j] = float(value / length)
    return basis


def rational_null_space(rows: Sequence[Row], size: int) -> list[dict[int, Fraction]]:
    """Vectors that span { w : row . w = 0 for every row }, exactly; not orthogonal."""
    return _solutions(_reduced(rows), size)


def _root(number: Fraction) -> Fraction:
    """The square root to 100 bits, whatever the size of the number."""
    shift = 200 + 2 * max(0, number.denominator.bit_length() - number.numerator.bit_length())
    return Fraction(isqrt((number.numerator << shift) // number.denominator), 1 << (shift // 2))


def _dot(a: Row, b: Row) -> Fraction:
    small, large = (a, b) if len(a) <= len(b) else (b, a)
    return sum((v * large[k] for k, v in small.items() if k in large), start=Fraction(0))


def _reduced(rows: Sequence[Row]) -> dict[int, dict[int, Fraction]]:
    """Reduced row echelon form: pivot column -> row with 1 there and 0 in every other pivot."""
    pivots: dict[int, dict[int, Fraction]] = {}
    for row in rows:
        rest = {column: value for column, value in row.items() if value}
        for column in [c for c in rest if c in pivots]:
            _subtract(rest, pivots[column], rest[column])
        if not rest:
            continue
        pivot = min(rest)
        lead = rest[pivot]
        rest = {column: value / lead for column, value in rest.items()}
        for other in pivots.values():
            if pivot in other:
                _subtract(other, rest, other[pivot])
        pivots[pivot] = rest
    return pivots


def _subtract(row: dict[int, Fraction], other: Row, factor: Fraction) -> None:
    for column, value in other.items():
        left = row.get(column, Fraction(0)) - factor * value
        if left:
            row[column] = left
        else:
            row.pop(column, None)


def _solutions(pivots: Mapping[int, Row], size: int) -> list[dict[int, Fraction]]:
    """One solution for each column without a pivot."""
    return [
        {free: Fraction(1)} | {p: -row[free] for p, row in pivots.items() if free in row}
        for free in range(size)
        if free not in pivots
    ]
