"""Random linear systems in conflict with themselves, and the exact arithmetic that judges them."""

from dataclasses import dataclass
from fractions import Fraction

import torch

DECADES = torch.logspace(-6, 6, 13, dtype=torch.float64)


@dataclass(frozen=True)
class System:
    """A w = b with integers, and the same system in other units.

    Row i is multiplied by `row_units[i]`, and unknown j is counted in `column_units[j]`; neither
    changes which rows contradict each other.
    """

    matrix: list[list[int]]
    side: list[int]
    row_units: torch.Tensor
    column_units: torch.Tensor

    @property
    def names(self):
        return [f"r{i}" for i in range(len(self.side))]

    @property
    def scaled(self):
        matrix = torch.tensor(self.matrix, dtype=torch.float64)
        side = torch.tensor(self.side, dtype=torch.float64)
        return self.row_units[:, None] * matrix * self.column_units, self.row_units * side

    def consistent(self, rows):
        """Whether some rows have a common solution, by elimination in fractions."""
        system = [[Fraction(v) for v in (*self.matrix[i], self.side[i])] for i in rows]
        place = 0
        for column in range(len(self.matrix[0])):
            pivot = next((i for i in range(place, len(system)) if system[i][column]), None)
            if pivot is None:
                continue
            system[place], system[pivot] = system[pivot], system[place]
            for i in range(place + 1, len(system)):
                factor = system[i][column] / system[place][column]
                if factor:
                    system[i] = [a - factor * b for a, b in zip(system[i], system[place], strict=True)]
            place += 1
        return not any(row[-1] for row in system[place:])

    def is_minimal_conflict(self, names):
        rows = [self.names.index(name) for name in names]
        return not self.consistent(rows) and all(
            self.consistent([i for i in rows if i != row]) for row in rows
        )


def random_system(seed, *, units, planted=True):
    """A random consistent system with redundant rows and, if planted, one row that contradicts others."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda low, high, *shape: torch.randint(low, high + 1, shape, generator=generator)
    columns = int(draw(3, 12))
    matrix = draw(-4, 4, int(draw(2, columns)), columns)
    matrix = matrix * (torch.rand(matrix.shape, generator=generator) < float(draw(2, 10)) / 10)
    if planted and not bool(matrix.any()):
        matrix[0, 0] = 1
    solution = draw(-3, 3, columns)
    redundant = draw(-2, 2, int(draw(0, 3)), len(matrix)) @ matrix
    wrong = draw(-2, 2, 1, len(matrix)) @ matrix if planted else matrix[:0]
    rows = torch.cat([matrix, redundant, wrong])
    side = rows @ solution
    if planted:
        side[-1] += 1 + draw(0, 4)
    order = torch.randperm(len(rows), generator=generator)
    rows, side = rows[order], side[order]
    pick = lambda count: DECADES[draw(0, len(DECADES) - 1, count)] if units else torch.ones(count).double()
    return System(rows.tolist(), side.tolist(), pick(len(rows)), pick(columns))
