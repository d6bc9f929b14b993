"""The drift of totals: of rounding's own size, whatever grows, and never hidden by what comes later."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from physmix.grids import drift


def of(states):
    """The drift of (trajectory, time, cell)."""
    return drift(states.sum(-1), states.abs().sum(-1))


def from_rest(*, pushed):
    """Momentum that grows from zero and is none in total, at which a force may push."""
    cells = torch.arange(64, dtype=torch.float64)
    time = torch.arange(20, dtype=torch.float64)[:, None]
    lawful = time * torch.sin(2 * torch.pi * cells / 64) ** 3
    return (lawful + pushed * time)[None]


def test_momentum_that_begins_at_rest_is_judged_by_what_it_grows_to():
    assert float(of(from_rest(pushed=0.0)).relative.max()) < 1e-15
    drifting = of(from_rest(pushed=1e-6)).relative[0]
    size = from_rest(pushed=0.0)[0, 1].abs().mean()
    torch.testing.assert_close(drifting[1:], torch.full((19,), 1e-6).double() / size, rtol=1e-5, atol=0)
    assert drifting[0] == 0


def test_a_momentum_of_little_at_first_does_not_magnify_the_rounding_of_what_comes():
    """Over the sums of the first state a lawful path would drift by far more than round-off."""
    states = from_rest(pushed=0.0) + 1e-12 * torch.sin(torch.arange(64).double())
    found = of(states)
    assert float(found.relative.max()) < 1e-15
    assert float((found.missed / found.size[:, :1]).max()) > 1e-8


def test_all_that_was_zero_has_not_drifted():
    found = of(torch.zeros(2, 3, 4).double())
    assert (found.relative == 0).all()
    assert found.worst == (0.0, 0.0)


def test_what_comes_later_and_other_trajectories_change_nothing():
    """A violator that grows, or beside a loud one, drifts as much as by itself."""
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(3, 9, 16, generator=draw).double() * torch.tensor([1.0, 1e3, 1e-3])[:, None, None]
    states = states * torch.logspace(0, 6, 9).double()[:, None]
    whole = of(states).relative
    torch.testing.assert_close(of(states[:, :5]).relative, whole[:, :5])
    torch.testing.assert_close(of(states[:1]).relative, whole[:1])
    assert of(states).worst[0] / of(states).worst[1] == float(whole.max())


@given(arrays("f8", (2, 4, 5), elements=st.floats(-1e100, 1e100)))
def test_it_is_at_most_two(values):
    assert float(of(torch.from_numpy(values)).relative.max()) <= 2 * (1 + 1e-15)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_the_worst(broken):
    states = torch.ones(2, 4, 5).double()
    states[1, 2, 3] = broken
    missed, size = of(states).worst
    assert not missed / size <= 2
