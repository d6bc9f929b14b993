"""Sparse least squares by blocks of columns: rows are folded into dense fronts, never into normal equations.

Rows that touch few blocks are gathered where the first of these is eliminated; there one orthogonal
factorisation of the front leaves the equations of that block, and the rest goes on to the next one (Duff
and Reid, "The multifrontal solution of indefinite sparse symmetric linear equations", 1983; for QR: Davis,
"Algorithm 915, SuiteSparseQR", 2011). With blocks on a d-dimensional grid, taken by nested dissection
(George 1973), N blocks cost N for d = 1, N^(3/2) for d = 2, and N^2 for d = 3. With one block it is the
streamed dense factorisation (TSQR, see `Moments`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, ShapeError

Blocks = tuple[int, ...]


@dataclass(frozen=True)
class _Eliminated:
    """The equations of a block: own unknowns = solve(triangle, right - coupling @ unknowns of others)."""

    block: int
    others: Blocks
    triangle: Tensor
    coupling: Tensor
    right: Tensor


class BlockLeastSquares:
    """The d that minimises |J d - b|^2 + sum of (damping norm_i d_i)^2, where norm_i is that of column i of J.

    Args:
        sizes: the number of columns of each block.
        order: of elimination; as given if omitted. See `nested_dissection`.

    Raises:
        SettingsError: if the order is not one of all blocks.
    """

    def __init__(self, sizes: Sequence[int], order: Sequence[int] | None = None) -> None:
        self.sizes = tuple(sizes)
        order = tuple(range(len(self.sizes)) if order is None else order)
        if sorted(order) != list(range(len(self.sizes))):
            raise SettingsError("block least squares", f"the order {order} is not one of all blocks", "correct it")
        self._rank = {block: place for place, block in enumerate(order)}
        self._order = order
        self._fronts: dict[Blocks, list[Tensor]] = {}
        self.squares = [torch.zeros(size, dtype=torch.float64) for size in self.sizes]
        self.gradient = [torch.zeros(size, dtype=torch.float64) for size in self.sizes]
        self.missed = 0.0

    @torch.no_grad()
    def add(self, rows: Float[Tensor, "row column"], right: Float[Tensor, " row"], blocks: Sequence[int]) -> None:
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
        waiting = self._fronts.setdefault(place, [])
        waiting.append(front)
        if sum(map(len, waiting)) > 2 * front.shape[1]:
            self._fronts[place] = [_triangle(torch.cat(waiting))]

    @torch.no_grad()
    def solve(self, damping: float = 0.0) -> Tensor:
        """d, the blocks one after the other in their own order; the rows stay, for another damping."""
        fronts = {place: list(parts) for place, parts in self._fronts.items()}
        done: list[_Eliminated] = []
        for block in self._order:
            if self.sizes[block] == 0:
                continue
            own = [place for place in fronts if place[0] == block]
            others = tuple(
                sorted({b for place in own for b in place[1:]} - {block}, key=self._rank.__getitem__)
            )
            columns = (block, *others)
            pieces = [self._spread(torch.cat(fronts.pop(place)), place, columns) for place in own]
            pieces.append(self._damping(block, columns, damping))
            triangle = _triangle(torch.cat(pieces))
            size = self.sizes[block]
            done.append(
                _Eliminated(block, others, triangle[:size, :size], triangle[:size, size:-1], triangle[:size, -1])
            )
            rest = triangle[size:, size:]
            if others and len(rest):
                fronts.setdefault(others, []).append(rest)
        found: dict[int, Tensor] = {}
        for one in reversed(done):
            right = one.right
            if one.others:
                right = right - one.coupling @ torch.cat([found[b] for b in one.others])
            found[one.block] = torch.linalg.solve_triangular(one.triangle, right[:, None], upper=True)[:, 0]
        return torch.cat([found.get(b, torch.zeros(0, dtype=torch.float64)) for b in range(len(self.sizes))])

    def _spread(self, front: Tensor, place: Blocks, columns: Blocks) -> Tensor:
        """A front with zero columns for the blocks it does not touch."""
        if place == columns:
            return front
        parts = dict(zip(place, front[:, :-1].split([self.sizes[b] for b in place], 1), strict=True))
        wide = [parts[b] if b in parts else front.new_zeros(len(front), self.sizes[b]) for b in columns]
        return torch.cat([*wide, front[:, -1:]], 1)

    def _damping(self, block: int, columns: Blocks, damping: float) -> Tensor:
        # A column of zeros, or none of damping, leaves its unknown zero in place of undefined.
        norm = self.squares[block].sqrt()
        least = torch.finfo(norm.dtype).tiny ** 0.5
        own = torch.diag(torch.where(norm > 0, damping * norm, torch.ones_like(norm)).clamp(min=least))
        width = sum(self.sizes[b] for b in columns[1:]) + 1
        return torch.cat([own, own.new_zeros(len(own), width)], 1)


def _triangle(rows: Tensor) -> Tensor:
    return torch.linalg.qr(rows, mode="r").R


def nested_dissection(shape: Sequence[int]) -> list[int]:
    """An order of the blocks of a grid, numbered with the last axis fastest: halves first, then what parts them."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]

    def order(low: list[int], high: list[int]) -> list[int]:
        lengths = [b - a for a, b in zip(low, high, strict=True)]
        if min(lengths) <= 0:
            return []
        axis = max(range(len(lengths)), key=lengths.__getitem__)
        if lengths[axis] == 1:
            return [sum(a * s for a, s in zip(low, strides, strict=True))]
        middle = low[axis] + lengths[axis] // 2
        first, last = list(high), list(low)
        first[axis], last[axis] = middle, middle + 1
        part_low, part_high = list(low), list(high)
        part_low[axis], part_high[axis] = middle, middle + 1
        return order(low, first) + order(last, high) + order(part_low, part_high)

    return order([0] * len(shape), list(shape))
