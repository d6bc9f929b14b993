"""A box of cells with walls: no outflow from any cell, in integers exactly."""

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.grids import WalledBox

BOXES = [(3, 4), (3, 2, 4), (2, 3, 2, 2), (1, 3)]


def potentials_of(box, generator, dtype=torch.float64):
    draw = {pair: torch.randint(-(10**6), 10**6, box.shape(*pair), generator=generator) for pair in box.pairs}
    return {pair: potential.to(dtype) for pair, potential in draw.items()}


def sides(box, fluxes):
    return torch.cat([flux.select(i, end).flatten() for i, flux in enumerate(fluxes) for end in (0, -1)])


def outflow(fluxes):
    """Written anew: upper face minus lower face of each cell."""
    total = 0
    for i, flux in enumerate(fluxes):
        n = flux.shape[i] - 1
        total = total + flux.narrow(i, 1, n) - flux.narrow(i, 0, n)
    return total


@pytest.mark.parametrize("cells", BOXES)
def test_nothing_leaves_a_cell_in_integers(cells, generator):
    box = WalledBox(cells)
    potentials = potentials_of(box, generator, torch.int64)
    fluxes = box.fluxes(potentials)
    assert [tuple(flux.shape) for flux in fluxes] == [box.shape(i) for i in range(len(cells))]
    assert torch.equal(outflow(fluxes), torch.zeros(cells, dtype=torch.int64))
    assert torch.equal(box.outflow(fluxes), outflow(fluxes))
    assert sides(box, fluxes).abs().max() > 0  # boundary faces carry flux
    fluxes[0].view(-1)[0] += 1  # a twin off by one
    assert outflow(fluxes).abs().sum() == 1


def test_a_symmetric_twin_has_outflow(generator):
    box = WalledBox((3, 4))
    potential = potentials_of(box, generator)[0, 1]
    assert outflow([torch.diff(potential, dim=1), torch.diff(potential, dim=0)]).abs().max() > 0


@pytest.mark.parametrize("cells", BOXES)
def test_walls_are_tight(cells, generator):
    box = WalledBox(cells)
    potentials = potentials_of(box, generator, torch.int64)
    fluxes = box.fluxes(box.walled(potentials))
    assert sides(box, fluxes).abs().max() == 0
    assert outflow(fluxes).abs().max() == 0
    if min(cells) > 1:
        assert max(flux.abs().max() for flux in fluxes) > 0


@pytest.mark.parametrize("cells", [(3, 4), (2, 3, 2)])
@pytest.mark.parametrize("tight", [True, False])
def test_potentials_reach_all_fluxes_without_outflow(cells, tight):
    box = WalledBox(cells)
    columns = []
    for pair in box.pairs:
        for place in range(torch.zeros(box.shape(*pair)).numel()):
            unit = {p: torch.zeros(box.shape(*p), dtype=torch.float64) for p in box.pairs}
            unit[pair].view(-1)[place] = 1.0
            columns.append(torch.cat([f.flatten() for f in box.fluxes(box.walled(unit) if tight else unit)]))
    inside = [torch.zeros(box.shape(i)).narrow(i, 1, n - 1) for i, n in enumerate(cells)]
    faces = sum(f.numel() for f in inside) if tight else len(columns[0])
    number = torch.zeros(cells).numel()
    # One equation a cell; with tight walls one of them follows from the others.
    assert int(torch.linalg.matrix_rank(torch.stack(columns))) == faces - number + tight


@pytest.mark.parametrize("cells", BOXES)
def test_given_fluxes_pass_through(cells, generator):
    box = WalledBox(cells)
    given = [flux / 1e6 for flux in box.fluxes(potentials_of(box, generator))]
    given[0] = given[0] + 3.0  # a net flux along the first dimension
    walled = [flux / 1e6 for flux in box.fluxes(box.walled(potentials_of(box, generator)))]
    total = [a + b for a, b in zip(box.through(given), walled, strict=True)]
    torch.testing.assert_close(sides(box, total), sides(box, given), rtol=0, atol=0)
    assert outflow(total).abs().max() < 1e-12
    with pytest.raises(SettingsError, match="more flows out"):
        box.through(
            [given[0] + torch.arange(given[0].shape[0]).view(-1, *[1] * (len(cells) - 1)), *given[1:]]
        )


def test_a_uniform_stream_stays_uniform():
    box = WalledBox((3, 4))
    uniform = [torch.full(box.shape(0), 2.0).double(), torch.full(box.shape(1), -1.0).double()]
    for got, expected in zip(box.through(uniform), uniform, strict=True):
        torch.testing.assert_close(got, expected)


def test_velocities_are_fluxes_over_areas(generator):
    box = WalledBox((3, 2, 4))
    widths = [torch.rand(n, generator=generator, dtype=torch.float64) + 0.5 for n in box.cells]
    fluxes = [flux / 1e6 for flux in box.fluxes(potentials_of(box, generator))]
    u, v, w = box.velocities(fluxes, widths)
    x, y, z = widths
    back = [
        u * y[:, None] * z,
        v * x[:, None, None] * z,
        w * x[:, None, None] * y[:, None],
    ]
    assert outflow(back).abs().max() < 1e-12
    torch.testing.assert_close(back, fluxes)


def test_what_does_not_fit_is_refused(generator):
    box = WalledBox((3, 4))
    for cells in ((3,), (3, 0)):
        with pytest.raises(SettingsError, match="a box of cells"):
            WalledBox(cells)
    with pytest.raises(ShapeError, match="the potential"):
        box.fluxes({(0, 1): torch.zeros(3, 4)})
    with pytest.raises(ShapeError, match="one for each"):
        box.fluxes({})
    with pytest.raises(ShapeError, match="the fluxes"):
        box.outflow([torch.zeros(3, 4), torch.zeros(3, 5)])
    with pytest.raises(ShapeError, match="the widths"):
        box.velocities([torch.zeros(4, 4), torch.zeros(3, 5)], [torch.ones(3), torch.ones(3)])
