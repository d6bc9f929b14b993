"""The stack of lawful 1x1 layers on the simulated flow, and its free twin."""

import pytest
import torch

from physmix.checking import judge_rollout, random_states
from physmix.errors import SettingsError, ShapeError
from physmix.flows import gas, read_flow
from physmix.laws import Scaling, parse_laws
from physmix.optimization import projected
from physmix.problems import primitive_tensor
from physmix.surrogates import FieldStack, NextState, Pieces, persistence, rollout, total_rows

TOTALS = {
    "mass": "integral(rho) = const",
    "momentum_x": "integral(mx) = const",
    "momentum_y": "integral(my) = const",
    "energy": "integral(E) = const",
}


@pytest.fixture(scope="module")
def states(vortex_file):
    """Every other point of the vortex, which is enough for a few steps of training."""
    primitive = primitive_tensor(read_flow(vortex_file))[:, ::2, ::2]
    return torch.stack(gas.conserved(*primitive.unbind(-1), gamma=1.4), -1)


def next_state(model, states, *, unroll=1, **settings):
    seen = states[:-6][None]
    pieces = Pieces(seen, unroll=unroll, batch=2, seed=0)
    return NextState(model, pieces, torch.ones(unroll, 4) * persistence(seen[0][:2][None]), **settings)


def trained(states, laws, steps=15):
    flat = states.flatten(0, 2)
    names = lambda values: dict(zip(gas.CONSERVED, values.tolist(), strict=True))
    model = FieldStack(
        laws,
        gas.CONSERVED,
        latent=3,
        width=8,
        depth=2,
        scaling=Scaling.fitting({}, names(flat.std(0))),
        mean=names(flat.mean(0)),
        generator=torch.Generator().manual_seed(0),
    )
    task = next_state(model, states)
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=1e-2), model)
    for step in range(steps):
        optimizer.zero_grad()
        task.losses(step)["increment"].backward()
        optimizer.step()
    return model, task


def test_totals_are_exact_through_depth_and_rollout_and_the_twin_drifts(states):
    laws = parse_laws(TOTALS, "txy")
    lawful, free = trained(states, laws)[0], trained(states, ())[0]
    for start in (states[:1], random_states(states.mean((0, 1, 2)), states.std((0, 1, 2)), (16, 16))):
        held = judge_rollout(rollout(lawful, start, 20), gas.CONSERVED, laws)
        broken = judge_rollout(rollout(free, start, 20), gas.CONSERVED, laws)
        for good, bad in zip(held, broken, strict=True):
            assert good.violation < 1e-13, good
            assert bad.violation > 1e3 * max(good.violation, 1e-16), bad
            assert good.holds
            assert not bad.holds


def test_a_few_steps_beat_persistence(states):
    model, task = trained(states, parse_laws(TOTALS, "txy"), steps=40)
    assert task.losses(0)["increment"] < 0.2  # 1 is persistence
    present, true = states[-7:-1], states[-6:]
    predicted = model(present)
    assert (predicted - true).square().sum() < 0.3 * (present - true).square().sum()


def test_pieces_depend_on_seed_and_step_alone_and_an_epoch_has_each_once():
    states = torch.arange(3.0 * 5).view(3, 5, 1, 1).double()
    pieces = Pieces(states, unroll=2, batch=3, seed=1)
    assert torch.equal(pieces(7), Pieces(states, unroll=2, batch=3, seed=1)(7))
    assert not torch.equal(pieces(7), Pieces(states, unroll=2, batch=3, seed=2)(7))
    epoch = torch.cat([pieces(step) for step in range(3)])
    assert epoch.shape == (9, 3, 1, 1)
    assert sorted(epoch[:, 0].flatten().tolist()) == [0, 1, 2, 5, 6, 7, 10, 11, 12]
    assert torch.equal(epoch[:, 2] - epoch[:, 0], torch.full((9, 1, 1), 2.0).double())


def test_losses_are_those_of_the_unrolled_model(states):
    model, _ = trained(states, (), steps=0)
    task = next_state(model, states, unroll=3)
    pieces = task.batches(4)
    path = rollout(model, pieces[:, 0], 3).movedim(0, 1)
    errors = (path - pieces)[:, 1:].square() / task.unit.view(1, 3, 1, 1, 4)
    torch.testing.assert_close(task.losses(4)["increment"], errors.mean())
    noisy = next_state(model, states, unroll=3, noise=0.1)
    assert torch.equal(noisy.losses(4)["increment"], noisy.losses(4)["increment"])
    assert noisy.losses(4)["increment"] > task.losses(4)["increment"]


def test_the_penalty_is_what_totals_miss(states):
    laws = parse_laws(TOTALS, "txy")
    found = {}
    for name, held in (("lawful", laws), ("free", ())):
        model, _ = trained(states, held, steps=2)
        task = next_state(model, states, penalty=2.0, totals=total_rows(laws, gas.CONSERVED))
        assert task.weights == {"increment": 1.0, "totals": 2.0}
        found[name] = float(task.losses(0)["totals"].detach())
        change = model(task.batches(0)[:, 0]) - task.batches(0)[:, 0]
    expected = (change.mean((1, 2)).square() / task.unit[0]).mean()
    assert found["free"] == pytest.approx(float(expected.detach()), rel=1e-12)
    assert found["lawful"] < 1e-25
    assert found["free"] > 1e-8


def test_rows_of_totals():
    laws = parse_laws({"both": "integral(a - 2*b) = const", "point": "a + b = 1"}, "tx")
    assert total_rows(laws, ("a", "b", "c")).tolist() == [[1.0, -2.0, 0.0]]


def test_a_rollout_starts_at_its_state(states):
    model, _ = trained(states, ())
    path = rollout(model, states[:2], 3)
    assert path.shape == (4, *states[:2].shape)
    assert torch.equal(path[0], states[:2])
    torch.testing.assert_close(path[2], model(path[1]).detach())


@pytest.mark.parametrize(("unroll", "batch"), [(5, 1), (1, 9), (0, 2), (1, 0)])
def test_nothing_to_train_on_is_refused(unroll, batch):
    with pytest.raises(SettingsError, match="lower test_steps, unroll or batch"):
        Pieces(torch.zeros(2, 5, 1, 1), unroll=unroll, batch=batch, seed=0)


def test_the_wrong_state_is_refused(states):
    model, _ = trained(states, (), steps=0)
    with pytest.raises(ShapeError, match="2 grid axes, 4 fields"):
        model(states[0])


def test_a_task_moves_as_a_whole(states):
    _, task = trained(states, (), steps=0)
    task.to("meta")
    assert task.losses(0)["increment"].device.type == "meta"


def test_a_steady_field_has_a_finite_loss(states):
    model, _ = trained(states, (), steps=0)
    steady = torch.cat([states[..., :3], torch.ones_like(states[..., 3:])], -1)
    assert next_state(model, steady).losses(0)["increment"].isfinite()
