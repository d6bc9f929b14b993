"""Graphs: nothing passes between nodes, unless it is mixed along them."""

import pytest
import torch

from physmix.applications import node_transform, propagate, propagation
from physmix.constraints import Columns, Simplex
from physmix.errors import SamplesError, SettingsError, ShapeError

EDGES = torch.tensor([[0, 1, 1, 3, 4], [1, 2, 3, 4, 0]])


@pytest.fixture
def features(generator):
    return torch.randn(5, 3, generator=generator).double()


def test_a_transform_has_no_messages(features, generator):
    layer = node_transform(3, 2, dtype=torch.float64, generator=generator)
    jacobian = torch.func.jacrev(layer)(features).detach()  # (node, output, node, feature)
    for node in range(5):
        torch.testing.assert_close(jacobian[node, :, node], layer.weight.detach())
    others = jacobian.movedim(2, 1)[~torch.eye(5, dtype=torch.bool)]
    assert not others.any()
    matrix = propagation(EDGES, 5)
    mixed = torch.func.jacrev(lambda x: layer(propagate(x, matrix)))(features).detach()
    assert mixed.movedim(2, 1)[~torch.eye(5, dtype=torch.bool)].abs().max() > 0.01


def test_permuted_nodes_give_permuted_outputs(features, generator):
    layer = node_transform(3, 2, dtype=torch.float64, generator=generator)
    order = torch.tensor([4, 2, 0, 1, 3])
    assert torch.equal(layer(features[order]), layer(features)[order])
    renumbered = torch.argsort(order)[EDGES]
    here, there = propagation(EDGES, 5), propagation(renumbered, 5)
    torch.testing.assert_close(propagate(features[order], there, 2), propagate(features, here, 2)[order])


def test_each_propagation_keeps_what_it_says(features):
    mass, constants = propagation(EDGES, 5, "mass"), propagation(EDGES, 5, "constants")
    symmetric = propagation(EDGES, 5)
    assert Columns(Simplex()).contains(mass)
    assert Simplex().contains(constants)
    torch.testing.assert_close(symmetric, symmetric.mT)
    sums, one = features.sum(0), torch.ones(5, 1).double()
    assert (propagate(features, mass, 7).sum(0) - sums).abs().max() < 1e-13
    assert (propagate(one, constants, 7) - 1).abs().max() < 1e-13
    assert (propagate(features, symmetric).sum(0) - sums).abs().max() > 1e-2
    assert (propagate(one, mass) - 1).abs().max() > 1e-2


def test_either_direction_of_an_edge_or_both_is_the_same():
    both = torch.cat([EDGES, EDGES.flip(0)], 1)
    assert torch.equal(propagation(EDGES, 5), propagation(both, 5))
    heavy = propagation(EDGES, 5, "constants", torch.tensor([3.0, 1, 1, 1, 1]))
    assert heavy[0, 1] == 3 / 5  # beside itself and node 4


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ShapeError, (EDGES.mT, 5)),
        (SamplesError, (EDGES, 4)),
        (SamplesError, (EDGES, 5, "mass", torch.tensor([1.0, 1, 1, 1, torch.nan]))),
        (ShapeError, (EDGES, 5, "mass", torch.ones(4))),
    ],
)
def test_other_graphs_are_refused(error, arguments):
    with pytest.raises(error):
        propagation(*arguments)


def test_of_an_edge_given_twice_the_larger_weight_counts():
    edges = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 2]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        weight = torch.tensor([3.0, 1.0, 2.0, 5.0])[order]
        found = propagation(edges[:, order], 3, "mass", weight)
        torch.testing.assert_close(found[:, 0], torch.tensor([1.0, 3.0, 0.0]).double() / 4)


def test_what_is_no_graph_is_refused():
    edges = torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(SamplesError, match="int64"):
        propagation(edges.float(), 3)
    with pytest.raises(SamplesError, match="not finite"):
        propagation(edges, 3, weight=torch.tensor([1.0, torch.inf]))
    matrix = propagation(edges, 3)
    with pytest.raises(SamplesError, match="float64"):  # means of whole numbers are none
        propagate(torch.ones(3, 2, dtype=torch.int64), matrix)
    with pytest.raises(SettingsError, match="times=-1"):
        propagate(torch.ones(3, 2), matrix, -1)
