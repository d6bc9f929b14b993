"""Staggered grids: levels, positions, and differences that commute, beside ends as well."""

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.grids import BoundedAxis, PeriodicAxis, StaggeredGrid
from physmix.operators import Operators

FACES = {"ux": (1, 0), "uy": (0, 1)}
NODES = [0.0, 0.1, 0.3, 0.7, 1.0]


def grids():
    periodic, bounded = PeriodicAxis(6, 1.5), BoundedAxis(NODES)
    return [
        StaggeredGrid({"x": one, "y": two})
        for one, two in ((periodic, periodic), (periodic, bounded), (bounded, bounded))
    ]


def test_levels_of_a_bounded_axis():
    axis = BoundedAxis(NODES)
    expected = {
        -1: [0.1, 0.3, 0.7],
        0: [0.05, 0.2, 0.5, 0.85],
        1: NODES,
        2: [-0.05, 0.05, 0.2, 0.5, 0.85, 1.15],
        3: [-0.1, *NODES, 1.3],
    }
    for level, positions in expected.items():
        assert axis.size(level) == len(positions)
        torch.testing.assert_close(axis.positions(level), torch.tensor(positions, dtype=torch.float64))


@pytest.mark.parametrize("grid", grids())
def test_differences_commute_and_those_of_a_line_are_one(grid, generator):
    place = grid.moved((0, 0), (-2, -1))
    field = torch.randn(1, *grid.shape(place), 2, generator=generator, dtype=torch.float64)
    first = grid.differentiate(field, place, 0)
    one = grid.differentiate(first, grid.moved(place, (1, 0)), 1)
    two = grid.differentiate(grid.differentiate(field, place, 1), grid.moved(place, (0, 1)), 0)
    torch.testing.assert_close(one, two, rtol=1e-13, atol=1e-12)
    torch.testing.assert_close(grid.apply(field, place, (1, 1)), one)
    ramp = 3 * list(grid.axes.values())[1].positions(place[1]).expand(grid.shape(place)) + 1
    slope = grid.differentiate(ramp[None], place, 1)[:, :, 1:-1]  # a period has a jump at its ends
    torch.testing.assert_close(slope, torch.full_like(slope, 3.0))


@pytest.mark.parametrize("kind", ["even", "unequal", "periodic"])
def test_differences_of_faces_are_of_second_order_at_cells(kind):
    errors = []
    for n in (16, 32):
        even = 2 * torch.pi / n * torch.arange(n + 1, dtype=torch.float64)
        nodes = even + 0.3 * even.sin() if kind == "unequal" else even
        axis = PeriodicAxis(n, 2 * torch.pi) if kind == "periodic" else BoundedAxis(nodes)
        grid = StaggeredGrid({"x": axis})
        out = grid.differentiate(axis.positions(1).sin()[None], (1,), 0)[0]
        errors.append((out - axis.positions(0).cos()).abs().max())
    assert 3.7 < errors[0] / errors[1] < 4.3


def test_allowed_entries_lead_to_the_place_of_the_field():
    operators = Operators.derivatives("xy", 1)
    for grid in grids():
        expected = (("ux", (0, 1)), ("uy", (1, 0)))
        assert grid.allowed_entries((1, 1), FACES, operators) == expected
        assert (1, 1) in grid.origins(FACES.values(), operators)


def test_walls_are_at_ends_and_around_solid_cells():
    periodic, mixed, bounded = grids()
    solid = torch.zeros(4, 4, dtype=torch.bool)
    solid[1, 2] = True
    around = torch.zeros(5, 4, dtype=torch.bool)
    around[1:3, 2] = True
    assert torch.equal(bounded.walls((1, 0), ends=(), solid=solid), around)
    around[0] = around[-1] = True
    assert torch.equal(bounded.walls((1, 0), solid=solid), around)
    assert not periodic.walls((1, 0)).any()
    assert not mixed.walls((1, 0)).any()
    assert mixed.walls((0, 1)).sum() == 12
    assert not bounded.walls((0, 0)).any()  # cells do not live on walls
    last = torch.zeros(6, 6, dtype=torch.bool)
    last[5, 0] = True
    # Level 1 of a period is half a cell after level 0: cell 5 has the faces 4 and 5.
    assert periodic.walls((1, 0), solid=last).nonzero().tolist() == [[4, 0], [5, 0]]
    assert periodic.walls((0, 1), solid=last).nonzero().tolist() == [[5, 0], [5, 5]]


def test_what_does_not_fit_is_refused():
    periodic, _, bounded = grids()
    with pytest.raises(SettingsError, match="is no place"):
        periodic.shape((0, 2))
    with pytest.raises(SettingsError, match="is no place"):
        bounded.shape((0,))
    with pytest.raises(SettingsError, match="is no place"):
        bounded.differentiate(torch.zeros(1, 1, 4), (-3, 0), 0)
    with pytest.raises(ShapeError, match="a field"):
        bounded.differentiate(torch.zeros(1, 4, 4), (1, 0), 0)
    with pytest.raises(ShapeError, match="solid cells"):
        bounded.walls((1, 0), solid=torch.zeros(5, 4, dtype=torch.bool))
    with pytest.raises(SettingsError, match="positive"):
        PeriodicAxis(0, 1.0)
    with pytest.raises(SettingsError, match="do not increase"):
        BoundedAxis([0.0, 1.0, 1.0])
