"""Graphs: the same 1x1 layer at every node, and mixing along the nodes where messages are wanted."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.mixing import MixingLayer, mix

Keep = Literal["symmetry", "constants", "mass"]


def node_transform(
    inputs: int,
    outputs: int,
    *,
    bias: bool = True,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> MixingLayer:
    """The transform of a graph without messages: one W for the features of every node.

    On the graph side it is the identity: what a node gives depends on that node alone, and a
    permutation of the nodes permutes the output. Features are (*batch, node, inputs).
    """
    return MixingLayer(inputs, outputs, bias=bias, axis=-1, dtype=dtype, generator=generator)


def propagation(edges: Tensor, nodes: int, keep: Keep = "symmetry", weight: Tensor | None = None) -> Tensor:
    """The matrix P that mixes along the nodes of an undirected graph, each node being its own neighbour.

    Args:
        edges: (2, edge) of node numbers; either direction, or both. Of an edge that is given several
            times the largest weight counts, and a loop is the 1 that every node has.
        nodes: how many there are.
        keep: "symmetry" for D^-1/2 (A + I) D^-1/2 (Kipf and Welling, "Semi-supervised classification
            with graph convolutional networks", ICLR 2017, equation 2); "constants" for the mean over
            neighbours, whose rows are on the simplex; "mass" for its transpose, whose columns are, so
            that the sum over nodes of every feature stays.
        weight: of each edge, (edge,), not negative; 1 if omitted. Without a unit: that of a node is 1.

    Returns:
        P, (nodes, nodes), float64.

    Raises:
        ShapeError, SamplesError, SettingsError: if the edges, weights or the word are not of that kind.
    """
    if edges.ndim != 2 or edges.shape[0] != 2:
        raise ShapeError("the edges of a graph", edges.shape, "(2, edges)")
    if edges.dtype not in (torch.int32, torch.int64):
        raise SamplesError("a graph", f"its edges are {edges.dtype}", "give node numbers as torch.int64")
    if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < nodes:
        raise SamplesError("a graph", f"an edge leads out of its {nodes} nodes", "number them from 0")
    strength = torch.ones(edges.shape[1], dtype=torch.float64) if weight is None else weight.double()
    if strength.shape != edges.shape[1:]:
        raise ShapeError("the weights of edges", strength.shape, f"({edges.shape[1]},)")
    if not bool((strength.isfinite() & (strength >= 0)).all()):
        raise SamplesError("a graph", "a weight is negative or not finite", "give 0 or more")
    places = edges[0].long() * nodes + edges[1]
    near = strength.new_zeros(nodes * nodes).scatter_reduce(0, places, strength, "amax").view(nodes, nodes)
    near = torch.maximum(near, near.mT).fill_diagonal_(1.0)
    degree = near.sum(1)
    if keep == "symmetry":
        return near / (degree[:, None] * degree).sqrt()
    if keep == "constants":
        return near / degree[:, None]
    if keep == "mass":
        return near / degree
    raise SettingsError("a propagation", f"keep={keep!r}", "give 'symmetry', 'constants' or 'mass'")


def propagate(features: Tensor, matrix: Tensor, times: int = 1) -> Tensor:
    """P^times x: features (*batch, node, feature), mixed along the nodes.

    Args:
        features: x, of floating-point numbers.
        matrix: P, (nodes, nodes), such as `propagation` gives it.
        times: 0 or more.

    Raises:
        ShapeError: if there are other nodes.
        SamplesError: if features are whole numbers, which cannot hold means.
        SettingsError: if `times` is negative.
    """
    if times < 0:
        raise SettingsError("a propagation", f"times={times}", "give 0 or more")
    if not (features.is_floating_point() or features.is_complex()):
        raise SamplesError("a propagation", f"they are {features.dtype}", "give features as torch.float64")
    for _ in range(times):
        features = mix(features, matrix.to(features), axis=-2)
    return features
