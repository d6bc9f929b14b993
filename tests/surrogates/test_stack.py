"""The stack of lawful 1x1 layers on the simulated flow, and its free twin."""

import pytest
import torch

from physmix.checking import judge_rollout, random_states
from physmix.errors import SettingsError, ShapeError
from physmix.flows import gas, read_flow
from physmix.laws import Scaling, parse_laws
from physmix.optimization import projected
from physmix.problems import primitive_tensor
from physmix.surrogates import FieldStack, NextState, rollout

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
    task = NextState(model, states, test_steps=6, batch=2, seed=0)
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=1e-2), model)
    for step in range(steps):
        optimizer.zero_grad()
        task.losses(step)["increment"].backward()
        optimizer.step()
    return model, task


def test_totals_are_exact_through_depth_and_rollout_and_the_twin_drifts(states):
    laws = parse_laws(TOTALS, "txy")
    lawful, free = trained(states, laws)[0], trained(states, ())[0]
    for start in (states[:1], random_states(states.mean((0, 1, 2)), states.std((0, 1, 2)), 16)):
        held = judge_rollout(rollout(lawful, start, 20), gas.CONSERVED, laws)
        broken = judge_rollout(rollout(free, start, 20), gas.CONSERVED, laws)
        for good, bad in zip(held, broken, strict=True):
            assert good.violation < 1e-13, good
            assert bad.violation > 1e3 * max(good.violation, 1e-16), bad
            assert good.holds
            assert not bad.holds


def test_a_few_steps_beat_persistence(states):
    _, task = trained(states, parse_laws(TOTALS, "txy"), steps=40)
    assert task.losses(0)["increment"] < 0.2  # 1 is persistence
    present, predicted, true = task.predict()
    assert len(present) == 6
    assert (predicted - true).square().sum() < 0.3 * (present - true).square().sum()


def test_batches_depend_on_seed_and_step_alone(states):
    model, _ = trained(states, (), steps=0)
    task = NextState(model, states, test_steps=6, batch=2, seed=1)
    again = NextState(model, states, test_steps=6, batch=2, seed=1)
    assert torch.equal(task.losses(7)["increment"], again.losses(7)["increment"])
    assert not torch.equal(task.losses(7)["increment"], task.losses(8)["increment"])


def test_a_rollout_starts_at_its_state(states):
    model, _ = trained(states, ())
    path = rollout(model, states[:2], 3)
    assert path.shape == (4, *states[:2].shape)
    assert torch.equal(path[0], states[:2])
    torch.testing.assert_close(path[2], model(path[1]).detach())


@pytest.mark.parametrize(("test_steps", "batch"), [(20, 1), (6, 15), (0, 2)])
def test_nothing_left_to_train_on_is_refused(states, test_steps, batch):
    model, _ = trained(states, (), steps=0)
    with pytest.raises(SettingsError, match="test_steps or batch"):
        NextState(model, states, test_steps=test_steps, batch=batch, seed=0)


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
    assert NextState(model, steady, test_steps=6, batch=2, seed=0).losses(0)["increment"].isfinite()
