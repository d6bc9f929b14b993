"""Bands of distance: exact counts, and shares that sum to one whatever was learnt."""

import pytest
import torch
from scipy.spatial.distance import cdist

from physmix.applications import DistanceBands, contacts, distance_bands, distance_map
from physmix.benchmarks.systems.proteins import alpha_carbons
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import projected, violations


@pytest.mark.parametrize(("name", "known"), [("1ubi", 179), ("1ake", 582)])
def test_contacts_of_proteins_are_counted(name, known):
    points = alpha_carbons(name)
    found = contacts(distance_map(points), distance_bands([8.0]))
    near = torch.from_numpy(cdist(points, points) < 8.0)
    assert torch.equal(found, near.triu(3))
    assert int(found.sum()) == known
    assert int(contacts(distance_map(points), distance_bands([8.0]), separation=4).sum()) < known


def test_a_pair_at_the_edge_is_no_contact():
    line = torch.tensor([[0.0], [1], [2], [8], [9]]).double()
    found = contacts(distance_map(line), distance_bands([8.0]), separation=1)
    assert not found[0, 3]  # 8 is not below 8
    assert found[1, 3]
    assert not found[0, 4]


@pytest.mark.parametrize("edges", [[8.0], [4.0, 8.0], [2.0, 4, 8, 12, 20]])
def test_bands_are_a_partition_of_unity(edges):
    bands = distance_bands(edges, softness=0.5)
    distances = torch.linspace(0, 1000, 5001, dtype=torch.float64)[None, :, None]
    shares = bands(distances)
    assert (shares.sum(0) - 1).abs().max() < 1e-10
    assert shares.min() > -1e-10
    far = (distances[0, :, 0, None] - torch.tensor(edges)).abs().amin(1) > 0.25
    place = torch.bucketize(distances[0, :, 0], torch.tensor(edges, dtype=torch.float64), right=True)
    one = torch.nn.functional.one_hot(place, len(edges) + 1).mT.double()
    assert (shares[:, far, 0] - one[:, far]).abs().max() < 1e-10


def test_shares_sum_to_one_after_training_on_noise(generator):
    """The same steps without the set must break it."""
    distances = 40 * torch.rand(1, 200, 1, generator=generator).double()
    noisy = torch.rand(3, 200, 1, generator=generator).double()
    off = {}
    for lawful in (True, False):
        bands = distance_bands([8.0, 12.0], softness=2.0)
        adam = torch.optim.Adam(bands.parameters(), lr=0.01)
        if lawful:
            projected(adam, bands)
        for _ in range(50):
            adam.zero_grad()
            (bands(distances) - noisy).square().mean().backward()
            adam.step()
        off[lawful] = float((bands(100 * distances).sum(0) - 1).detach().abs().max())
        if lawful:
            assert max(violations(bands).values()) < 1e-15
    assert off[True] < 1e-10
    assert off[False] > 1


def test_the_threshold_is_where_half_is_left():
    assert abs(distance_bands([8.0]).threshold(0, 20) - 8) < 1e-3
    assert distance_bands([8.0]).threshold(0, 5) == 5


def test_what_makes_no_bands_is_refused():
    for edges, softness in ([8.0, 8.1], 0.5), ([], 0.5), ([9.0, 8.0], 0.5), ([8.0], 0.0):
        with pytest.raises(SettingsError, match="edges that rise"):
            distance_bands(edges, softness)
    with pytest.raises(ShapeError, match="first layer of bands"):
        DistanceBands(MixingLayer(1, 3), MixingLayer(2, 2))


def test_contacts_of_a_batch_are_those_of_each(generator):
    points = 6 * torch.randn(3, 14, 3, generator=generator, dtype=torch.float64)
    points[1, 4] = torch.nan  # a residue that is not known
    bands = distance_bands([8.0, 12.0])
    found = contacts(distance_map(points), bands)
    for one, structure in zip(found, points, strict=True):
        assert torch.equal(one, contacts(distance_map(structure), bands))
        apart = torch.cdist(structure, structure, compute_mode="donot_use_mm_for_euclid_dist")
        assert torch.equal(one, (apart < 8).triu(3))
    assert torch.equal(found, contacts(distance_map(points.float()), bands))
    with pytest.raises(SettingsError, match="separation"):
        contacts(distance_map(points), bands, -1)


def test_shares_are_whole_away_from_the_edges():
    bands = distance_bands([3.1, 7.7, 8.05, 19.3])
    shares = bands(torch.tensor([0.0, 1.0, 5.0, 8.0, 12.0, 30.0]).double()[None, :, None])[:, :, 0].detach()
    expected = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 2, 3, 4]), 5).mT.double()
    torch.testing.assert_close(shares, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("edges", [[torch.nan], [8.0, torch.inf], []])
def test_edges_that_are_none_are_refused(edges):
    with pytest.raises(SettingsError, match="bands of distance"):
        distance_bands(edges)
    with pytest.raises(ShapeError, match="points of a map"):
        distance_map(torch.ones(3))
