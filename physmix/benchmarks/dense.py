"""Derivatives and laws on periodic grids as dense matrices, written from their definitions.

They share no code with what they judge: no Fourier transform and no symbols.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from physmix.grids import PeriodicGrid
from physmix.laws import Law

Array = np.ndarray
_RELATIVE = 1e-10  # singular values below this are zero: rows of a periodic grid depend on each other


def derivative_matrix(scheme: str, points: int, length: float) -> Array:
    """A first derivative: (points, points).

    Spectral: Trefethen, Spectral Methods in MATLAB (2000), eq. (3.10), with a cosecant for odd numbers.
    Differences: Lele, J. Comput. Phys. 103 (1992), section 2.1, solved for the derivatives.
    """
    if scheme == "spectral":
        apart = np.subtract.outer(np.arange(points), np.arange(points)) + points * np.eye(points)
        angle = math.pi * apart / points
        matrix = (-1.0) ** apart / (2 * (np.tan(angle) if points % 2 == 0 else np.sin(angle)))
        return (matrix - np.diag(np.diag(matrix))) * (2 * math.pi / length)
    left, near, far = {
        "central2": (0.0, 1.0, 0.0),
        "central4": (0.0, 4 / 3, -1 / 3),
        "compact4": (1 / 4, 3 / 2, 0.0),
        "compact6": (1 / 3, 14 / 9, 1 / 9),
    }[scheme]
    unit = np.eye(points)
    ahead = {shift: np.roll(unit, shift, 1) for shift in (-2, -1, 1, 2)}
    right = near / 2 * (ahead[1] - ahead[-1]) + far / 4 * (ahead[2] - ahead[-2])
    return np.linalg.solve(unit + left * (ahead[1] + ahead[-1]), right) * (points / length)


def derivative(values: Array, grid: PeriodicGrid, axis: int) -> Array:
    """The derivative of an array over the grid along one of its axes."""
    matrix = derivative_matrix(grid.scheme, grid.points[axis], grid.lengths[axis])
    return np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)


def divergence_terms(velocity: Array, grid: PeriodicGrid) -> Array:
    """The terms of the divergence of (*grid, component): (component, *grid)."""
    return np.stack([derivative(velocity[..., axis], grid, axis) for axis in range(len(grid.points))])


class DenseLaws:
    """Laws as rows over the numbers of one trajectory, (time, *grid, field) flattened.

    Args:
        laws: of the grid's coordinates; a total is asked to be at each time what it is on average.
        names: of the fields.
        grid: where they live.
        times: of the trajectory.
        weights: how much a change of each field counts, by name; 1 if omitted.
    """

    def __init__(
        self,
        laws: Iterable[Law],
        names: Sequence[str],
        grid: PeriodicGrid,
        *,
        times: int = 1,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        steps = [
            derivative_matrix(grid.scheme, *pair) for pair in zip(grid.points, grid.lengths, strict=True)
        ]
        self.parts, rows, sides = [], [], []
        for law in laws:
            terms = [
                float(value) * _term(steps, monomial, np.eye(len(names))[[list(names).index(field)]])
                for (field, monomial), value in law.terms.items()
            ]
            if law.integral:
                terms = [term.sum(0, keepdims=True) for term in terms]
            self.parts.append([np.kron(np.eye(times), term) for term in terms])
            rows.append(np.kron(np.eye(times) - law.integral / times, sum(terms)))
            sides.append(np.full(len(rows[-1]), float(law.source)))
        self.matrix, self.side = np.concatenate(rows), np.concatenate(sides)
        each = [(weights or {}).get(name, 1.0) for name in names]
        self.weights = np.tile(each, times * math.prod(grid.points))

    def project(self, start: Array) -> Array:
        """The nearest lawful numbers, by a pseudo-inverse; twice, against the round-off of the first."""
        scale = np.sqrt(self.weights)
        inverse = np.linalg.pinv(self.matrix / scale, rcond=_RELATIVE)
        for _ in range(2):
            start = start - inverse @ (self.matrix @ start - self.side) / scale
        return start

    def independent(self) -> tuple[Array, Array]:
        """The same equations by rows that do not depend on each other, as solvers want them."""
        left, values, right = np.linalg.svd(self.matrix, full_matrices=False)
        kept = values > _RELATIVE * values[0]
        return right[kept], (left.T @ self.side)[kept] / values[kept]

    def violation(self, found: Array) -> float:
        """The largest over laws of max |L y - s| / max (sum of |terms|)."""
        missed = np.split(self.matrix @ found - self.side, np.cumsum([len(p[0]) for p in self.parts])[:-1])
        sizes = [sum(np.abs(term @ found) for term in part).max() for part in self.parts]
        return max(float(np.abs(off).max() / size) for off, size in zip(missed, sizes, strict=True))


def _term(steps: Sequence[Array], monomial: Sequence[int], unit: Array) -> Array:
    exponents = (*monomial, *[0] * len(steps))[: len(steps)]  # a law at each point has no coordinates
    powers = [np.linalg.matrix_power(step, e) for step, e in zip(steps, exponents, strict=True)]
    return np.kron(reduce(np.kron, powers), unit)
