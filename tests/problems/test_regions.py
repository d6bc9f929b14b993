"""Regions: points inside and on the boundary, outward normals, and integrals."""

import math

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.jets import ball, coordinates, parse_function
from physmix.problems import Condition, NavierStokes, Pin, Problem, Region, Sample, quadrature
from physmix.problems.terms import value_at

CHANNEL = Region(t=(0, 1), x=(0, 2.2), y=(0, 0.41)).without({"x": 0.2, "y": 0.2}, 0.05)
SQUARE = Region(x=(0, 1), y=(0, 1))
CUBE = Region(x=(0, 1), y=(0, 1), z=(0, 1))


def test_points_are_inside_and_not_in_holes():
    sample = CHANNEL.sample(500, seed=1)
    assert sample.points.shape == (500, 3)
    assert bool(CHANNEL.contains(sample.points).all())
    distance = (sample.points[:, 1:] - 0.2).norm(dim=1)
    assert float(distance.min()) > 0.05
    assert not sample.normals.any()
    assert torch.equal(CHANNEL.sample(500, seed=1).points, sample.points)


@pytest.mark.parametrize("name", ["x=low", "x=high", "y=low", "y=high", "t=low", "t=high", "hole 1"])
def test_parts_lie_on_the_boundary_with_outward_normals(name):
    sample = CHANNEL.part(name).sample(64)
    size = sample.normals.norm(dim=1)
    assert not sample.normals[:, 0].any()  # none along time
    torch.testing.assert_close(size, torch.full_like(size, 0.0 if name.startswith("t") else 1.0))
    outside = sample.points + 1e-6 * sample.normals
    if not name.startswith("t"):
        assert not CHANNEL.contains(outside).any()
    inside = sample.points - 1e-6 * sample.normals
    assert float(CHANNEL.contains(inside).double().mean()) > 0.9  # corners apart


def test_a_limit_cuts_off_a_region():
    x, y = coordinates("xy")
    floor = y - 0.3 / (1 + 9 * (x - 1) ** 2)
    region = Region(x=(0, 3), y=(0, 1)).inside(floor)
    assert float(floor(region.sample(300).points).min()) >= 0
    assert float(region.part("x=low").sample(50).points[:, 1].min()) >= 0.03 - 1e-12
    _, weights = quadrature(region, 60)
    shape = torch.linspace(0, 3, 4001, dtype=torch.float64)
    area = 3 - float(torch.trapezoid(0.3 / (1 + 9 * (shape - 1) ** 2), shape))
    assert float(weights.sum()) == pytest.approx(area, rel=1e-8)  # cut in pieces, not left out


def test_where_a_limit_is_zero_is_a_part():
    x, y = coordinates("xy")
    region = Region(x=(0, 3), y=(0, 1)).inside(y - 0.3 / (1 + 9 * (x - 1) ** 2), "bump")
    sample = region.part("bump").sample(400, seed=2)
    at = sample.points[:, 0]
    torch.testing.assert_close(sample.points[:, 1], 0.3 / (1 + 9 * (at - 1) ** 2))
    outside = region.contains(sample.points + 1e-6 * sample.normals)
    assert not bool(outside.any())
    fine = torch.linspace(0, 3, 100001, dtype=torch.float64)
    slope = -0.3 * 18 * (fine - 1) / (1 + 9 * (fine - 1) ** 2) ** 2
    length = float(torch.trapezoid((1 + slope**2).sqrt(), fine))
    _, weights = quadrature(region.part("bump"), 16)
    assert float(weights.sum()) == pytest.approx(length, rel=1e-9)
    # The mean of x over the curve: with its shares a sample has that of arc length.
    mean = float(torch.trapezoid(fine * (1 + slope**2).sqrt(), fine)) / length
    assert float((sample.share * at).mean()) == pytest.approx(mean, rel=2e-3)


def test_the_flux_out_of_an_intersection_is_its_volume():
    x, y = coordinates("xy")
    disc = Region(x=(-1, 1), y=(-1, 1)).inside(ball([x, y], [0, 0], 0.8, inside=True), "rim")
    half = disc.inside(y - 0.3 * x, "cut")
    assert [part.name for part in half.boundary][-2:] == ["rim", "cut"]
    total = 0.0
    for name in ("rim", "cut"):
        sample, weights = quadrature(half.part(name), 64)
        total += float((weights * (sample.points * sample.normals).sum(1)).sum())
    _, weights = quadrature(half, 64)
    area = math.pi * 0.64 / 2
    assert float(weights.sum()) == pytest.approx(area, rel=2e-3)
    assert total == pytest.approx(2 * area, rel=2e-3)  # one piece at each end of the rim is cut
    moving = Region(t=(0, 2), x=(-1, 1), y=(-1, 1)).inside(parse_function("0.64 - x^2 - y^2", "txy"), "rim")
    _, weights = quadrature(moving.part("rim"), 8)
    assert float(weights.sum()) == pytest.approx(2 * 2 * math.pi * 0.8, rel=1e-9)
    _, weights = quadrature(moving.part("rim"), 8, t=1.0)
    assert float(weights.sum()) == pytest.approx(2 * math.pi * 0.8, rel=1e-9)


def test_a_sample_of_ones_own_is_taken_where_it_is_inside():
    points = torch.tensor([[0.5, 0.5], [1.5, 0.5], [0.2, 0.9]], dtype=torch.float64)
    box = Region(x=(0, 1), y=(0, 1))
    own = Problem(box, NavierStokes("xy", 0.1), points=Sample.of(points, torch.tensor([1.0, 5.0, 3.0])))
    (term,) = own.terms()
    held = term.points.held()
    assert held.points.tolist() == [[0.5, 0.5], [0.2, 0.9]]
    assert held.share.tolist() == pytest.approx([0.5, 1.5])
    assert own.elsewhere().points == 3
    with pytest.raises(SettingsError, match="none of them"):
        Problem(box, NavierStokes("xy", 0.1), points=Sample.of(points + 2)).terms()


def test_the_boundary_is_that_of_space():
    assert [part.name for part in CHANNEL.boundary] == ["x=low", "x=high", "y=low", "y=high", "hole 1"]
    assert CHANNEL.start.name == "t=low"


def test_graded_samples_are_as_many_between_the_places():
    region = Region(x=(-1, 1), y=(0, 1)).graded(x=[-0.1, 0.1])
    x = region.sample(900).points[:, 0]
    for low, high in [(-1, -0.1), (-0.1, 0.1), (0.1, 1)]:
        assert 285 < int(((x >= low) & (x < high)).sum()) < 315
    share = region.sample(900).share
    assert float(share.mean()) == pytest.approx(1.0)
    assert float(share.max() / share.min()) == pytest.approx(0.9 / 0.2)
    side = region.part("y=low").sample(300).points[:, 0]
    assert 90 < int((side.abs() < 0.1).sum()) < 110


def test_integrals_over_the_region_and_its_parts():
    region = Region(x=(0, 2), y=(0, 1)).without({"x": 1.0, "y": 0.5}, 0.2)
    total = 0.0
    for part in region.boundary:  # the flux of the field (x, y) is twice the area
        sample, weights = quadrature(part, 32)
        total += float((weights * (sample.points * sample.normals).sum(1)).sum())
    assert total == pytest.approx(2 * (2 - math.pi * 0.04), rel=1e-12)
    sample, weights = quadrature(Region(t=(0, 3), x=(0, 2)), 8, t=1.0)
    assert float((weights * sample.points[:, 1] ** 3).sum()) == pytest.approx(4.0)
    assert set(sample.points[:, 0].tolist()) == {1.0}
    sample, weights = quadrature(CHANNEL.part("hole 1"), 16, t=0.5)
    assert float(weights.sum()) == pytest.approx(2 * math.pi * 0.05)


def test_a_ball_in_space_has_points_and_normals():
    region = Region(x=(0, 1), y=(0, 1), z=(0, 1)).without({"x": 0.5, "y": 0.5, "z": 0.5}, 0.3)
    sample = region.part("hole 1").sample(50)
    torch.testing.assert_close(sample.points - 0.5, -0.3 * sample.normals)


def test_conditions_give_a_term_for_each_part():
    condition = Condition(CHANNEL.boundary, {"ux": lambda q: q[:, 1], "uy": 0.0}, points=50)
    terms = condition.terms(CHANNEL.coordinates, 800, 0)
    assert [term.name for term in terms] == [part.name for part in CHANNEL.boundary]
    assert [len(term.points) for term in terms] == [10] * 5
    torch.testing.assert_close(terms[0].known["given ux"], terms[0].points[:, 1])


def test_a_pin_is_one_place_at_all_times():
    (term,) = Pin({"p": 1.0}, {"x": 1.0}, times=5).terms(CHANNEL)
    assert term.points.tolist() == [[t, 1.0, 0.0] for t in (0, 0.25, 0.5, 0.75, 1.0)]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (Region, "no coordinate"),
        (lambda: Region(x=(1, 0)), "lower one first"),
        (lambda: Region(x=(0, math.nan)), "lower one first"),
        (lambda: CHANNEL.without({"z": 0}, 1), "no z"),
        (lambda: CHANNEL.without({"x": 0}, -1), "radius"),
        (lambda: CHANNEL.part("left"), "it has no part"),
        (lambda: CHANNEL.graded(x=[3.0]), "increasing"),
        (lambda: Region(x=(0, 1), y=(0, 1)).without({"x": 0.5, "y": 0.5}, 5).sample(10), "almost none"),
        (lambda: quadrature(CHANNEL, 4, z=1.0), "there is no z"),
        (lambda: CHANNEL.inside(lambda p: p[:, 1], "x=low"), "already"),
        (lambda: SQUARE.inside(lambda p: p[:, 0] + 1, "cut").part("cut").sample(3), "empty"),
        (lambda: CUBE.inside(lambda p: p[:, 0], "cut").part("cut").sample(3), "curve"),
        (lambda: Sample.of(torch.zeros(0, 2)), "empty"),
        (lambda: Sample.of(torch.ones(1, 2), -torch.ones(1)), "negative"),
        (lambda: Condition(CHANNEL.start).terms("txy", 10, 0), "says nothing"),
        (lambda: Condition([], {"ux": 0.0}).terms("txy", 10, 0), "nowhere"),
        (lambda: value_at(math.nan, torch.zeros(3, 2)), "not finite"),
        (lambda: Pin({"p": 0.0}, {"x": 9.0}).terms(CHANNEL), "not in the region"),
        (lambda: Problem(CHANNEL, NavierStokes("xy", 0.1)), "the same, in the same order"),
        (lambda: Problem(CHANNEL, NavierStokes("txy", "p"), unknowns={"p": 1.0}), "a field as well"),
    ],
)
def test_what_makes_no_sense_is_refused(make, match):
    with pytest.raises(SettingsError, match=match):
        make()


def test_values_of_a_wrong_shape_are_refused():
    with pytest.raises(ShapeError, match="one for each point"):
        value_at(lambda q: q, torch.zeros(3, 2))


def test_points_of_the_unit_cube_are_placed_on_each_part():
    region = Region(t=(0.5, 1.0), x=(0.0, 2.0), y=(-1.0, 1.0))
    unit = torch.tensor([[0.25, 0.5], [1.0, 0.0]], dtype=torch.float64)
    given = Condition([region.start, region.part("x=high")], {"u": 0.0}, points=unit)
    first, second = given.terms("txy", 10, 0)
    assert first.points.tolist() == [[0.5, 0.5, 0.0], [0.5, 2.0, -1.0]]
    assert second.points.tolist() == [[0.625, 2.0, 0.0], [1.0, 2.0, -1.0]]


def test_a_periodic_region_has_no_boundary_there():
    region = Region(t=(0, 1), x=(0, 2), y=(-1, 1)).periodic("x")
    assert [part.name for part in region.boundary] == ["y=low", "y=high"]
    assert region.start.name == "t=low"
    assert region.over(t=(0, 0.5)).periodic("y").around == ("x", "y")
    assert region.without({"x": 1, "y": 0}, 0.1).around == region.graded(y=[0.0]).around == ("x",)
    with pytest.raises(SettingsError, match="choose from"):
        region.periodic("t")
