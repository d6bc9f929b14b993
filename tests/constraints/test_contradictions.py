"""Contradictory constraints: each is refused, and what is named is in conflict and minimal.

The judge works on the same system in integers, in exact arithmetic (contradictions.py).
"""

import cvxpy
import pytest
import torch
from contradictions import DECADES, random_system
from scipy.optimize import linprog

from physmix.constraints import (
    Ball,
    Box,
    Columns,
    Convex,
    LinearSet,
    Nonnegative,
    Simplex,
    SpectralBall,
    Whole,
    intersect,
    on_outputs,
)
from physmix.errors import ContradictionError

ONES = torch.ones(1, 3).double()
UNITS = pytest.mark.parametrize("units", [False, True], ids=["plain", "units-1e-6-to-1e6"])


def assert_named(seeds, *, units):
    for seed in seeds:
        system = random_system(seed, units=units)
        with pytest.raises(ContradictionError) as failure:
            LinearSet(*system.scaled, names=system.names)
        assert system.is_minimal_conflict(failure.value.rows), seed


def assert_accepted(seeds, *, units):
    for seed in seeds:
        system = random_system(seed, units=units, planted=False)
        members = LinearSet(*system.scaled)
        assert members.rank.rank == int(torch.linalg.matrix_rank(torch.tensor(system.matrix).double())), seed
        assert members.contains(members.origin()), seed


@UNITS
def test_a_planted_conflict_of_equations_is_named_and_minimal(units):
    assert_named(range(50), units=units)


@pytest.mark.slow
@UNITS
def test_a_thousand_planted_conflicts_are_named_and_minimal(units):
    assert_named(range(1_000), units=units)


@UNITS
def test_without_the_conflict_the_same_equations_are_accepted_with_their_rank(units):
    assert_accepted(range(100), units=units)


@pytest.mark.slow
@UNITS
def test_a_thousand_equations_without_conflict_are_accepted(units):
    assert_accepted(range(1_000), units=units)


def test_a_conflict_in_small_units_is_seen_beside_large_ones():
    """w0 = 1e-6 and w0 = 2e-6 beside w1 = 1e6: no row or column scaling shows it."""
    matrix = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    with pytest.raises(ContradictionError) as failure:
        LinearSet(matrix, torch.tensor([1e-6, 2e-6, 1e6]).double(), names=list("abc"))
    assert failure.value.rows == ("a", "b")


def test_equations_whose_unknowns_vanish_are_no_conflict():
    """Refined again and again, zeros become round-off of round-off, against which nothing is small."""
    matrix = torch.tensor([[0, 0, 0, -2, 0], [-4, 0, 4, -2, 2], [0, 0, 4, 4, 2]]).double()
    members = LinearSet(matrix, torch.tensor([0, -4, 0]).double())
    torch.testing.assert_close(members.origin(), torch.eye(5).double()[0], rtol=0, atol=1e-15)


def test_a_conflict_of_one_leading_member_is_found():
    matrix = torch.ones(2, 3).double()
    with pytest.raises(ContradictionError) as failure:
        LinearSet(matrix, torch.tensor([[1.0, 1.0], [1.0, 2.0]]).double())
    assert failure.value.rows == ("row 0", "row 1")


def test_a_conflict_of_complex_equations_is_named():
    matrix = torch.tensor([[1j, 1.0, 0], [0, 1j, 1], [1j, 1 + 1j, 1]], dtype=torch.complex128)
    with pytest.raises(ContradictionError) as failure:
        LinearSet(torch.cat([matrix[:1] * 0 + 1, matrix]), torch.tensor([5, 1, 1j, 1]).to(matrix))
    assert failure.value.rows == ("row 1", "row 2", "row 3")


# --- equations with bounds --------------------------------------------------------------------------


def bounded_system(seed, *, units, planted):
    """Integer equations with bounds; if planted, one row asks for more than the bounds allow."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda low, high, *shape: torch.randint(low, high + 1, shape, generator=generator)
    columns = int(draw(3, 8))
    matrix = draw(-3, 3, int(draw(1, columns - 1)), columns)
    matrix = matrix * (torch.rand(matrix.shape, generator=generator) < 0.7)
    lower, upper = -draw(0, 3, columns), draw(1, 4, columns)
    inside = lower + (torch.rand(columns, generator=generator) * (upper - lower + 1)).floor().long()
    side = matrix @ inside
    if planted:
        row = int(draw(0, len(matrix) - 1))
        matrix[row, 0] = 1
        side = matrix @ inside
        side[row] = 1 + torch.maximum(matrix[row] * lower, matrix[row] * upper).sum()
    pick = lambda count: DECADES[draw(0, len(DECADES) - 1, count)] if units else torch.ones(count).double()
    return (matrix, side, lower, upper), pick(len(matrix)), pick(columns)


def bounded_set(plain, rows, columns):
    matrix, side, lower, upper = plain
    equations = LinearSet(rows[:, None] * matrix * columns, rows * side, [f"r{i}" for i in range(len(side))])
    return intersect(equations, Box(lower / columns, upper / columns), shape=(len(columns),))


def can_hold(plain, names):
    """Whether the named equations and bounds have a common solution, by linear programming in integers."""
    matrix, side, lower, upper = plain
    rows = [int(name[1:]) for name in names if name.startswith("r")]
    held = {int(name.rsplit(" ", 1)[1]) for name in names if not name.startswith("r")}
    bounds = [
        (float(lower[i]), float(upper[i])) if i in held else (None, None) for i in range(matrix.shape[1])
    ]
    equations = {"A_eq": matrix[rows].numpy(), "b_eq": side[rows].numpy()} if rows else {}
    return linprog([0.0] * matrix.shape[1], bounds=bounds, **equations).status == 0


def assert_bounds_named(seeds, *, units):
    for seed in seeds:
        plain, *scales = bounded_system(seed, units=units, planted=True)
        try:
            bounded_set(plain, *scales)
        except ContradictionError as failure:
            names = failure.rows
        else:
            pytest.fail(f"system {seed} was accepted")
        assert not can_hold(plain, names), seed
        assert all(can_hold(plain, [name for name in names if name != one]) for one in names), seed


@UNITS
def test_a_conflict_of_equations_with_bounds_is_named_and_minimal(units):
    assert_bounds_named(range(10), units=units)


@pytest.mark.slow
@UNITS
def test_hundreds_of_conflicts_with_bounds_are_named_and_minimal(units):
    assert_bounds_named(range(300), units=units)


@UNITS
def test_equations_with_bounds_that_can_hold_are_accepted(units):
    for seed in range(40):
        plain, *scales = bounded_system(seed, units=units, planted=False)
        assert bounded_set(plain, *scales).parts.lower.isfinite().any()


def test_bounds_in_conflict_are_named():
    with pytest.raises(ContradictionError) as failure:
        intersect(Box(0, 1), Box(2, 3), shape=(2,))
    assert failure.value.rows in (("the bounds of weight 0",), ("the bounds of weight 1",))
    with pytest.raises(ContradictionError, match="lower bound 2"):
        Box(2, 1)


def test_shares_that_are_too_small_for_their_total_are_named():
    with pytest.raises(ContradictionError) as failure:
        intersect(Simplex(), Box(upper=0.2), shape=(4,))
    assert failure.value.rows == ("sum = 1", *(f"the bounds of weight {i}" for i in range(4)))


# --- sets that meet, and sets in cvxpy -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "shape", "named"),
    [
        # Shares of four have a norm of 1/2 or more.
        ((Simplex(), Ball(0.4)), (4,), ["Simplex", "Ball"]),
        ((Nonnegative(), Simplex(), SpectralBall(), Ball(0.4)), (3, 4), ["Polyhedron", "Ball"]),
        ((SpectralBall(), Whole(Ball(3), (3, 4)), on_outputs(ONES, 2 * torch.ones(1, 4).double())), (3, 4),
         ["Outputs", "SpectralBall"]),
    ],
    ids=["shares", "among-others", "spectral"],
)  # fmt: skip
def test_sets_that_do_not_meet_are_named_and_minimal(sets, shape, named):
    with pytest.raises(ContradictionError) as failure:
        intersect(*sets, shape=shape)
    assert [name.split("(")[0] for name in failure.value.rows] == named


def test_columns_in_conflict_with_a_ball_are_named():
    with pytest.raises(ContradictionError) as failure:
        intersect(Columns(Simplex()), Whole(Ball(0.9), (4, 4)), shape=(4, 4))
    assert failure.value.rows == (repr(Columns(Simplex())), repr(Whole(Ball(0.9), (4, 4))))


@pytest.mark.parametrize(
    ("constraints", "kept"),
    [
        # The sum of four numbers is at most twice their norm, whether or not they are negative.
        (lambda w: [w >= 0, cvxpy.sum(w) == 1, cvxpy.norm(w) <= 0.3, w[0] <= 5], (1, 2)),
        (lambda w: [w[0] >= 1, w[1] <= 2, w[0] + w[1] <= 0, w[1] >= 0], (0, 2, 3)),
        (lambda w: [w[0] == 1, w[2] == 3, w[0] == 2], (0, 2)),
        (lambda w: [cvxpy.norm(w, 1) <= 1, cvxpy.norm(w - 1, "inf") <= 0.5], (0, 1)),
    ],
    ids=["cone", "bounds", "equations", "norms"],
)
def test_a_conflict_in_cvxpy_is_named_and_minimal(constraints, kept):
    with pytest.raises(ContradictionError) as failure:
        Convex(constraints, (4,))
    names = failure.value.rows
    written = constraints(cvxpy.Variable(4))
    assert len(names) == len(kept)
    operators = [next(sign for sign in ("==", "<=", ">=") if sign in str(written[i])) for i in kept]
    assert [next(sign for sign in ("==", "<=", ">=") if sign in name) for name in names] == operators
