"""Ranks modulo a prime: fast, and a proof when a lower and an upper bound meet.

The rank of an integer matrix modulo a prime is at most its rank over the rationals. So the rank of a
matrix of known members bounds their span from below, and columns minus rank bounds a null space from
above; where the members lie in the null space and the two bounds agree, both are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

PRIME = 2**31 - 1


def residue(number: Fraction) -> int:
    """The number modulo PRIME.

    Raises:
        ValueError: if PRIME divides the denominator.
    """
    return number.numerator * pow(number.denominator, -1, PRIME) % PRIME


def rank(rows: Sequence[Mapping[int, int]], size: int) -> int:
    """The rank of a sparse matrix modulo PRIME, from the entries of its rows by column."""
    matrix = np.zeros((len(rows), size), dtype=np.int64)
    for i, row in enumerate(rows):
        for j, value in row.items():
            matrix[i, j] = value % PRIME
    if len(rows) > size:
        matrix = np.ascontiguousarray(matrix.T)
    done = 0
    for column in range(matrix.shape[1]):
        places = np.flatnonzero(matrix[done:, column])
        if not len(places):
            continue
        pivot = done + int(places[0])
        matrix[[done, pivot]] = matrix[[pivot, done]]
        lead = matrix[done, column:] * pow(int(matrix[done, column]), -1, PRIME) % PRIME
        below = done + 1 + np.flatnonzero(matrix[done + 1 :, column])
        if len(below):
            factors = matrix[below, column]
            matrix[below, column:] = (matrix[below, column:] - factors[:, None] * lead) % PRIME
        done += 1
        if done == len(matrix):
            break
    return done
