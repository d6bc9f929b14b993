"""The axes of staggered grids: where values live along one coordinate, and the differences of neighbours.

A *level* says where. A difference of neighbours always leads one level down, and lives between them. A
bounded axis of n cells has n values at level 0, the cells, n + 1 at level 1, the faces (or nodes) around
them, and n + l at level l: above 1 with ghost layers outside the domain, below 0 without the outermost.
On a periodic axis levels count mod 2.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from physmix.errors import SettingsError

Values = Shaped[Tensor, "..."]  # a level along one dimension, anything along the others
Line = Float[Tensor, " level"]
Positions = Sequence[float] | NDArray[np.floating] | Tensor


class Axis(ABC):
    """One coordinate of a staggered grid."""

    @abstractmethod
    def size(self, level: int) -> int:
        """How many values there are at a level; 0 or less where there is no such level."""

    @abstractmethod
    def moved(self, level: int, exponent: int) -> int:
        """The level after so many differences, or before them if negative."""

    @abstractmethod
    def positions(self, level: int) -> Line:
        """Where the values of a level live."""

    @abstractmethod
    def spacing(self, level: int) -> Line:
        """The distance of neighbours at a level, one for each value of the next level down."""

    @abstractmethod
    def neighbours(self, values: Values, dimension: int, level: int) -> tuple[Values, Values]:
        """The values before and after each value of the next level down."""

    @abstractmethod
    def widened(self, values: Values, dimension: int, fill: float = 0.0) -> Values:
        """Values with one ghost layer of zeros, or of another number, at each end, two levels up."""

    @abstractmethod
    def extended(self, values: Values, dimension: int) -> Values:
        """Values with the outermost repeated beyond each end, two levels up."""

    def around(self, values: Values, dimension: int) -> tuple[Values, Values]:
        """The cells before and after each face; the outermost lie on both sides of the ends."""
        return self.neighbours(self.extended(values, dimension), dimension, self.moved(0, -2))

    def difference(self, values: Values, dimension: int, level: int) -> Values:
        """What lies after minus what lies before, over their distance."""
        before, after = self.neighbours(values, dimension, level)
        shape = [1] * values.ndim
        shape[dimension] = -1
        return (after - before) / self.spacing(level).to(values).view(shape)

    def matrix(self, level: int) -> csr_array:
        """The same for the values of a level, as a sparse matrix to the next level down."""
        before, after = self.neighbours(torch.arange(self.size(level)), 0, level)
        weight = 1 / self.spacing(level)
        row = torch.arange(len(after))
        places = (torch.cat([row, row]).numpy(), torch.cat([before, after]).numpy())
        return csr_array((torch.cat([-weight, weight]).numpy(), places), shape=(len(row), self.size(level)))


@dataclass(frozen=True)
class PeriodicAxis(Axis):
    """n cells of one width h = L / n, with periodic ends.

    Attributes:
        points: n; level 0 is at x_j = j h and level 1 at x_j + h / 2, both under index j.
        length: the period L.

    Raises:
        SettingsError: if one is not positive.
    """

    points: int
    length: float

    def __post_init__(self) -> None:
        if not (self.points > 0 and self.length > 0):
            problem = f"points={self.points}, length={self.length}"
            raise SettingsError("a periodic axis", problem, "give positive numbers")

    def size(self, level: int) -> int:
        """n at each level."""
        del level
        return self.points

    def moved(self, level: int, exponent: int) -> int:
        """Mod 2."""
        return (level - exponent) % 2

    def positions(self, level: int) -> Line:
        """From 0 or h / 2 on."""
        places = torch.arange(self.points, dtype=torch.float64) + level / 2
        return places * (self.length / self.points)

    def spacing(self, level: int) -> Line:
        """The width h everywhere."""
        del level
        return torch.full((self.points,), self.length / self.points, dtype=torch.float64)

    def neighbours(self, values: Values, dimension: int, level: int) -> tuple[Values, Values]:
        """From a cell on to the next, from a face back to the last."""
        if level == 0:
            return values, torch.roll(values, -1, dimension)
        return torch.roll(values, 1, dimension), values

    def widened(self, values: Values, dimension: int, fill: float = 0.0) -> Values:
        """The same: there is no end."""
        del dimension, fill
        return values

    def extended(self, values: Values, dimension: int) -> Values:
        """The same."""
        del dimension
        return values


@dataclass(frozen=True)
class BoundedAxis(Axis):
    """Cells between nodes of any increasing positions, from one end of the domain to the other.

    Level 0 is at the centres of the cells, level 1 at the nodes; ghost cells are as wide as the last.

    Attributes:
        nodes: n + 1 positions, such as a list or a one-dimensional array.

    Raises:
        SettingsError: if there are fewer than two, or they do not increase.
    """

    nodes: Positions

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(map(float, self.nodes)))  # so that axes compare
        increases = all(low < high for low, high in itertools.pairwise(self.nodes))
        if len(self.nodes) < 2 or not increases:
            problem = f"the {len(self.nodes)} nodes do not increase"
            raise SettingsError("a bounded axis", problem, "give two or more positions, lowest first")

    def size(self, level: int) -> int:
        """n + level."""
        return len(self.nodes) - 1 + level

    def moved(self, level: int, exponent: int) -> int:
        """One down for each difference."""
        return level - exponent

    def positions(self, level: int) -> Line:
        """Nodes at odd levels, centres at even ones."""
        nodes = torch.tensor(self.nodes, dtype=torch.float64)
        ghosts = level // 2
        if ghosts < 0:
            nodes = nodes[-ghosts:ghosts]
        elif ghosts > 0:
            steps = torch.arange(1.0, ghosts + 1, dtype=torch.float64)
            low = nodes[0] - steps.flip(0) * (nodes[1] - nodes[0])
            nodes = torch.cat([low, nodes, nodes[-1] + steps * (nodes[-1] - nodes[-2])])
        return nodes if level % 2 else (nodes[1:] + nodes[:-1]) / 2

    def spacing(self, level: int) -> Line:
        """Widths of cells from level 1, distances of centres from level 0 or 2."""
        return torch.diff(self.positions(level))

    def neighbours(self, values: Values, dimension: int, level: int) -> tuple[Values, Values]:
        """All but the last, and all but the first."""
        del level
        n = values.shape[dimension] - 1
        return values.narrow(dimension, 0, n), values.narrow(dimension, 1, n)

    def widened(self, values: Values, dimension: int, fill: float = 0.0) -> Values:
        """With one number outside."""
        ghost = torch.full_like(values.narrow(dimension, 0, 1), fill)
        return torch.cat([ghost, values, ghost], dimension)

    def extended(self, values: Values, dimension: int) -> Values:
        """With the first and the last once more."""
        last = values.shape[dimension] - 1
        ends = values.narrow(dimension, 0, 1), values.narrow(dimension, last, 1)
        return torch.cat([ends[0], values, ends[1]], dimension)
