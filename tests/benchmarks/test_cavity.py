"""The benchmark of cavities: extrema near the spectral ones, and a twin that knows no corners falls short."""

from dataclasses import replace

import pytest
import torch

from physmix.benchmarks import cavity
from physmix.benchmarks.violation import OVER
from physmix.problems import State

EVEN = (0.2, 0.4, 0.6, 0.8)
SMALL = cavity.Cavity((EVEN, EVEN), features=70, points=4500, boundary_points=150)


def test_extrema_are_those_of_the_centre_lines():
    def velocity(points):
        x, y = points.unbind(1)
        return x * (y - 0.3) ** 2, (x - 0.7) * (x - 0.1) * y

    found = cavity.extrema(velocity)
    assert found == pytest.approx((0.0, 0.5 * 0.3 * 0.9, -0.5 * 0.09), abs=1e-3)


def test_residuals_are_tamed_in_the_corners_of_the_lid_alone():
    equations = SMALL.problem(0.01, 1.0).equations
    points = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.5, 0.5]], dtype=torch.float64)

    def lookup(entry):
        return torch.full((4,), float(entry == ("uy", (3, 0))), dtype=torch.float64)

    y = State("xy", ("ux", "uy"), {"x": points[:, 0], "y": points[:, 1]}, lookup)
    found = equations.residual(y)["vorticity"] / -0.01
    assert found.tolist() == pytest.approx([0.0, 0.0, 1.0, 1.0], abs=0.05)


@pytest.mark.slow
def test_a_small_cavity_has_the_spectral_extrema_and_its_twin_without_corners_does_not(monkeypatch):
    case = cavity.from_below([100.0], "<= 0.01", SMALL)
    rows = {(row.metric, row.system): row for row in case("case")}
    assert rows["largest relative error of extrema", "physmix"].holds
    assert rows[OVER, "physmix"].holds
    assert rows["seconds", "physmix"].holds
    monkeypatch.setattr(cavity.Cavity, "enrichments", lambda _: [])
    twin = {(row.metric, row.system): row for row in case("case")}
    assert not twin["largest relative error of extrema", "physmix"].holds


def test_every_cavity_has_its_reference_and_fits_its_corners():
    for reynolds in cavity.SPECTRAL:
        assert f"cavity, Re {reynolds:g}" in cavity.CAVITY
    enrichments = replace(SMALL, cuts=((0.1, 0.5), (0.5, 0.8))).enrichments()
    assert [dict(one.place) for one in enrichments] == [
        place for corners in (cavity.TOP, cavity.BOTTOM) for place, _ in corners.values()
    ]
