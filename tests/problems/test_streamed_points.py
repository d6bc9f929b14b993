"""Points that are made some at a time: the same system as of points that are held, in constant memory."""

import numpy as np
import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.problems import (
    AdvectionDiffusion,
    Condition,
    Points,
    Problem,
    Region,
    Residuals,
    Sample,
    feature_model,
)
from physmix.problems import pieces as pieces_module
from physmix.problems import points as points_module
from physmix.training.gauss_newton import linear_system

REGION = Region(x=(0, 1), y=(0, 2)).without({"x": 0.5, "y": 1.0}, 0.2)


def wave(points):
    return torch.sin(2 * points[:, 0]) * points[:, 1]


def problem(points, region=REGION):
    equations = AdvectionDiffusion("xy", 0.1, lambda _: (1.0, 0.0))
    return Problem(region, equations, [Condition(region.boundary, {"c": wave}, points=60)], points=points)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(points_module, "BATCH", 37)


def test_parts_of_a_sample_are_the_sample(small_batches):
    made = list(REGION.points(100, seed=4))
    assert [len(some) for some in made] == [37, 37, 26]
    points_module.BATCH = 2**16
    assert torch.equal(torch.cat([some.points for some in made]), REGION.sample(100, seed=4).points)


def test_points_come_from_a_file_some_at_a_time(small_batches, tmp_path):
    rows = np.random.default_rng(0).random((90, 2))
    np.save(tmp_path / "points.npy", rows)
    read = Points.of(np.load(tmp_path / "points.npy", mmap_mode="r"))
    batches = list(read.followed_by(Sample.of(torch.zeros(5, 2))))
    assert [len(some) for some in batches] == [37, 37, 21]
    assert np.array_equal(torch.cat([some.points for some in batches])[:90].numpy(), rows)
    with pytest.raises(SettingsError, match="there are none"):
        Points.of(rows[:0])
    with pytest.raises(ShapeError, match="one for each point"):
        Points.of(rows, rows[:, 0][1:])
    with pytest.raises(ShapeError, match="points made in parts"):
        list(Points(91, lambda: [Sample.of(torch.from_numpy(rows))]))


@pytest.mark.parametrize("subdomains", [None, (2, 2)])
@pytest.mark.parametrize("region", [REGION, Region(x=(0, 1), y=(0, 2)).graded(x=[0.2])])
def test_a_streamed_system_is_the_held_one(subdomains, region, monkeypatch):
    """The same sums, gradients and unknowns to round-off, though nothing is kept between passes."""
    sample = region.sample(700)
    asked = problem(sample, region)
    model = feature_model(asked, 25, slope=2.0, subdomains=subdomains)
    held = Residuals(asked, model)
    held.balanced()
    system = linear_system(held)
    monkeypatch.setattr(points_module, "BATCH", 150)
    monkeypatch.setattr(pieces_module, "_KEPT", 0)
    monkeypatch.setattr(pieces_module, "_CHUNK", 5000)
    streamed = Residuals(problem(Points.of(sample.points, sample.share), region), model)
    assert held.kept > 0
    assert streamed.kept == 0
    assert streamed.count == held.count
    streamed.balanced()
    assert streamed.balance == pytest.approx(held.balance, rel=1e-12)
    assert streamed.loss() == pytest.approx(held.loss(), rel=1e-12)
    assert streamed.sizes() == pytest.approx(held.sizes(), rel=1e-12)
    again = linear_system(streamed)
    for one, other in zip(
        [*again.squares, *again.gradient], [*system.squares, *system.gradient], strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12 * float(other.abs().max()))
    torch.testing.assert_close(again.solve(1e-6), system.solve(1e-6), rtol=1e-6, atol=1e-8)


def test_rows_tell_their_places_in_the_whole_term(small_batches, monkeypatch):
    monkeypatch.setattr(pieces_module, "_KEPT", 0)
    asked = problem(120)
    residuals = Residuals(asked, feature_model(asked, 10))
    places = torch.cat([rows.places for rows in residuals.rows() if rows.term == 0])
    assert torch.equal(places, torch.arange(len(residuals.terms[0].points)))
