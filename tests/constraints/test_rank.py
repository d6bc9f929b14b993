"""Rank decisions: free of units, and honest about how clear they were."""

import math

import pytest
import torch
from contradictions import random_system
from set_cases import normal

from physmix.constraints import LinearSet
from physmix.constraints.rank import equilibrate, minimal_conflict, solve

UNITS = [1e-6, 1e-3, 1.0, 1e3, 1e6]


def deficient(rows, rank, columns, seed):
    return normal(rows, rank, seed=seed) @ normal(rank, columns, seed=seed + 1)


def scales(count, seed):
    """Units between 1e-6 and 1e6, not powers of two, so that scaling rounds."""
    return 10 ** (12 * torch.rand(count, generator=torch.Generator().manual_seed(seed)).double() - 6)


@pytest.mark.parametrize("shape", [(3, 3, 8), (5, 2, 8), (8, 3, 6), (12, 7, 40), (40, 11, 30)], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_units_of_rows_and_columns_keep_the_rank(shape, seed):
    rows, rank, columns = shape
    matrix = deficient(rows, rank, columns, 10 * seed)
    scaled = scales(rows, seed)[:, None] * matrix * scales(columns, seed + 100)
    for one in (matrix, scaled):
        found = LinearSet(one).rank
        assert found.rank == rank
        assert found.gap > 1e8  # clear


@pytest.mark.parametrize("row", UNITS)
@pytest.mark.parametrize("column", UNITS)
def test_the_null_space_is_the_same_in_other_units(row, column):
    matrix = deficient(4, 3, 7, 50)
    units = torch.ones(7).double()
    units[::2] = column
    rows = torch.tensor([row, 1.0, 1 / row, 1.0]).double()
    basis = LinearSet(rows[:, None] * matrix * units).basis()
    physical = torch.linalg.qr(units[:, None] * basis).Q  # back in the units of the matrix
    assert float((matrix @ physical).abs().max()) < 1e-9 * float(matrix.abs().max())


def test_integers_in_any_units_have_their_rank():
    for seed in range(60):
        system = random_system(seed, units=True, planted=False)
        exact = int(torch.linalg.matrix_rank(torch.tensor(system.matrix).double()))
        assert LinearSet(system.scaled[0]).rank.rank == exact


@pytest.mark.parametrize("noise", [1e-4, 1e-8, 1e-12])
def test_the_gap_tells_how_clear_a_decision_was(noise):
    """Two rows that all but agree: they count as two, and the gap of one more such row says how near."""
    row = normal(1, 6, seed=60)
    nearly = torch.cat([row, row + noise * normal(1, 6, seed=61)])
    assert LinearSet(nearly).rank.rank == 2
    values = torch.linalg.svdvals(equilibrate(nearly)[0])
    assert float(values[1]) < 10 * noise
    doubled = torch.cat([nearly, nearly.sum(0, keepdim=True)])  # the third is round-off, 1e-16
    rank = LinearSet(doubled).rank
    assert rank.rank == 2
    assert rank.gap < 100 * noise / 1e-17
    assert LinearSet(torch.cat([row, 3 * row])).rank.gap > rank.gap or noise == 1e-4


def test_a_gap_is_infinite_where_nothing_was_left_out():
    assert LinearSet(normal(3, 6)).rank.gap == math.inf
    assert LinearSet(normal(0, 6)).rank.gap == math.inf
    assert LinearSet(torch.zeros(2, 6).double()).rank.rank == 0


def test_equilibration_is_exact_and_evens_out():
    matrix = normal(6, 9, seed=62)
    scaled, left, right = equilibrate(scales(6, 1)[:, None] * matrix * scales(9, 2))
    for powers in (left, right):
        assert bool((torch.frexp(powers).mantissa == 0.5).all())
    norms = torch.cat([torch.linalg.vector_norm(scaled, dim=axis) for axis in (0, 1)])
    assert float(norms.max() / norms.min()) < 10


@pytest.mark.parametrize("columns", [8, 200], ids=["dense", "wide"])
def test_a_solution_in_other_units_is_a_solution(columns):
    matrix = normal(4, columns, seed=63)
    side = matrix @ normal(columns, seed=64)
    rows, units = scales(4, 3), scales(columns, 4)
    members = LinearSet(rows[:, None] * matrix * units, rows * side)
    found = units * members.origin()  # in the units of the matrix
    size = matrix.abs() @ found.abs() + side.abs()
    assert bool(((matrix @ found - side).abs() <= 1e-9 * size).all())
    assert members.contains(members.project(normal(columns, seed=65)))


def test_the_rows_complete_the_basis():
    matrix = scales(5, 5)[:, None] * deficient(5, 3, 8, 70) * scales(8, 6)
    solution = solve(matrix, torch.zeros(5).double())
    whole = torch.cat([solution.rows, solution.basis], 1)
    torch.testing.assert_close(whole.T @ whole, torch.eye(8).double(), rtol=0, atol=1e-9)


def test_a_minimal_conflict_is_found_by_leaving_out():
    conflict = {1, 4, 6}
    assert minimal_conflict(8, lambda rows: not conflict <= set(rows)) == sorted(conflict)
