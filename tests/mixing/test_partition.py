"""Random features, and windows that share a domain out among them."""

import pytest
import torch

from physmix.errors import SettingsError
from physmix.jets import push, seed
from physmix.mixing import partitioned_features, random_features
from physmix.mixing.partition import smooth_step

BOX = [(0.0, 1.0), (-1.0, 1.0)]


def points(count=200):
    unit = torch.rand(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.stack([unit[:, 0], 2 * unit[:, 1] - 1], 1)


def test_features_are_frozen_steep_as_asked_and_reach_beyond_the_box():
    network = random_features(BOX, 400, slope=[2.0, 6.0], margin=0.5, seed=3)
    layer = network[0]
    assert not any(p.requires_grad for p in network.parameters())
    scaled = layer.weight / torch.tensor([2.0, 6.0])
    sizes = scaled.norm(dim=1)
    assert 0.3 <= float(sizes.min()) < 0.35
    assert 0.95 < float(sizes.max()) <= 1.0
    assert scaled.mean(0).norm() < 0.05  # no direction is preferred
    assert torch.equal(
        random_features(BOX, 400, slope=[2.0, 6.0], margin=0.5, seed=3)[0].weight, layer.weight
    )


def test_steps_have_their_derivatives():
    x = torch.linspace(-0.3, 1.3, 33, dtype=torch.float64, requires_grad=True)
    tower = smooth_step(x, 4)
    value = tower[0]
    for wanted in tower[1:]:
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        torch.testing.assert_close(value, wanted, rtol=0, atol=1e-8)
    assert float(tower[0][x < 0].detach().abs().max()) == 0.0
    torch.testing.assert_close(tower[0] + tower[0].flip(0), torch.ones_like(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("overlap", [0.4, 1.0])
@pytest.mark.parametrize("subdomains", [(3, 2), (1, 4), ([0.1, 0.5], [-0.7])])
def test_windows_sum_to_one_and_reach_only_neighbours(subdomains, overlap):
    network = partitioned_features(BOX, 5, subdomains, overlap=overlap)
    at = points()
    windows = network(at) / network.features(at)
    count = len(network.owner) // 5
    for start in range(0, len(network.owner), count):
        torch.testing.assert_close(
            windows[:, start : start + count].sum(1),
            torch.ones(len(at), dtype=torch.float64),
            rtol=0,
            atol=1e-12,
        )
    active = network.active(at)
    assert not bool((windows.ne(0) & ~active[:, network.owner]).any())
    assert int(active.sum(1).max()) <= 4


def test_jets_are_those_of_nested_autograd():
    network, at = partitioned_features(BOX, 4, (2, 2), overlap=0.8), points(20).requires_grad_()
    jet = push(network, seed(at, 3))
    value = network(at)[:, 5]
    torch.testing.assert_close(jet.value[:, 5], value)
    for monomial in [(1, 0), (1, 1), (1, 2)]:
        axis = 0 if monomial == (1, 0) else 1
        value = torch.autograd.grad(value.sum(), at, create_graph=True)[0][:, axis]
        torch.testing.assert_close(jet.derivative(monomial)[:, 5], value, rtol=1e-9, atol=1e-9)


def test_some_features_alone_are_the_same():
    network, at = partitioned_features(BOX, 6, (3, 2)), points(30)
    chosen = torch.tensor([0, 7, 8, 20])
    torch.testing.assert_close(network.restricted(chosen)(at), network(at)[:, chosen])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"overlap": 0.0}, "overlap=0"),
        ({"subdomains": (2,)}, "one an input"),
        ({"subdomains": ([0.5, 0.2], 1)}, "increasing"),
        ({"subdomains": ([1.5], 1)}, "increasing"),
        ({"slope": [1.0, -1.0]}, "positive"),
        ({"count": 0}, "positive"),
    ],
)
def test_what_does_not_fit_is_refused(change, match):
    settings = {"count": 4, "subdomains": (2, 2)} | change
    with pytest.raises(SettingsError, match=match):
        partitioned_features(BOX, settings.pop("count"), settings.pop("subdomains"), **settings)
