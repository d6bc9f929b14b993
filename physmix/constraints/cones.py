"""Projection onto products of cones, and its derivative, in the order of cvxpy's conic form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Projection: TypeAlias = Callable[[Array], tuple[Array, Array]]


def zero(point: Array) -> tuple[Array, Array]:
    """Onto the single point 0: the cone of the slack of equations."""
    return np.zeros_like(point), np.zeros((point.size, point.size))


def nonnegative(point: Array) -> tuple[Array, Array]:
    """Onto the vectors without negative entries."""
    return np.maximum(point, 0), np.diag((point > 0).astype(float))


def second_order(point: Array) -> tuple[Array, Array]:
    """Onto the vectors (t, v) with |v| <= t. Source: Bauschke & Combettes, example 29.11."""
    level, rest = point[0], point[1:]
    length = float(np.linalg.norm(rest))
    if length <= level:
        return point, np.eye(point.size)
    if length <= -level:
        return np.zeros_like(point), np.zeros((point.size, point.size))
    unit = rest / length
    ratio = level / length
    found = 0.5 * (1 + ratio) * np.concatenate(([length], rest))
    slope = np.empty((point.size, point.size))
    slope[0, 0], slope[0, 1:], slope[1:, 0] = 1, unit, unit
    slope[1:, 1:] = (1 + ratio) * np.eye(rest.size) - ratio * np.outer(unit, unit)
    return found, 0.5 * slope


def semidefinite(point: Array) -> tuple[Array, Array]:
    """Onto the symmetric matrices without negative eigenvalues.

    A matrix is the column-wise list of its upper triangle, off-diagonal entries times sqrt(2), so that
    lengths are kept. Source of the derivative: Malick & Sendov 2006, theorem 2.7.
    """
    size = round((np.sqrt(8 * point.size + 1) - 1) / 2)
    column, row = np.tril_indices(size)  # the upper triangle, column by column
    listed = np.arange(point.size)
    weight = np.where(row == column, 1.0, np.sqrt(0.5))
    unfold = np.zeros((size, size, point.size))
    unfold[row, column, listed] = weight
    unfold[column, row, listed] = weight
    values, vectors = np.linalg.eigh(unfold @ point)
    plus, minus = np.maximum(values, 0), np.maximum(-values, 0)
    both = plus[:, None] + plus[None, :]
    across = both + minus[:, None] + minus[None, :]
    share = np.divide(both, across, out=np.zeros_like(both), where=across > 0)
    turned = np.einsum("ia,ijk,jb->abk", vectors, unfold, vectors).reshape(-1, point.size)
    slope = turned.T @ (share.reshape(-1, 1) * turned)
    return turned.T @ np.diag(plus).reshape(-1), slope


@dataclass(frozen=True)
class Cones:
    """A product of cones.

    Args:
        parts: each projection with the number of entries it takes.
    """

    parts: tuple[tuple[Projection, int], ...]

    def project(self, point: Array) -> tuple[Array, Array]:
        """The nearest point of the product, (size,), and the derivative of that map, (size, size)."""
        found, slope = np.empty_like(point), np.zeros((point.size, point.size))
        start = 0
        for projection, size in self.parts:
            here = slice(start, start + size)
            found[here], slope[here, here] = projection(point[here])
            start += size
        return found, slope
