"""A graph without messages: one transform for every node, and what mixing along the nodes adds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from physmix.applications import fit_head, node_transform, propagate, propagation, segmentation_head
from physmix.applications.segmentation import IGNORED
from physmix.benchmarks.foreign import package
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.shown import Shown
from physmix.mixing import MixingLayer
from physmix.reporting import Network

CASE = "node transform"


def demonstrate(
    *, seed: int = 0, features: int = 5, outputs: int = 3, penalty: float = 0.01, times: int = 2
) -> Shown:
    """The karate club from two labelled members, and the transform beside those of torch_geometric.

    Args:
        seed: of random features and weights.
        features: of a node, in the comparison of layers.
        outputs: of the layers.
        penalty: of the regression on the squares of its weights.
        times: propagations.
    """
    networkx = package("networkx")
    graph = networkx.karate_club_graph()
    edges = torch.tensor(list(graph.edges)).mT
    nodes = graph.number_of_nodes()
    clubs = torch.tensor([int(graph.nodes[node]["club"] != "Mr. Hi") for node in graph])
    rows = _layers(edges, nodes, features, outputs, seed)
    places = torch.tensor([[*place] for place in networkx.spring_layout(graph, seed=seed).values()]).numpy()
    panels = [
        Network("clubs that they joined", places, edges.mT.numpy(), clubs.numpy(), None, _UNIT, limits=(0, 1))
    ]
    matrix = propagation(edges, nodes)
    for count in (0, times):
        share, spread, right = _classified(
            propagate(torch.eye(nodes, dtype=torch.float64), matrix, count), clubs, penalty
        )
        name = f"{count} propagations"
        rows += [
            ours(CASE, f"spread of unlabelled logits, {name}", spread, target=">= 0.01" if count else "<= 0"),
            ours(CASE, f"accuracy, {name}", right, target=">= 0.96" if count else "<= 0.5"),
        ]
        title = (
            f"shares after {name}: {right:.0%} right"
            if count
            else f"shares without messages: {right:.0%} right"
        )
        panels.append(Network(title, places, edges.mT.numpy(), share.numpy(), None, _UNIT, limits=(0, 1)))
    rows.append(
        peer(CASE, "GCNConv, 2 layers", f"accuracy, {times} propagations", _gcn(edges, nodes, clubs, seed))
    )
    return Shown(rows, panels)


_UNIT = "share of the second club (1)"


def _layers(edges: Tensor, nodes: int, features: int, outputs: int, seed: int) -> list[Row]:
    """The transform and propagations beside the layers of torch_geometric with the same weights."""
    geometric = package("torch_geometric.nn")
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(nodes, features, generator=generator, dtype=torch.float64)
    layer = node_transform(features, outputs, dtype=torch.float64, generator=generator)
    linear = geometric.Linear(features, outputs).double()
    convolution = geometric.GCNConv(features, outputs).double()
    both = torch.cat([edges, edges.flip(0)], 1)
    symmetric, mass = propagation(edges, nodes), propagation(edges, nodes, "mass")
    mean = propagation(edges, nodes, "constants")
    with torch.no_grad():
        linear.weight.copy_(layer.weight)
        linear.bias.copy_(layer.bias)
        convolution.lin.weight.copy_(layer.weight)
        convolution.bias.copy_(layer.bias)
        ahead = propagate(x, symmetric)
        order = torch.randperm(nodes, generator=generator)
        off = {
            "off torch_geometric's Linear": (layer(x) - linear(x), "<= 1e-12"),
            "off torch_geometric's GCNConv": (layer(ahead) - convolution(x, both), "<= 1e-12"),
            "permuted nodes off permuted outputs": (layer(x[order]) - layer(x)[order], "<= 1e-12"),
            "sums of features, off after a propagation": (propagate(x, mass).sum(0) - x.sum(0), "<= 1e-12"),
            "equal features, off after a propagation": (propagate(torch.ones_like(x), mean) - 1, "<= 1e-12"),
        }
    rows = [
        ours(CASE, metric, float(gap.abs().max()), target=target) for metric, (gap, target) in off.items()
    ]
    lost = float((ahead.sum(0) - x.sum(0)).abs().max())
    rows.append(peer(CASE, "GCNConv's matrix", "sums of features, off after a propagation", lost))
    metric = "Jacobian between different nodes"
    rows += [
        ours(CASE, metric, _between(layer, x), target="<= 0"),
        peer(CASE, "GCNConv", metric, _between(lambda nodes_: convolution(nodes_, both), x)),
    ]
    return rows


def _between(layer: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The largest derivative of a node's output by another node's features."""
    jacobian = torch.func.jacrev(layer)(x).detach().movedim(2, 1)  # (node, node, output, feature)
    same = torch.eye(len(x), dtype=torch.bool)
    return float(jacobian[~same].abs().max())


def _classified(x: Tensor, clubs: Tensor, penalty: float) -> tuple[Tensor, float, float]:
    """Shares of the second club, the spread of logits and the accuracy, over what has no label."""
    known = torch.tensor([0, len(x) - 1])  # the two who fell out
    labels = torch.full_like(clubs, IGNORED)
    labels[known] = clubs[known]
    head: MixingLayer = segmentation_head(x.shape[1], 2, axis=-1, dtype=x.dtype)
    with torch.no_grad():
        head.weight.zero_()
    fit_head(head, x, labels, penalty)
    with torch.no_grad():
        logits = head(x)
    unknown = labels == IGNORED
    spread = float((logits[unknown].amax(0) - logits[unknown].amin(0)).max())
    right = float((logits.argmax(1) == clubs)[unknown].double().mean())
    return logits.softmax(1)[:, 1], spread, right


def _gcn(edges: Tensor, nodes: int, clubs: Tensor, seed: int) -> float:
    """The accuracy of a network of torch_geometric from the same two labels."""
    geometric = package("torch_geometric.nn")
    torch.manual_seed(seed)
    first, last = geometric.GCNConv(nodes, 16), geometric.GCNConv(16, 2)
    both, x, known = torch.cat([edges, edges.flip(0)], 1), torch.eye(nodes), torch.tensor([0, nodes - 1])
    adam = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.01, weight_decay=5e-4)
    for _ in range(200):
        adam.zero_grad()
        logits = last(first(x, both).relu(), both)
        torch.nn.functional.cross_entropy(logits[known], clubs[known]).backward()
        adam.step()
    unknown = torch.ones(nodes, dtype=torch.bool)
    unknown[known] = False
    return float((logits.argmax(1) == clubs)[unknown].double().mean())
