"""Models that are functions of points, from networks whose layers all move."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from physmix.checking import Finding, judge_model
from physmix.commands.description import Description
from physmix.commands.laws import LawTexts
from physmix.commands.registry import ACTIVATIONS, at_least, choose
from physmix.commands.walls import read_liftings, read_walls
from physmix.laws import Law, Scaling
from physmix.mixing import PotentialModel, pointwise_network


def build_potentials(
    *,
    description: Description,
    generator: torch.Generator | None,
    potentials: int,
    order: int,
    hidden: Sequence[int],
    activation: str,
    slope: float,
    walls: Sequence[Mapping[str, Any]] = (),
    liftings: Sequence[Mapping[str, Any]] = (),
) -> PotentialModel:
    """Fields mixed from the derivatives of the outputs of a pointwise network."""
    at_least("the model", 1, potentials=potentials, hidden=min(hidden, default=0))
    at_least("the model", 0, order=order)
    coordinates = description["coordinates"]
    network = pointwise_network(
        len(coordinates),
        hidden,
        potentials,
        choose(ACTIVATIONS, activation, "the model's activation"),
        slope=slope,
        generator=generator,
    )
    return PotentialModel(
        network,
        LawTexts.of(description["laws"]).parse(coordinates),
        description["fields"],
        coordinates=coordinates,
        potentials=potentials,
        order=order,
        scaling=Scaling.fitting(description["box"], description["size"]),
        mean=description["mean"],
        generator=generator,
        walls=read_walls(walls, coordinates),
        liftings=read_liftings(liftings, coordinates, order),
    )


def build_layers(
    *,
    description: Description,
    generator: torch.Generator | None,
    widths: Sequence[int],
    activation: str,
    activated: bool,
) -> PotentialModel:
    """Fields of a solution: mixed from features, or from a network, with derivatives of the lowest orders.

    Args:
        description: see `Description`.
        generator: unused where weights are loaded.
        widths: of the coordinates and of each layer.
        activation: between layers.
        activated: whether the last layer has one too, as random features have.
    """
    at_least("the model", 1, widths=min(widths, default=0))
    at_least("the model", 2, layers=len(widths))
    coordinates = description["coordinates"]
    kind = choose(ACTIVATIONS, activation, "the model's activation")
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs, dtype=torch.float64), kind()]
    return PotentialModel(
        nn.Sequential(*(layers if activated else layers[:-1])),
        LawTexts.of(description["laws"]).parse(coordinates),
        description["fields"],
        coordinates=coordinates,
        potentials=widths[-1],
        scaling=Scaling.fitting(description["box"], description["size"]),
        generator=generator,
    )


def judge_potentials(
    model: PotentialModel, description: Description, laws: Iterable[Law], seed: int
) -> list[Finding]:
    """At fresh points and through random boxes of the domain."""
    return judge_model(model, laws, description["box"], seed=seed)
