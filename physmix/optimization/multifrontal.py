"""Sparse least squares by blocks of columns: rows are folded into dense fronts, never into normal equations.

Rows that touch few blocks are gathered where the first of these is eliminated; there one orthogonal
factorisation of the front leaves the equations of that block, and the rest goes on to the next one (Duff
and Reid, "The multifrontal solution of indefinite sparse symmetric linear equations", 1983; for QR: Davis,
"Algorithm 915, SuiteSparseQR", 2011). With blocks on a d-dimensional grid, taken by nested dissection
(George 1973), N blocks cost N for d = 1, N^(3/2) for d = 2, and N^2 for d = 3. With one block it is the
streamed dense factorisation (TSQR, see `Moments`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg.lapack import dtpqrt
from threadpoolctl import ThreadpoolController
from torch import Tensor

from physmix.errors import SettingsError, ShapeError

Blocks = tuple[int, ...]
_PANEL = 32  # columns that LAPACK takes at once
_WIDE = 1500  # columns from which SciPy's threads gain more than waiting for torch's own costs


@dataclass(frozen=True)
class _Eliminated:
    """Equations of some blocks: their unknowns = solve(triangle, right - coupling @ unknowns of others)."""

    blocks: Blocks
    others: Blocks
    triangle: Tensor
    coupling: Tensor
    right: Tensor


class BlockLeastSquares:
    """The d of least |J d - b|^2 + sum of (damping norm_i d_i)^2, where norm_i is that of column i of J.

    Args:
        sizes: the number of columns of each block.
        order: groups of blocks, each eliminated at once; all at once if omitted. See `nested_dissection`.

    Raises:
        SettingsError: if the order is not one of all blocks.
    """

    def __init__(self, sizes: Sequence[int], order: Sequence[Blocks] | None = None) -> None:
        self.sizes = tuple(sizes)
        self._order = (tuple(range(len(self.sizes))),) if order is None else tuple(map(tuple, order))
        flat = [block for group in self._order for block in group]
        if sorted(flat) != list(range(len(self.sizes))):
            raise SettingsError(
                "block least squares", f"the order {order} is not one of all blocks", "correct it"
            )
        self._rank = {block: place for place, block in enumerate(flat)}
        self._waiting: dict[Blocks, list[Tensor]] = {}
        self._triangles: dict[Blocks, Tensor] = {}
        self.squares = [torch.zeros(size, dtype=torch.float64) for size in self.sizes]
        self.gradient = [torch.zeros(size, dtype=torch.float64) for size in self.sizes]
        self.missed = self.left = 0.0

    @torch.no_grad()
    def add(
        self, rows: Float[Tensor, "row column"], right: Float[Tensor, " row"], blocks: Sequence[int]
    ) -> None:
        """Fold in rows that touch some blocks only, with their columns in this order of blocks.

        Raises:
            ShapeError: if the columns are not those of the blocks.
        """
        widths = [self.sizes[block] for block in blocks]
        if rows.shape != (len(right), sum(widths)):
            raise ShapeError("rows of least squares", rows.shape, f"({len(right)}, {sum(widths)})")
        parts = dict(zip(blocks, rows.split(widths, 1), strict=True))
        for block, part in parts.items():
            self.squares[block] += part.square().sum(0)
            self.gradient[block] += part.T @ right
        self.missed += float(right.square().sum())
        place = tuple(sorted(blocks, key=self._rank.__getitem__))
        front = torch.cat([*(parts[block] for block in place), right[:, None]], 1)
        waiting = self._waiting.setdefault(place, [])
        waiting.append(front)
        if sum(map(len, waiting)) > 2 * front.shape[1]:
            self._fold(place)

    def _fold(self, place: Blocks) -> None:
        """Put the rows that wait into the triangle of those that touch the same blocks."""
        held = [self._triangles[place]] if place in self._triangles else []
        self._triangles[place] = torch.linalg.qr(torch.cat([*held, *self._waiting.pop(place)]), mode="r").R

    @torch.no_grad()
    def solve(self, damping: float = 0.0) -> Tensor:
        """d, the blocks one after the other in their own order; the rows stay, for another damping.

        The least sum, with what damping adds, is in `left` then.
        """
        found: dict[int, Tensor] = {}
        for one in reversed(self._eliminated(damping)):
            right = one.right
            if one.others:
                right = right - one.coupling @ torch.cat([found[b] for b in one.others])
            own = torch.linalg.solve_triangular(one.triangle, right[:, None], upper=True)[:, 0]
            found |= zip(one.blocks, own.split([self.sizes[b] for b in one.blocks]), strict=True)
        return torch.cat([found[b] for b in range(len(self.sizes))])

    @torch.no_grad()
    def whitening(self, damping: float = 0.0) -> Callable[[Tensor], Tensor]:
        """B -> Z, both (column, side), with Z^T Z = B^T (J^T J)^-1 B: the triangle R of J with R^T Z = B.

        With rows of J in units of their standard deviations, Z^T Z is the covariance of B^T d.

        Args:
            damping: adds to J^T J as in `solve`.
        """
        done = self._eliminated(damping)

        def whiten(sides: Float[Tensor, "column side"]) -> Tensor:
            if sides.shape[0] != sum(self.sizes):
                raise ShapeError("right sides", sides.shape, f"({sum(self.sizes)}, sides)")
            left = list(sides.split(list(self.sizes)))
            found = []
            for one in done:
                own = torch.cat([left[b] for b in one.blocks])
                found.append(torch.linalg.solve_triangular(one.triangle.T, own, upper=False))
                if one.others:
                    parts = (one.coupling.T @ found[-1]).split([self.sizes[b] for b in one.others])
                    for block, part in zip(one.others, parts, strict=True):
                        left[block] = left[block] - part
            return torch.cat(found)

        return whiten

    def _eliminated(self, damping: float) -> list[_Eliminated]:
        """The triangle, group by group in their order."""
        self.left = 0.0
        for place in list(self._waiting):
            self._fold(place)
        fronts = {place: [triangle] for place, triangle in self._triangles.items()}
        done: list[_Eliminated] = []
        for group in self._order:
            own = [place for place in fronts if place[0] in group]
            others = tuple(
                sorted({b for place in own for b in place} - set(group), key=self._rank.__getitem__)
            )
            columns = (*group, *others)
            width = sum(self.sizes[b] for b in columns) + 1
            triangle = _Triangle(width)
            for place in own:
                for front in fronts.pop(place):
                    triangle.fold(self._spread(front, place, columns))
            triangle.fold(self._damping(group, width, damping))
            size = sum(self.sizes[b] for b in group)
            whole = triangle.rows
            done.append(
                _Eliminated(group, others, whole[:size, :size], whole[:size, size:-1], whole[:size, -1])
            )
            if others:
                fronts.setdefault(others, []).append(whole[size:, size:])
            else:
                self.left += float(whole[-1, -1].square())
        return done

    def _spread(self, front: Tensor, place: Blocks, columns: Blocks) -> Tensor:
        """A front with zero columns for the blocks it does not touch."""
        if place == columns:
            return front
        parts = dict(zip(place, front[:, :-1].split([self.sizes[b] for b in place], 1), strict=True))
        wide = [parts[b] if b in parts else front.new_zeros(len(front), self.sizes[b]) for b in columns]
        return torch.cat([*wide, front[:, -1:]], 1)

    def _damping(self, group: Blocks, width: int, damping: float) -> Tensor:
        # A column of zeros leaves its unknown zero in place of undefined.
        norm = torch.cat([self.squares[b] for b in group]).sqrt()
        least = torch.finfo(norm.dtype).tiny ** 0.5
        own = torch.diag(torch.where(norm > 0, damping * norm, torch.ones_like(norm)).clamp(min=least))
        return torch.cat([own, own.new_zeros(len(own), width - len(own))], 1)


@cache
def _libraries() -> ThreadpoolController:
    """SciPy's linear algebra, whose threads are not those of torch."""
    return ThreadpoolController().select(internal_api="openblas")


class _Triangle:
    """The triangular factor of rows that come as upper trapezoids, which cost a fifth of full ones.

    A front whose columns are spread stays one, since its columns keep their order (LAPACK's tpqrt: Elmroth
    and Gustavson, "Applying recursion to serial and parallel QR factorization", IBM J. Res. Dev. 44, 2000).
    """

    def __init__(self, width: int) -> None:
        self._rows = np.zeros((width, width), order="F")
        self._empty = True

    def fold(self, front: Tensor) -> None:
        """Put in rows that are zero left of the diagonal, not more than columns."""
        rows = np.asfortranarray(front.numpy())
        if self._empty:
            self._rows[: len(rows)] = rows
        else:
            panel, width = min(_PANEL, len(self._rows)), len(self._rows)
            with _libraries().limit(limits=1 if width < _WIDE else None):
                self._rows, *_ = dtpqrt(len(rows), panel, self._rows, rows, overwrite_a=1)
        self._empty = False

    @property
    def rows(self) -> Tensor:
        """The factor, (column, column)."""
        return torch.from_numpy(self._rows)


def nested_dissection(shape: Sequence[int]) -> list[Blocks]:
    """An order of the blocks of a grid, the last axis fastest: both halves, then what parts them."""
    numbers = torch.arange(math.prod(shape)).reshape(tuple(shape))

    def order(part: Tensor) -> list[Blocks]:
        if part.numel() == 0:
            return []
        axis = max(range(part.ndim), key=lambda i: part.shape[i])
        length = part.shape[axis]
        if length <= 2:  # nothing is left to part
            return [tuple(part.flatten().tolist())]
        middle = length // 2
        halves = part.narrow(axis, 0, middle), part.narrow(axis, middle + 1, length - middle - 1)
        between = part.narrow(axis, middle, 1)
        return [*order(halves[0]), *order(halves[1]), tuple(between.flatten().tolist())]

    return order(numbers)
