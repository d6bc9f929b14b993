"""Fast diagonalisation: sums of Kronecker products of matrices along the axes, inverted directly.

For a law in which each field has one term, with derivatives along one coordinate, such as div u = s,
and for weights that are products of factors along the coordinates, L W^-1 L^T is such a sum, with one
diagonal matrix B_i along all other axes. The generalised eigenvectors K_i V = B_i V mu of each axis make
it diagonal. With other weights the sum is made of their means, and near to L W^-1 L^T.
Source: Lynch, Rice and Thomas, Numer. Math. 6, 1964.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.ndimage import uniform_filter
from scipy.sparse import csr_array
from torch import Tensor

Array = NDArray[np.float64]

_SINGULAR = 1e-13  # sums of eigenvalues below this, over the largest, are zero
_CELLS = 5  # along each coordinate, over which scales are smooth
_LEAST = 1e-3  # a mean weight below this, over the largest, counts as this


@dataclass(frozen=True)
class SplitTerm:
    """A term of a law: coefficient * derivative of a field along one coordinate.

    Attributes:
        dimension: of the derivative; None for the field itself.
        matrix: of the derivative along its coordinate.
        coefficient: of the term.
        inverse: W^-1 of the field by point.
    """

    dimension: int | None
    matrix: csr_array | None
    coefficient: float
    inverse: Array

    @property
    def size(self) -> float:
        """How much the term counts as a whole."""
        return self.coefficient**2 * float(self.inverse.mean())

    def along(self, dimension: int) -> Array:
        """The factor of W^-1 along one coordinate, with mean one; exact for a product."""
        others = tuple(i for i in range(self.inverse.ndim) if i != dimension)
        return self.inverse.mean(others) / (self.inverse.mean() or 1.0)


class SumOfProducts:
    """The sum over terms of L W^-1 L^T, and its inverse where it has one.

    Args:
        terms: one for each field.
        shape: of what the law says, along each coordinate.
        diagonal: of the true L W^-1 L^T, to which that of the sum is scaled over some cells (Concus and
            Golub, SIAM J. Numer. Anal. 10, 1973); zeros where it says nothing.
    """

    def __init__(self, terms: Sequence[SplitTerm], shape: Sequence[int], diagonal: Array) -> None:
        masses = [self._mass(terms, i, n) for i, n in enumerate(shape)]
        self.vectors, values = [], np.zeros(())
        own = np.zeros(shape)  # the diagonal of the sum
        for i, (n, mass) in enumerate(zip(shape, masses, strict=True)):
            stiffness = np.zeros((n, n))
            for term in terms:
                if term.dimension == i and term.matrix is not None:
                    matrix = term.matrix.toarray()
                    stiffness += term.size * (matrix * term.along(i)) @ matrix.T
            value, vectors = eigh(stiffness, np.diag(mass))
            self.vectors.append(torch.as_tensor(vectors))
            values = values[..., None] + np.maximum(value, 0.0)
            own = own + _spread(np.diag(stiffness) / mass, i, len(shape))
        shift = sum(term.size for term in terms if term.dimension is None)
        values, own = values + shift, own + shift
        for i, mass in enumerate(masses):
            own = own * _spread(mass, i, len(shape))
        regular = values > _SINGULAR * values.max(initial=0.0)
        self.inverse = torch.as_tensor(np.where(regular, 1 / np.where(regular, values, 1.0), 0.0))
        self.scale = torch.as_tensor(_smooth_root(own, diagonal.reshape(shape)))[..., None]

    @staticmethod
    def _mass(terms: Sequence[SplitTerm], dimension: int, points: int) -> Array:
        """The mean factor of the terms without a derivative along a coordinate."""
        found = [term.along(dimension) for term in terms if term.dimension != dimension]
        mass = np.mean(found, 0) if found else np.ones(points)
        return np.maximum(mass, _LEAST * mass.max(initial=0.0)) if mass.any() else np.ones(points)

    def solve(self, side: Float64[Tensor, "row state"]) -> Float64[Tensor, "row state"]:
        """The (pseudo-)inverse of the sum."""
        values = side.reshape(*self.inverse.shape, -1) * self.scale
        for i, vectors in enumerate(self.vectors):
            values = torch.tensordot(vectors, values, ([0], [i])).movedim(0, i)
        values = values * self.inverse[..., None]
        for i, vectors in enumerate(self.vectors):
            values = torch.tensordot(vectors, values, ([1], [i])).movedim(0, i)
        return (values * self.scale).reshape(side.shape)


def _spread(line: Array, dimension: int, dimensions: int) -> Array:
    """A line of numbers along one of several dimensions."""
    return line.reshape([-1 if i == dimension else 1 for i in range(dimensions)])


def _smooth_root(own: Array, diagonal: Array) -> Array:
    """The root of one diagonal over the other, a geometric mean over neighbours; zero where that is.

    Weights that vary from cell to cell are not those of one scale, and means serve them better:
    measured, with weights over three orders of magnitude, 330 steps in place of 1400 where they are
    noise, and no more where they are smooth.
    """
    said = diagonal > 0
    logarithm = np.where(said, np.log(np.where(said, own, 1.0) / np.where(said, diagonal, 1.0)), 0.0) / 2
    share = uniform_filter(said.astype(np.float64), _CELLS, mode="nearest")
    mean = uniform_filter(logarithm, _CELLS, mode="nearest") / np.where(said, share, 1.0)
    return np.where(said, np.exp(mean), 0.0)
