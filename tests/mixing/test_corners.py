"""Corners: known singular flows are among their functions, and derivatives are those of autograd."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.jets import JetSpace, coordinates, push, seed
from physmix.mixing import (
    Enrichment,
    PartitionedFeatures,
    corner,
    eddy_powers,
    enriched,
    partitioned_features,
    random_features,
    scraper,
)
from physmix.mixing.enrichment import FunctionFeatures

CORNERS = {
    "left under a lid": ({"x": 0.0, "y": 1.0}, -math.pi / 2, math.pi / 2),
    "right under a lid": ({"x": 1.0, "y": 1.0}, math.pi, math.pi / 2),
    "sharp": ({"x": 0.2, "y": -0.3}, 0.4, 0.6),
    "re-entrant": ({"x": 0.5, "y": 0.5}, 0.0, 1.5 * math.pi),
}
NOWHERE = {"centre": torch.zeros(2).double(), "length": torch.ones(2).double()}


def fan(place, start, opening, shares, radii=(1e-3, 0.02, 0.3)):
    """Points at shares of the opening."""
    angles = start + opening * torch.as_tensor(shares, dtype=torch.float64)
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    return torch.cat(
        [torch.tensor(list(place.values()), dtype=torch.float64) + r * directions for r in radii]
    )


def derivatives(functions, points, monomials):
    """By monomial, point and function."""
    network = FunctionFeatures(functions, **NOWHERE)
    return push(network, seed(points, JetSpace(2, 4))).derivatives(monomials)


def bilaplacian(functions, points):
    terms = derivatives(functions, points, [(4, 0), (2, 2), (0, 4)])
    return terms[0] + 2 * terms[1] + terms[2], terms.abs().amax(0)


@pytest.mark.parametrize("case", CORNERS)
def test_a_scraper_is_slow_flow_with_the_speeds_of_its_walls(case):
    place, start, opening = CORNERS[case]
    speeds = (0.7, -1.3)
    psi = scraper("xy", place, start, opening, speeds=speeds)
    value, size = bilaplacian([psi], fan(place, start, opening, [0.1, 0.4, 0.8]))
    assert float((value.abs() / size).max()) < 1e-11
    for share, speed in ((0.0, speeds[0]), (1.0, speeds[1])):
        at = fan(place, start, opening, [share])
        slope = derivatives([psi], at, [(0, 1), (1, 0)])[..., 0]
        angle = start + share * opening
        along = torch.stack([slope[0], -slope[1]], 1) - speed * torch.tensor(
            [[math.cos(angle), math.sin(angle)]], dtype=torch.float64
        )
        assert float(along.abs().max()) < 1e-12


@pytest.mark.parametrize("case", CORNERS)
def test_taylors_scraper_and_moffatts_eddies_are_among_the_functions(case):
    place, start, opening = CORNERS[case]
    at = fan(
        place,
        start,
        opening,
        torch.linspace(0, 1, 30, dtype=torch.float64),
        radii=(0.1, 0.03, 0.01, 0.004, 0.002),
    )
    wanted = [scraper("xy", place, start, opening, speeds=(0.0, 1.0))(at)]
    (power,) = eddy_powers(opening)
    wanted += eddies(power, opening, at, place, start)
    family = corner("xy", place, start, opening, powers=[1, power], angles=24, radius=0.1)
    columns = FunctionFeatures(family.functions, **NOWHERE)(at)
    for one in wanted:
        found = torch.linalg.lstsq(columns, one[:, None], driver="gelsd").solution
        assert float((columns @ found - one[:, None]).norm() / one.norm()) < 1e-12


def eddies(power, opening, at, place, start):
    """Re and Im of r^p f(angle) with f = f' = 0 on both walls; that there is such an f is the test of p."""
    away = at - torch.tensor(list(place.values()), dtype=torch.float64)
    middle = start + opening / 2
    x = away[:, 0] * math.cos(middle) + away[:, 1] * math.sin(middle)
    y = away[:, 1] * math.cos(middle) - away[:, 0] * math.sin(middle)
    r, angle = torch.hypot(x, y).to(torch.complex128), torch.atan2(y, x).to(torch.complex128)
    p = torch.tensor(power, dtype=torch.complex128)
    q = p - 2
    half = torch.tensor(opening / 2, dtype=torch.complex128)
    found = []
    for f, g in ((torch.cos, lambda s: -torch.sin(s)), (torch.sin, torch.cos)):
        lack = abs(f(p * half) * q * g(q * half) - f(q * half) * p * g(p * half))
        if float(lack) < 1e-9:
            flow = r**p * (f(p * angle) * f(q * half) - f(q * angle) * f(p * half))
            found += [flow.real] + ([flow.imag] if power.imag else [])
    assert found
    return found


def test_powers_of_eddies_are_those_of_the_literature():
    assert eddy_powers(math.pi / 2)[0] == pytest.approx(3.7396 + 1.1190j, abs=1e-4)
    assert eddy_powers(1.5 * math.pi, 2) == pytest.approx([1.54448, 1.90853], abs=1e-5)
    for power in eddy_powers(1.0, 4):
        z = torch.tensor(power - 1, dtype=torch.complex128)
        assert float((torch.sin(z).abs() - (z * math.sin(1.0)).abs()).abs()) < 1e-9 * abs(power) * 10


@pytest.mark.parametrize("case", CORNERS)
def test_jets_are_those_of_autograd(case):
    place, start, opening = CORNERS[case]
    functions = corner("xy", place, start, opening, powers=[1, 2.5, 3 + 1j], angles=4, radius=0.3).functions
    centre, length = torch.tensor([0.1, 0.2]).double(), torch.tensor([0.5, 2.0]).double()
    network = FunctionFeatures(functions, centre=centre, length=length)
    scaled = ((fan(place, start, opening, [0.2, 0.9], (0.05, 0.3)) - centre) / length).requires_grad_()
    jet = push(network, seed(scaled.detach(), JetSpace(2, 4)))
    for monomial in [(0, 0), (1, 0), (0, 2), (2, 1), (1, 3), (4, 0)]:
        for column, wanted in enumerate(jet.derivative(monomial).T):
            value = network(scaled)[:, column]
            for axis, times in enumerate(monomial):
                for _ in range(times):
                    value = torch.autograd.grad(value.sum(), scaled, create_graph=True)[0][:, axis]
            torch.testing.assert_close(
                wanted, value.detach(), rtol=1e-9, atol=1e-9 * float(wanted.abs().max())
            )


def test_functions_join_the_subdomains_around_their_place():
    box = [(-1.0, 1.0), (-1.0, 1.0)]
    x, y = coordinates("xy")
    network = partitioned_features(box, 5, (3, 2), seed=1)
    given = [Enrichment([x, x * y], {"x": 1.0, "y": 1.0}), Enrichment([y], {"y": -1.0})]
    joined, count = enriched(network, 30, given, "xy", **NOWHERE)
    assert isinstance(joined, PartitionedFeatures)
    assert joined.owner[30:].tolist() == [5, 5, 0, 2, 4]
    assert count == 35
    points = 2 * torch.rand(40, 2, generator=torch.Generator().manual_seed(0)).double() - 1
    whole = joined(points)
    torch.testing.assert_close(whole[:, 32:].sum(1), points[:, 1] * (1 - joined_window(network, points)))
    some = torch.tensor([0, 7, 29, 31, 34])
    torch.testing.assert_close(joined.restricted(some)(points), whole[:, some])
    torch.testing.assert_close(joined.restricted(some[:3])(points), whole[:, some[:3]])


def joined_window(network, points):
    """Of the upper row of subdomains."""
    ones = FunctionFeatures([coordinates("xy")[0] * 0.0 + 1.0] * 6, **NOWHERE)
    windows = PartitionedFeatures(ones, torch.arange(6), network.cuts, network.overlap)(points)
    return windows[:, [1, 3, 5]].sum(1)


def test_without_subdomains_functions_stand_beside_the_features():
    box = [(-1.0, 1.0), (-1.0, 1.0)]
    x, _ = coordinates("xy")
    joined, count = enriched(random_features(box, 4), 4, [Enrichment([x], {})], "xy", **NOWHERE)
    points = torch.tensor([[0.3, 0.4]]).double()
    assert joined(points).shape == (1, 5)
    assert count == 5
    assert float(joined(points)[0, 4]) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"opening": 7.0},
        {"opening": 0.0},
        {"place": {"x": 0.0}},
        {"place": {"x": 0.0, "z": 0.0}},
        {"powers": []},
    ],
    ids=str,
)
def test_what_is_no_corner_is_refused(wrong):
    given = {"place": {"x": 0.0, "y": 0.0}, "start": 0.0, "opening": 1.0, "powers": [2]} | wrong
    with pytest.raises(SettingsError, match="a corner"):
        corner("xy", given.pop("place"), given.pop("start"), given.pop("opening"), **given)
