"""Points that gather where residuals are large, and means that stay those of the region."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.problems import Burgers, Condition, Problem, Region, adapted_sample
from physmix.training import solve

REGION = Region(x=(0, 2), y=(0, 1))


def peak(points):
    return torch.exp(-50 * (points[:, 0] - 0.5) ** 2)


def test_points_gather_and_means_stay():
    sample = adapted_sample(REGION, peak, 1500, floor=0.2, seed=4)
    assert abs(len(sample.points) - 1500) <= 1
    assert len(sample.points.unique(dim=0)) == len(sample.points)
    near = (sample.points[:, 0] - 0.5).abs() < 0.2
    assert float(near.double().mean()) > 2 * 0.2  # even points: 0.2
    assert float(sample.share[near].mean()) < 0.5
    for value, mean in [
        (near.double(), 0.2),
        (sample.points[:, 0], 1.0),
        (peak(sample.points), math.sqrt(math.pi / 50) / 2),
    ]:
        assert float((sample.share * value).mean()) == pytest.approx(mean, rel=0.05)
        assert float(value.mean()) != pytest.approx(mean, rel=0.15)  # without shares they would not


def test_a_region_with_sure_points_and_none_that_matter():
    few = adapted_sample(REGION, lambda p: (p[:, 0] < 0.02).double(), 500, floor=1e-3, seed=1)
    assert float((few.points[:, 0] < 0.02).double().mean()) > 0.05
    even = adapted_sample(REGION, lambda p: 0 * p[:, 0], 400, seed=1)
    torch.testing.assert_close(even.share, torch.ones_like(even.share))
    for settings in ({"count": 0}, {"count": 5, "power": 0.0}, {"count": 5, "floor": 0.0}):
        with pytest.raises(SettingsError, match="positive"):
            adapted_sample(REGION, peak, **settings)
    with pytest.raises(SettingsError, match="not finite"):
        adapted_sample(REGION, lambda p: p[:, 0] / 0, 5)


def test_a_steep_wave_is_met_with_the_same_number_of_points():
    region = Region(t=(0, 0.4), x=(-1, 1))
    conditions = [
        Condition(region.start, {"u": lambda p: -torch.sin(math.pi * p[:, 1])}),
        Condition(region.boundary, {"u": 0.0}),
    ]
    wave = Problem(region, Burgers(0.03), conditions, points=400, boundary_points=60)
    even = solve(wave, features=220, slope=7.0)
    adapted = solve(even.adapted(), even.model)
    near = [s.problem.inside.held().points[:, 1].abs() < 0.1 for s in (even, adapted)]
    assert float(near[1].double().mean()) > 1.5 * float(near[0].double().mean())
    assert adapted.fresh["Burgers: flux"] < 2 * even.fresh["Burgers: flux"]  # the features limit both
