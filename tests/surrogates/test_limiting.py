"""Fluxes that are held back: states stay admissible, totals exact, and what need not be held passes."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.grids import BoundedAxis, PeriodicAxis, StaggeredGrid
from physmix.mixing import Fluxes
from physmix.surrogates import Bounds, PositiveGas
from physmix.surrogates.limiting import advance

FIELDS = ("rho", "mx", "my", "E")
GAS = PositiveGas(FIELDS, 1.4, density=1e-3, pressure=1e-3)
SETS = {
    "gas": GAS,
    "bounds": Bounds(FIELDS, {"rho": (0.0, 1.5), "E": (0.5, math.inf)}),
    "both": GAS & Bounds(FIELDS, {"rho": (0.0, 1.5)}),
}
GRIDS = {
    "periodic": StaggeredGrid({"x": PeriodicAxis(12, 2.0), "y": PeriodicAxis(9, 1.0)}),
    "box": StaggeredGrid({"x": BoundedAxis([0.0, 0.1, 0.5, 0.6, 2.0]), "y": PeriodicAxis(7, 1.0)}),
    "tube": StaggeredGrid({"x": BoundedAxis([0.0, 0.1, 0.5, 0.6, 2.0, 2.5])}),
}


def states(shape, seed=0, dtype=torch.float64):
    """Gases from near vacuum to dense ones, all in every set."""
    draw = torch.Generator().manual_seed(seed)
    rho = torch.rand(shape, dtype=dtype, generator=draw).pow(3) * 1.4 + 2e-3
    m = torch.randn(*shape, 2, dtype=dtype, generator=draw) * 0.5 * rho[..., None]
    p = torch.rand(shape, dtype=dtype, generator=draw).pow(3) + 2e-3
    return torch.stack([rho, *m.unbind(-1), p / 0.4 + m.square().sum(-1) / (2 * rho) + 0.5], -1)


def fluxes(grid, size, seed=1, source=False, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    cells = grid.shape((0,) * len(grid.axes))
    faces = []
    for i in range(len(grid.axes)):
        shape = grid.shape(tuple(int(i == j) for j in range(len(grid.axes))))
        faces.append(size * torch.randn(3, *shape, 4, dtype=dtype, generator=draw))
    own = size * torch.randn(3, *cells, 4, dtype=dtype, generator=draw) if source else None
    return Fluxes(grid, tuple(faces), own)


INSIDE = PositiveGas(FIELDS, 1.4, density=1.001e-3, pressure=1.001e-3)  # what limiters aim at


@pytest.mark.parametrize("name", SETS)
def test_shares_end_at_the_edge_of_the_set(name):
    members, state = SETS[name], states((4000,))
    change = torch.randn(4000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    share = members.share(state, change)
    assert ((share >= 0) & (share <= 1)).all()
    assert 0.1 < float((share < 1).double().mean()) < 0.99
    assert members.contains(state + ((1 - 1e-9) * share)[:, None] * change).all()
    cut = share < 1
    further = state + (share * (1 + 1e-6) + 1e-9)[:, None] * change
    inside = {"gas": INSIDE, "both": INSIDE & members}.get(name, members)
    assert not inside.contains(further)[cut].any()


def test_a_share_from_the_edge_goes_in_as_far_as_the_other_side():
    gas = PositiveGas(FIELDS, 1.4, density=0.1, pressure=0.4)
    edge = torch.tensor([[1.0, 0.0, 0.0, 1.0]]).double()  # its pressure is the least
    inward = torch.tensor([[0.0, 2.0, 0.0, 1.0]]).double()  # the parabola is 2 s - 4 s^2
    torch.testing.assert_close(gas.share(edge, inward), torch.tensor([0.5]).double())
    assert gas.share(edge, torch.tensor([[0.0, 0.0, 0.0, -1.0]]).double()) == 0
    assert gas.share(edge, torch.tensor([[0.0, 0.0, 0.0, 1.0]]).double()) == 1


@pytest.mark.parametrize("source", [False, True])
@pytest.mark.parametrize("members", SETS)
@pytest.mark.parametrize("name", GRIDS)
def test_states_stay_admissible_and_totals_exact(name, members, source):
    grid, members = GRIDS[name], SETS[members]
    cells = grid.shape((0,) * len(grid.axes))
    state, wanted = states((3, *cells)), fluxes(grid, 0.5, source=source)
    assert not members.contains(state + wanted.change()).all()
    after, passed = advance(state, wanted, members, parts=4)
    above = torch.tensor([1e-13, 0.0, 0.0, 1e-12]).double()  # round-off at the edge of the set
    assert (members.contains(after + above) | members.contains(after - above)).all()
    volumes = grid.volumes((0,) * len(grid.axes))[..., None]
    total = lambda values: (values * volumes).flatten(1, -2).sum(1)
    gained = passed.through_ends() + (0 if passed.source is None else total(passed.source))
    assert (total(after) - total(state) - gained).abs().max() < 1e-13 * total(state.abs()).max()
    assert float((after - state).abs().sum()) > 0.05 * float(wanted.change().abs().sum())


def test_what_need_not_be_held_passes_whole_and_trajectories_do_not_see_each_other():
    grid = GRIDS["periodic"]
    state, wanted = states((3, 12, 9)), fluxes(grid, 0.5)
    gentle = wanted.map(lambda face: face * torch.tensor([1.0, 1e-4, 1.0]).double().view(3, 1, 1, 1))
    after, passed = advance(state, gentle, GAS, parts=4)
    assert torch.equal(after[1], (state + gentle.change())[1])
    assert torch.equal(passed.faces[0][1], gentle.faces[0][1])
    alone = advance(state[:1], gentle.map(lambda face: face[:1]), GAS, parts=4)[0]
    torch.testing.assert_close(after[:1], alone, rtol=1e-14, atol=1e-14)


def test_more_parts_hold_back_less():
    """A stream that carries three times what a cell holds through each of them, but for one dam."""
    grid = StaggeredGrid({"x": PeriodicAxis(24, 1.0)})
    state = torch.tensor([1.0, 0.0, 0.0, 2.5]).double().expand(1, 24, 4).clone()
    face = 3 * state.clone()
    face[:, 5] = 0  # cell 5 would keep all, and cell 6 lose three times what it has
    held = [
        float((face - advance(state, Fluxes(grid, (face,)), GAS, parts=n)[1].faces[0]).abs().sum())
        for n in (1, 8, 64)
    ]
    assert held[0] > 1.5 * held[1] > 1.5 * held[2]


def test_gradients_are_finite_where_fluxes_are_held_back():
    grid = GRIDS["periodic"]
    face = fluxes(grid, 0.5).map(lambda values: values.requires_grad_())
    after = advance(states((3, 12, 9)), face, GAS, parts=4)[0]
    after.square().sum().backward()
    for one in face.faces:
        assert torch.isfinite(one.grad).all()
        assert (one.grad != 0).any()


def test_fields_that_do_not_change_have_shares_without_bounds():
    """A wall that lets momentum pass and no mass: no step towards a bound that is infinite."""
    members = Bounds(("rho", "mx"), {"rho": (1e-3, math.inf)})
    state = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    change = torch.tensor([[0.0, 1.0], [0.5, 0.0]], dtype=torch.float64, requires_grad=True)
    share = members.share(state, change)
    assert share.tolist() == [1.0, 1.0]
    share.sum().backward()
    assert change.grad.abs().max() == 0


def test_a_cell_at_the_least_density_is_refilled():
    rho = 1e-3 * torch.linspace(1.0, 1.0009, 10, dtype=torch.float64)
    state = torch.stack([rho, 0 * rho, 0 * rho, 1 + 0 * rho], -1)
    gain = torch.tensor([0.5, 0.1, 0.0, 1.0], dtype=torch.float64).expand_as(state)
    assert (GAS.share(state, gain) == 1).all()
    assert (GAS.share(state, -gain) == 0).all()


def test_float32_states_stay_positive_over_many_steps():
    grid = GRIDS["periodic"]
    state = start = states((3, 12, 9), dtype=torch.float32)
    plain = PositiveGas(FIELDS, 1.4, density=1e-6, pressure=1e-6)
    for step in range(60):
        state = advance(state, fluxes(grid, 0.2, seed=step, dtype=torch.float32), GAS, parts=2)[0]
        assert plain.contains(state).all()
    drift = (state.double().sum((1, 2)) - start.double().sum((1, 2))).abs()
    assert (drift < 1e-5 * start.double().abs().sum((1, 2))).all()


def test_bad_sets_are_refused():
    with pytest.raises(SettingsError, match="no field 'roh'"):
        Bounds(FIELDS, {"roh": (0.0, 1.0)})
    with pytest.raises(SettingsError, match="give the lower first"):
        Bounds(FIELDS, {"rho": (1.0, 0.0)})
    with pytest.raises(SettingsError, match="gamma above 1"):
        PositiveGas(FIELDS, 1.0, density=1e-3, pressure=1e-3)
    with pytest.raises(SettingsError, match="no field 'E'"):
        PositiveGas(("rho", "mx"), 1.4, density=1e-3, pressure=1e-3)
