"""Changes of state as fluxes: totals change by what passes the ends, and walls let nothing through."""

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.grids import BoundedAxis, PeriodicAxis, StaggeredGrid
from physmix.laws import parse_laws
from physmix.mixing import FluxLayer, MixingBlock
from physmix.mixing.blocks import neighbour_channels

GAS = ("rho", "mx", "my", "E")
LAWS = {f"total of {name}": f"integral({name}) = const" for name in GAS}
UNEVEN = BoundedAxis([0.0, 0.1, 0.3, 0.35, 0.7, 1.0, 1.6])
GRIDS = {
    "periodic": StaggeredGrid({"x": PeriodicAxis(8, 2.0), "y": PeriodicAxis(5, 1.0)}),
    "channel": StaggeredGrid({"x": PeriodicAxis(8, 2.0), "y": UNEVEN}),
    "box": StaggeredGrid({"x": UNEVEN, "y": BoundedAxis([0.0, 0.5, 0.6, 2.0])}),
    "tube": StaggeredGrid({"x": UNEVEN}),
    "volume": StaggeredGrid({"x": PeriodicAxis(3, 1.0), "y": UNEVEN, "z": BoundedAxis([0.0, 1.0, 3.0])}),
}


def layer(grid, laws=LAWS, fields=GAS, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    texts = parse_laws(laws, ("t", *grid.coordinates))
    return FluxLayer(grid, texts, fields, 6, generator=generator, **settings).double()


def potentials(grid, seed=1):
    cells = grid.shape((0,) * len(grid.axes))
    return torch.randn(3, *cells, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def totals(grid, values):
    volumes = grid.volumes((0,) * len(grid.axes))[..., None]
    return (values * volumes).flatten(1, -2).sum(1), (values * volumes).abs().flatten(1, -2).sum(1)


@pytest.mark.parametrize("name", GRIDS)
def test_totals_change_by_what_passes_the_ends(name):
    grid = GRIDS[name]
    fluxes = layer(grid, size={"E": 1e3})(potentials(grid))
    assert fluxes.source is None
    change, terms = totals(grid, fluxes.change())
    assert (terms > 0.01).all()
    assert ((change - fluxes.through_ends()).abs() <= 1e-14 * terms).all()
    open_ends = any(isinstance(axis, BoundedAxis) for axis in grid.axes.values())
    assert bool((fluxes.through_ends().abs() > 1e-3).any()) == open_ends


@pytest.mark.parametrize("name", GRIDS)
def test_nothing_of_a_closed_field_passes_walls_and_the_free_twin_has_sources(name):
    grid = GRIDS[name]
    fluxes = layer(grid, closed=("rho", "E"))(potentials(grid))
    change, terms = totals(grid, fluxes.change())
    assert (change[:, [0, 3]].abs() <= 1e-14 * terms[:, [0, 3]]).all()
    free, terms = totals(grid, layer(grid, {}, closed=("rho", "E"))(potentials(grid)).change())
    assert (free.abs() > 1e-3 * terms).all()


def test_walls_stand_where_they_are_asked_for():
    grid = GRIDS["box"]
    fluxes = layer(grid, closed=("rho",), walls=("y",))(potentials(grid))
    assert (fluxes.faces[1][:, :, [0, -1], 0] == 0).all()
    assert (fluxes.faces[1][:, :, [0, -1], 1] != 0).all()
    assert (fluxes.faces[0][:, [0, -1], :, 0] != 0).all()


def test_it_is_the_mixing_of_neighbours_of_a_block():
    """The change is W D phi, with the weights and the channels that a `MixingBlock` has."""
    grid = GRIDS["periodic"]
    made, phi = layer(grid, {"mass": "integral(rho) = const"}), potentials(grid)
    expected = made.mixing(neighbour_channels(phi))
    torch.testing.assert_close(made(phi).change(), expected, rtol=1e-13, atol=1e-13)
    assert isinstance(MixingBlock(made.mixing.constraint, 4), torch.nn.Module)


def test_a_law_of_two_fields_leaves_what_passes_between_them():
    grid = GRIDS["channel"]
    both = {"both": "integral(a + b) = const"}
    fluxes = layer(grid, both, ("a", "b"), closed=("a", "b"))(potentials(grid))
    assert fluxes.source is not None
    assert (fluxes.source.abs() > 1e-3).any()
    change, terms = totals(grid, fluxes.change())
    assert (change.sum(1).abs() <= 1e-14 * terms.sum(1)).all()
    assert (change[:, 0].abs() > 1e-3 * terms[:, 0]).all()


def test_what_does_not_fit_is_refused():
    grid = GRIDS["channel"]
    with pytest.raises(SettingsError, match="no field q"):
        layer(grid, closed=("q",))
    with pytest.raises(SettingsError, match="no coordinate z"):
        layer(grid, walls=("z",))
    with pytest.raises(ShapeError, match="8, 6, 6"):
        layer(grid)(torch.zeros(1, 8, 5, 6))
