"""Features of periodic coordinates: they repeat, differ from each other, and reach what is smooth."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.jets import JetSpace, push, seed
from physmix.mixing.partition import partitioned_features
from physmix.mixing.waves import wave_features, wave_vectors

BOX = [(-1.0, 1.0), (0.0, 3.0), (-0.5, 0.5)]


def points(count=200):
    unit = torch.rand(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    low, high = torch.tensor(BOX, dtype=torch.float64).T
    return low + (high - low) * unit


def test_whole_vectors_one_of_each_sign():
    found = wave_vectors([2.0, 1.0]).tolist()
    assert found[0] == [0, 0]
    assert {tuple(k) for k in found} == {(0, 0), (1, 0), (2, 0), (0, 1)}
    assert len(wave_vectors([3.0])) == 4


@pytest.mark.parametrize("divided", [False, True])
def test_features_and_their_derivatives_repeat(divided):
    waves = {1: 3.0, 2: 2.0}
    network = (
        partitioned_features(BOX, 120, [3, 1, 1], waves=waves, slope=2.0)
        if divided
        else wave_features(BOX, 120, waves, slope=2.0)
    )
    at, space = points(), JetSpace(3, 2)
    here = push(network, seed(at, space)).coefficients
    for shift in ([0.0, 3.0, 0.0], [0.0, -3.0, 2.0]):
        there = push(network, seed(at + torch.tensor(shift, dtype=torch.float64), space)).coefficients
        torch.testing.assert_close(there, here, rtol=0, atol=1e-10)
    along = push(network, seed(at + torch.tensor([2.0, 0.0, 0.0]), space)).coefficients
    assert float((along - here).abs().max()) > 0.1  # the first is not periodic


def test_more_waves_reach_a_smooth_function_faster_than_any_power():
    at = points(900)
    z, x, y = at.unbind(1)
    wanted = torch.exp(torch.sin(2 * math.pi * x / 3) + torch.cos(2 * math.pi * y) / 2) * (1 + z / 2)
    errors = []
    for most in (2, 4, 6):
        network = wave_features(BOX, 10 * len(wave_vectors([most] * 2)), {1: most, 2: most}, slope=1.0)
        values = network(at)
        found = values @ torch.linalg.lstsq(values, wanted[:, None], driver="gelsd").solution
        errors.append(float((found[:, 0] - wanted).norm() / wanted.norm()))
    assert errors[1] < errors[0] / 20
    assert errors[2] < errors[1] / 10


def test_without_other_inputs_no_wave_is_there_twice():
    network = wave_features(BOX[1:], 400, {0: 2.0, 1: 2.0})
    rows = network[0].weight
    assert len(rows) == 2 * len(wave_vectors([2.0, 2.0]))
    assert len({tuple(row) for row in rows.tolist()}) == len(rows) // 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingsError, match="or fewer waves"):
        wave_features(BOX, 10, {1: 5.0, 2: 5.0})
    with pytest.raises(SettingsError, match="positive"):
        wave_features(BOX, 100, {1: 1.0}, slope=[1.0, 1.0])
    with pytest.raises(SettingsError, match="one along a coordinate"):
        partitioned_features(BOX, 50, [1, 2, 1], waves={1: 1.0})
