"""Stored values at points of any spacing, with ends or periodic, and their derivatives of second order.

The derivative at a point is that of the parabola through it and its two neighbours; at the end of the
domain through it and the next two. Along each coordinate this is one matrix, so derivatives along
different coordinates commute, and a law that is compiled over them holds to round-off in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from physmix.errors import SettingsError
from physmix.grids.axes import Positions
from physmix.grids.collocated import CollocatedGrid
from physmix.grids.staggered import Place
from physmix.operators import Monomial


@dataclass(frozen=True)
class PointAxis:
    """Points of any increasing positions.

    Attributes:
        points: three or more positions, such as a list or a one-dimensional array.
        period: the length after which they repeat; None where the domain ends at the outermost points.

    Raises:
        SettingsError: if there are fewer, they do not increase, or do not fit into the period.
    """

    points: Positions
    period: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(map(float, self.points)))  # so that axes compare
        increases = all(low < high for low, high in itertools.pairwise(self.points))
        fits = self.period is None or self.points[-1] - self.points[0] < self.period
        if len(self.points) < 3 or not increases or not fits:
            problem = f"the {len(self.points)} points do not increase, or do not fit into the period"
            raise SettingsError("an axis of points", problem, "give three or more, lowest first")

    def neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The two other points of each parabola, and its weights for their differences to the point."""
        n, places = len(self.points), np.array(self.points)
        others = np.stack([np.arange(n) - 1, np.arange(n) + 1], 1)
        if self.period is None:
            others[0], others[-1] = (1, 2), (n - 2, n - 3)
            far = places[others]
        else:
            far = places[others % n] + (others // n) * self.period
        near, next_ = (far - places[:, None]).T
        weights = np.stack([next_ / (near * (next_ - near)), near / (next_ * (near - next_))], 1)
        return others % n, weights

    def matrix(self) -> csr_array:
        """The derivative at each point, a sparse matrix."""
        n, (others, weights) = len(self.points), self.neighbours()
        row = np.repeat(np.arange(n), 3)
        column = np.concatenate([np.arange(n)[:, None], others], 1).ravel()
        value = np.concatenate([-weights.sum(1, keepdims=True), weights], 1).ravel()
        return csr_array((value, (row, column)), shape=(n, n))


@dataclass(frozen=True)
class PointGrid(CollocatedGrid):
    """One axis of points for each coordinate.

    Attributes:
        axes: by the name of the coordinate.
    """

    axes: Mapping[str, PointAxis]

    @property
    def coordinates(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the axes, in order."""
        return tuple(self.axes)

    @property
    def points(self) -> tuple[int, ...]:  # type: ignore[override]
        """The number of points along each."""
        return tuple(len(axis.points) for axis in self.axes.values())

    def differentiate(
        self, field: Float[Tensor, "batch *grid channel"], dimension: int
    ) -> Float[Tensor, "batch *grid channel"]:
        """The first derivative along one dimension; exactly zero for constants."""
        others, weights = self.axes[self.coordinates[dimension]].neighbours()
        shape = [1] * field.ndim
        shape[dimension + 1] = -1
        parts = [
            torch.as_tensor(weights[:, side]).to(field).view(shape)
            * (
                field.index_select(dimension + 1, torch.as_tensor(others[:, side], device=field.device))
                - field
            )
            for side in (0, 1)
        ]
        return parts[0] + parts[1]

    def shape(self, place: Place) -> tuple[int, ...]:
        """The points along each coordinate: all fields live there."""
        del place
        return self.points

    def moved(self, place: Place, monomial: Monomial) -> Place:
        """The same place."""
        del monomial
        return place

    def factors(self, place: Place, monomial: Monomial) -> list[csr_array]:
        """A product of derivatives as one sparse matrix along each coordinate."""
        del place
        found = []
        for axis, exponent in zip(self.axes.values(), monomial, strict=True):
            matrix = eye_array(len(axis.points), format="csr")
            for _ in range(exponent):
                matrix = axis.matrix() @ matrix
            found.append(matrix)
        return found
