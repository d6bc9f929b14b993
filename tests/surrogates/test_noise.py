"""Noise on the states that a surrogate is trained on: of each sample, whatever processes share the batch."""

import pytest
import torch
from foreign import compressible
from torch import nn

from physmix.flows import Windows
from physmix.surrogates import NextState, Pieces, Streamed
from physmix.surrogates.next_state import drawn_noise

BATCH, NOISE = 4, 0.3


class Seen(nn.Module):
    """Keeps what it is given."""

    def forward(self, state):
        self.state = state
        return state


@pytest.fixture(params=["memory", "files"])
def batches(request, tmp_path):
    """The pieces of a process from memory or from files, by its share."""
    if request.param == "memory":
        states = torch.randn(3, 9, 4, 4, 2, generator=torch.Generator().manual_seed(0)).double()
        return lambda share=(0, 1): Pieces(states, unroll=1, batch=BATCH, seed=3, share=share)
    path = tmp_path / "periodic.hdf5"
    compressible(path, 2, trajectories=12, times=9)
    own = {"batch": BATCH, "seed": 3, "shards": 4, "dtype": torch.float64}
    return lambda share=(0, 1): Streamed(Windows(path, **own, process=share))


def noise_of(batches, step, *, seed=5):
    """The pieces of a step, and the noise that a model sees on them."""
    pieces = batches(step)
    model, unit = Seen(), torch.full((1, pieces.shape[-1]), 4.0).double()
    NextState(model, batches, unit, noise=NOISE, seed=seed).losses(step)
    return pieces, (model.state - pieces[:, 0]) / (2 * NOISE)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_any_number_of_processes_has_the_same_noise_on_the_same_sample(batches, processes):
    shares = [batches((rank, processes)) for rank in range(processes)]
    places = [place for share in shares for place in share.places]
    assert sorted(places) == list(range(BATCH))
    for step in (0, 1, 7):
        pieces, noise = noise_of(batches(), step)
        parts = [noise_of(share, step) for share in shares]
        assert torch.equal(torch.cat([part[0] for part in parts]), pieces[places])
        assert torch.equal(torch.cat([part[1] for part in parts]), noise[places])


def test_samples_steps_and_seeds_differ_and_a_resumed_step_repeats_its_noise(batches):
    there = batches()
    first, second, other = noise_of(there, 6)[1], noise_of(there, 7)[1], noise_of(batches(), 6, seed=4)[1]
    drawn = [*first, *second, *other]
    for number, one in enumerate(drawn):
        assert all((one - another).abs().amax() > 0.1 for another in drawn[:number])
    assert torch.equal(noise_of(batches(), 7)[1], second)


def test_noise_is_normal_and_independent_between_places_and_steps():
    rows = torch.cat([drawn_noise((4000,), seed=0, step=step, places=range(4)) for step in range(4)])
    covariance = rows @ rows.T / rows.shape[1]
    # Five deviations of what chance does to the covariance of so many numbers.
    assert float((covariance - torch.eye(len(rows)).double()).abs().max()) < 5 * (2 / rows.shape[1]) ** 0.5
    assert float(rows.mean(1).abs().max()) < 5 / rows.shape[1] ** 0.5
