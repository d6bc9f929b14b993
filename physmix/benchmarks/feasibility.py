"""Contradictory systems: every one is found, and the rows that are named conflict minimally."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from physmix.benchmarks.row import Row, ours
from physmix.constraints import LinearSet
from physmix.errors import ContradictionError

SYSTEMS = 1000


def conflicts_case(case: str) -> list[Row]:
    """Random integer systems with a planted conflict, judged in exact arithmetic."""
    generator = torch.Generator().manual_seed(0)
    good = sum(_named_rightly(generator) for _ in range(SYSTEMS))
    return [ours(case, "conflicts found and minimal", good / SYSTEMS)]


def _named_rightly(generator: torch.Generator) -> bool:
    columns = int(torch.randint(3, 9, (), generator=generator))
    count = int(torch.randint(2, columns + 3, (), generator=generator))
    matrix = torch.randint(-4, 5, (count, columns), generator=generator).double()
    side = matrix @ torch.randint(-4, 5, (columns,), generator=generator).double()
    # One more row: a combination of some others, with another right side.
    share = torch.randint(-2, 3, (count,), generator=generator).double()
    matrix, side = torch.cat([matrix, share[None] @ matrix]), torch.cat([side, (share @ side + 1)[None]])
    order = torch.randperm(count + 1, generator=generator)
    matrix, side = matrix[order], side[order]
    units = 10.0 ** torch.randint(-3, 4, (count + 1,), generator=generator).double()
    names = [str(i) for i in range(count + 1)]
    try:
        LinearSet(matrix * units[:, None], side * units, names)
    except ContradictionError as error:
        rows = [int(name) for name in error.rows]
        less = [[i for i in rows if i != dropped] for dropped in rows]
        return not _solvable(matrix, side, rows) and all(_solvable(matrix, side, part) for part in less)
    return False


def _solvable(matrix: Tensor, side: Tensor, rows: list[int]) -> bool:
    """Whether some rows of an integer system have a solution, by exact elimination."""
    left = [[Fraction(int(v)) for v in (*matrix[i].tolist(), side[i].item())] for i in rows]
    columns = matrix.shape[1]
    for column in range(columns):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        factors = [row[column] / pivot[column] for row in left]
        left = [
            [a - factor * b for a, b in zip(row, pivot, strict=True)]
            for row, factor in zip(left, factors, strict=True)
        ]
    return not any(row[columns] for row in left)
