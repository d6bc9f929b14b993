"""Lawful heads on networks of other hands: exact totals through roll-outs, and the twins that drift."""

import math

import pytest
import torch
from torch import nn

from physmix.checking import judge_rollout
from physmix.errors import SettingsError, ShapeError
from physmix.grids import BoundedAxis, PeriodicAxis, PeriodicGrid, StaggeredGrid
from physmix.laws import parse_laws
from physmix.mixing import CollocatedLayer, FluxLayer
from physmix.operators import Operators
from physmix.optimization import check_composition, projected
from physmix.surrogates import LawfulStep, PositiveGas, rollout
from physmix.surrogates.metrics import drift
from physmix.surrogates.networks import UNet, drawn_from, fourier_operator, u_shaped_operator

FIELDS = ("rho", "mx", "my", "E")
LAWS = parse_laws({name: f"integral({name}) = const" for name in FIELDS}, "txy")
GRID = StaggeredGrid({"x": PeriodicAxis(16, 1.0), "y": PeriodicAxis(16, 1.0)})
GAS = PositiveGas(FIELDS, 1.4, density=1e-3, pressure=1e-3)
NETWORKS = {
    "fno": lambda: fourier_operator(4, 6, 2, modes=6, width=8, depth=2),
    "uno": lambda: u_shaped_operator(4, 6, 2, modes=6, width=8),
    "unet": lambda: UNet(4, 6, 2, width=8, levels=2),
    "plain": lambda: nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 1)),
}


def gases(batch=2, grid=(16, 16), seed=0):
    draw = torch.Generator().manual_seed(seed)
    rho = 0.2 + torch.rand(batch, *grid, generator=draw).double()
    m = 0.3 * torch.randn(batch, *grid, 2, generator=draw).double()
    energy = 0.3 + torch.rand(batch, *grid, generator=draw).double() + m.square().sum(-1) / (2 * rho)
    return torch.stack([rho, *m.unbind(-1), energy], -1)


def step_on(network, laws=LAWS, grid=GRID, **settings):
    head = FluxLayer(grid, laws, FIELDS, 6, gain=0.5, generator=torch.Generator().manual_seed(1))
    return LawfulStep(network, head, **settings)


@pytest.mark.parametrize("name", NETWORKS)
def test_totals_stay_through_training_and_rollout_and_the_twin_drifts(name):
    found = {}
    for kind, laws in (("lawful", LAWS), ("free", ())):
        with drawn_from(torch.Generator().manual_seed(0)):
            model = step_on(NETWORKS[name](), laws, members=GAS, size={"E": 2.0}, mean={"rho": 0.7})
        optimizer = projected(torch.optim.Adam(model.parameters(), lr=1e-2), model)
        for _ in range(3):
            optimizer.zero_grad()
            (model(gases()) - gases(seed=1)).square().mean().backward()
            optimizer.step()
        states = rollout(model, gases(), 20)  # a network in float32, states in float64
        assert GAS.contains(states + 1e-12).all()
        found[kind] = judge_rollout(states, FIELDS, LAWS)
        if laws:
            assert next(model.network.parameters()).dtype == torch.float32
            single = judge_rollout(rollout(model, gases().float(), 20), FIELDS, LAWS)
            assert all(one.violation < 1e-5 for one in single)
    for good, bad in zip(found["lawful"], found["free"], strict=True):
        assert good.violation < 1e-13, good
        assert bad.violation > 1e3 * max(good.violation, 1e-16), bad


def test_a_free_head_is_the_network_itself():
    """Without laws the identity is among what is mixed: so nothing is lost by the twin."""
    model = step_on(NETWORKS["unet"](), ())
    assert model.head.sources
    assert not step_on(NETWORKS["unet"]()).head.sources


def test_networks_shift_with_their_input():
    state = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    for name in ("fno", "unet"):  # the other interpolates between its levels, not periodically
        network = NETWORKS[name]().eval()
        shift = lambda x: torch.roll(x, (4, 8), (2, 3))
        torch.testing.assert_close(network(shift(state)), shift(network(state)), rtol=1e-3, atol=1e-5)


def test_networks_are_drawn_from_a_generator_and_leave_torchs_own_alone():
    torch.manual_seed(5)
    made = []
    for _ in range(2):
        with drawn_from(torch.Generator().manual_seed(3)):
            made.append(UNet(4, 6, 2, width=8, levels=1))
    expected = torch.random.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(torch.random.get_rng_state(), expected)
    for one, other in zip(made[0].parameters(), made[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_walls_and_open_ends_are_accounted_for():
    grid = StaggeredGrid({"x": BoundedAxis(torch.linspace(0, 1, 17) ** 1.5), "y": PeriodicAxis(16, 1.0)})
    head = FluxLayer(grid, LAWS, FIELDS, 6, closed=("rho", "E"), gain=0.5)
    model = LawfulStep(NETWORKS["unet"](), head, members=GAS, parts=2)
    volumes = grid.volumes((0, 0))[..., None]
    total = lambda values: (values * volumes).sum((1, 2))
    start = state = gases()
    entered = torch.zeros(2, 4).double()
    for _ in range(10):
        with torch.no_grad():
            state, passed = model.advance(state)
        entered += passed.through_ends()
    drift = (total(state) - total(start) - entered).abs() / total(start.abs())
    assert float(drift.max()) < 1e-13
    assert bool((entered[:, [0, 3]] == 0).all())
    assert bool((entered[:, 1].abs() > 1e-6).all())  # the pressure on the walls


def test_incompressible_states_stay_so():
    grid = PeriodicGrid(("x", "y"), points=(16, 16), lengths=(1.0, 1.0), scheme="spectral")
    laws = parse_laws({"mass": "dx(ux) + dy(uy) = 0"}, "xy")
    head = CollocatedLayer(grid, laws, ["ux", "uy"], Operators.derivatives("xy", 1), 6)
    model = LawfulStep(UNet(2, 6, 2, width=8, levels=1), head)
    outflow = lambda u: grid.apply(u[..., :1], (1, 0)) + grid.apply(u[..., 1:], (0, 1))
    start = head(torch.randn(2, 16, 16, 6, generator=torch.Generator().manual_seed(2))).detach()
    states = rollout(model, start, 10)
    assert float((states[-1] - start).abs().max()) > 0.1
    size = grid.apply(states[-1], (1, 0)).abs().max()
    assert float(outflow(states[-1]).abs().max()) < 1e-12 * float(size)
    with pytest.raises(SettingsError, match="no fluxes to hold back"):
        LawfulStep(UNet(2, 6, 2, width=8, levels=1), head, members=GAS)


def test_its_composition_is_checked():
    check_composition(step_on(NETWORKS["plain"](), members=GAS), gases())


@pytest.mark.parametrize(
    ("units", "match"),
    [
        ({"mean": {"roh": 1.0}}, "no field 'roh' .did you mean rho"),
        ({"size": {"my": 0.0}}, "size of fields: that of my is 0.0"),
        ({"mean": {"E": math.nan}}, "mean of fields: that of E is nan"),
    ],
    ids=["typo", "no size", "not finite"],
)
def test_units_that_do_not_fit_are_refused(units, match):
    head = step_on(NETWORKS["plain"]()).head
    with pytest.raises(SettingsError, match=match):
        LawfulStep(NETWORKS["plain"](), head, **units)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="rho, mx, my, E"):
        step_on(NETWORKS["unet"]())(gases()[..., :3])
    with pytest.raises(ShapeError, match="multiples of 4"):
        UNet(4, 6, 2, width=8, levels=2)(torch.zeros(1, 4, 16, 18))
    with pytest.raises(SettingsError, match="give 1 to 3"):
        UNet(4, 6, 4, width=8, levels=2)


def test_a_gas_at_rest_keeps_the_momentum_that_it_had_none_of_and_the_twin_does_not():
    start = gases()
    start[..., 1:3] = 0.0
    found = {}
    for kind, laws in (("lawful", LAWS), ("free", ())):
        with drawn_from(torch.Generator().manual_seed(0)):
            model = step_on(NETWORKS["unet"](), laws, members=GAS)
        states = rollout(model, start, 20)
        assert float(states[-1, ..., 1].abs().mean()) > 1e-3
        found[kind] = judge_rollout(states, FIELDS, LAWS)
        curve = drift(states.movedim(0, 1)).amax(0)
        torch.testing.assert_close(curve, torch.tensor([one.violation for one in found[kind]]).double())
    for good, bad in zip(found["lawful"], found["free"], strict=True):
        assert good.violation < 1e-13, good
        assert bad.violation > 1e3 * max(good.violation, 1e-16), bad
