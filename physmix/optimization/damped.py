"""Damped least squares: the d of least |J d - b|^2 + damping^2 |S d|^2, with S the norms of J's columns.

Scaled so, damping does not depend on the units of weights (Marquardt, J. SIAM 11, 1963). Three ways to the
same d: `NormalEquations` where J has more rows than columns, `SampleSpace` where it has fewer, `MatrixFree`
where both are too many. The first two square the condition of J, which a damping above 1e-5 allows;
below it `SampleSpace` factorises J itself, and `BlockLeastSquares` serves in place of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from physmix.errors import SettingsError

Product = Callable[[Tensor], Tensor]
SQUARED = 1e-5  # damping, relative to S, from which the squared condition does no harm
_UNSEEN = 1e-13  # over the largest norm: such a column is what rounding left, and no residual sees it


@runtime_checkable
class DampedLeastSquares(Protocol):
    """A linear model of residuals."""

    @property
    def sizes(self) -> Float[Tensor, " column"]:
        """S: the norms of the columns."""
        ...

    @property
    def slope(self) -> Float[Tensor, " column"]:
        """J^T b."""
        ...

    @property
    def left(self) -> float:
        """The least sum, which the last d of `solve` reaches."""
        ...

    def solve(self, damping: float) -> Float[Tensor, " column"]:
        """d."""
        ...


def foretold(system: DampedLeastSquares, step: Tensor, damping: float) -> float:
    """How far a step d of `solve` lowers |J d - b|^2: d . J^T b + damping^2 |S d|^2."""
    return float(step @ system.slope) + damping**2 * float((system.sizes * step).square().sum())


def unseen(sizes: Float[Tensor, " column"]) -> Tensor:
    """Which columns are zero but for rounding: their unknowns are to stay."""
    return sizes <= _UNSEEN * sizes.max()


def _scale(sizes: Tensor) -> Tensor:
    return torch.where(unseen(sizes), torch.full_like(sizes, torch.inf), sizes)


class NormalEquations:
    """By Cholesky of J^T J, from rows that come some at a time.

    Args:
        rows: pairs of rows of J and entries of b.
        columns: of J.
    """

    @torch.no_grad()
    def __init__(self, rows: Iterable[tuple[Tensor, Tensor]], columns: int) -> None:
        self._gram = torch.zeros(columns, columns, dtype=torch.float64)
        self.slope = torch.zeros(columns, dtype=torch.float64)
        self.left = self._missed = 0.0
        for some, right in rows:
            self._missed += float(right.square().sum())
            self._gram.addmm_(some.T, some)
            self.slope.addmv_(some.T, right)
        self.sizes = self._gram.diagonal().clamp(min=0.0).sqrt()
        self._scale = _scale(self.sizes)
        self._gram.div_(self._scale).div_(self._scale[:, None])

    @torch.no_grad()
    def solve(self, damping: float) -> Tensor:
        """d; with a damping as large as rounding asks for, if that is larger."""
        damped, right = self._gram.clone(), (self.slope / self._scale)[:, None]
        least = torch.finfo(torch.float64).eps * len(damped)
        for _ in range(20):
            damped.diagonal().copy_(self._gram.diagonal() + max(damping**2, least))
            factor, failed = torch.linalg.cholesky_ex(damped)
            if not failed:
                break
            least *= 10
        found = torch.cholesky_solve(right, factor)[:, 0] / self._scale
        self.left = self._missed - float(found @ self.slope)
        return found


class SampleSpace:
    """By Cholesky of J J^T, the kernel of the samples: d = J^T (J J^T + damping^2)^-1 b, S aside.

    The cost grows with rows^2 x columns (energy natural gradients with Woodbury's identity: Guzman-Cordero,
    Dangel, Goldshlager and Zeinhofer, "Improving energy natural gradient descent through Woodbury,
    momentum, and randomization", 2025).

    Args:
        rows: J, (row, column), which is held.
        right: b.
    """

    @torch.no_grad()
    def __init__(self, rows: Float[Tensor, "row column"], right: Float[Tensor, " row"]) -> None:
        self.slope, self.sizes = rows.T @ right, torch.linalg.vector_norm(rows, dim=0)
        self._scale = _scale(self.sizes)
        self._rows, self._right = rows / self._scale, right
        self._kernel: Tensor | None = None
        self.left = float(right.square().sum())

    def solve(self, damping: float) -> Tensor:
        """d."""
        found = self._solve(damping)
        self.left = float(self._right.square().sum() - found @ self.slope)
        return found

    @torch.no_grad()
    def _solve(self, damping: float) -> Tensor:
        if damping >= SQUARED:
            if self._kernel is None:
                self._kernel = self._rows @ self._rows.T
            kernel = self._kernel.clone()
            kernel.diagonal().add_(damping**2)
            factor, failed = torch.linalg.cholesky_ex(kernel)
            if not failed:
                return (self._rows.T @ torch.cholesky_solve(self._right[:, None], factor)[:, 0]) / self._scale
        # With J^T over damping = Q R, J^T (J J^T + damping^2)^-1 b = Q_1 R^-T b.
        count, columns = self._rows.shape
        least = max(damping, torch.finfo(torch.float64).eps)
        q, r = torch.linalg.qr(torch.cat([self._rows.T, least * torch.eye(count, dtype=torch.float64)]))
        side = torch.linalg.solve_triangular(r.T, self._right[:, None], upper=False)
        return (q[:columns] @ side)[:, 0] / self._scale


class MatrixFree:
    """By conjugate gradients, with a preconditioner from a sketch of J^T J.

    The largest eigenvalues come from a randomised Nystroem approximation (Frangella, Tropp and Udell,
    "Randomized Nystroem preconditioning", SIAM J. Matrix Anal. Appl. 44, 2023); damping does the rest.

    Args:
        rows: called for pairs of rows of J and entries of b, some at a time; twice.
        linearise: gives v -> J v and u -> J^T u; called in each `solve`.
        columns: of J.
        rank: of the sketch.
        iterations: at most, in each `solve`.
        seed: of the sketch.
    """

    @torch.no_grad()
    def __init__(
        self,
        rows: Callable[[], Iterable[tuple[Tensor, Tensor]]],
        linearise: Callable[[], tuple[Product, Product]],
        columns: int,
        *,
        rank: int = 200,
        iterations: int = 200,
        seed: int = 0,
    ) -> None:
        if rank < 1 or iterations < 1:
            raise SettingsError(
                "a matrix-free solve", f"rank={rank}, iterations={iterations}", "give positive numbers"
            )
        squares = torch.zeros(columns, dtype=torch.float64)
        self.slope = torch.zeros(columns, dtype=torch.float64)
        self.left = self._missed = 0.0
        for some, right in rows():
            self._missed += float(right.square().sum())
            squares += some.square().sum(0)
            self.slope.addmv_(some.T, right)
        self.sizes = squares.sqrt()
        self._scale = _scale(self.sizes)
        generator = torch.Generator().manual_seed(seed)
        width = min(rank, columns)
        sides = torch.randn(columns, width, generator=generator, dtype=torch.float64)
        sides = torch.linalg.qr(sides).Q
        sketch = torch.zeros_like(sides)
        for some, _ in rows():
            scaled = some / self._scale
            sketch.addmm_(scaled.T, scaled @ sides)
        self._vectors, self._values = _nystroem(sketch, sides)
        self._linearise, self._iterations = linearise, iterations

    def solve(self, damping: float) -> Tensor:
        """d, to 1e-3 of the slope or as near as the iterations come."""
        square, count = damping**2, len(self.slope)
        least = float(self._values[-1]) + square
        forward, backward = self._linearise()

        def product(v: np.ndarray) -> np.ndarray:
            vector = torch.from_numpy(v.copy()).reshape(-1)
            out = backward(forward(vector / self._scale)) / self._scale
            return (out + square * vector).numpy()

        def precondition(v: np.ndarray) -> np.ndarray:
            vector = torch.from_numpy(v.copy()).reshape(-1)
            along = self._vectors.T @ vector
            changed = self._vectors @ ((least / (self._values + square) - 1) * along)
            return (vector + changed).numpy()

        shape = (count, count)
        found, _ = cg(
            LinearOperator(shape, product, dtype=np.float64),
            (self.slope / self._scale).numpy(),
            rtol=1e-3,
            maxiter=self._iterations,
            M=LinearOperator(shape, precondition, dtype=np.float64),
        )
        step = torch.from_numpy(found) / self._scale
        self.left = self._missed - float(step @ self.slope)
        return step


def _nystroem(sketch: Tensor, sides: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors and eigenvalues, largest first, of A from A Omega and Omega, for positive A."""
    shift = torch.finfo(torch.float64).eps * float(torch.linalg.matrix_norm(sketch)) or 1.0
    shifted = sketch + shift * sides
    factor, failed = torch.linalg.cholesky_ex(sides.T @ shifted)
    while failed:
        shift *= 10
        shifted = sketch + shift * sides
        factor, failed = torch.linalg.cholesky_ex(sides.T @ shifted)
    half = torch.linalg.solve_triangular(factor, shifted.T, upper=False).T
    vectors, values, _ = torch.linalg.svd(half, full_matrices=False)
    return vectors, (values.square() - shift).clamp(min=0.0)
