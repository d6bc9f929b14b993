"""Given functions among the features, with free amounts: what a solution is known to look like somewhere.

Smooth features do not resolve a field that is singular at a place, such as a flow in a corner. Functions
that are as singular join the features of the subdomains around it, and share their windows (Babuska and
Melenk, "The partition of unity method", 1997, section 3).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from physmix.jets import Function, Jet, push, rule, seed
from physmix.mixing.partition import PartitionedFeatures, restricted_features


@dataclass(frozen=True)
class Enrichment:
    """Functions that join the features of the subdomains around a place.

    Attributes:
        functions: of the physical coordinates.
        place: by coordinate, in physical units; along others all subdomains are enriched.
    """

    functions: Sequence[Function]
    place: Mapping[str, float]


class FunctionFeatures(nn.Module):
    """Given functions of the physical coordinates, from scaled ones: a pointwise network with a jet rule.

    Args:
        functions: one for each output.
        centre: of the scaled coordinates.
        length: of the scaled coordinates.
    """

    def __init__(
        self,
        functions: Sequence[Function],
        *,
        centre: Float[Tensor, " coordinate"],
        length: Float[Tensor, " coordinate"],
    ) -> None:
        super().__init__()
        self.functions = tuple(functions)
        self.register_buffer("centre", centre.clone(), persistent=False)
        self.register_buffer("length", length.clone(), persistent=False)

    centre: Tensor
    length: Tensor

    def forward(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, "point feature"]:
        """The functions at points in scaled coordinates."""
        return self.carry(seed(points, 0)).value

    def carry(self, coordinates: Jet) -> Jet:
        """The jet of the functions from that of the scaled coordinates."""
        physical = coordinates.coefficients * self.length
        variables = Jet(coordinates.space, torch.cat([physical[:1] + self.centre, physical[1:]]))
        known: dict[Function, Tensor] = {}
        parts = [one.jet(variables, known).coefficients for one in self.functions]
        return Jet(coordinates.space, torch.cat(parts, -1))

    def restricted(self, chosen: Int[Tensor, " kept"]) -> FunctionFeatures:
        """Some of the functions."""
        some = [self.functions[i] for i in chosen.tolist()]
        return FunctionFeatures(some, centre=self.centre, length=self.length)


@rule(FunctionFeatures)
def _functions(module: FunctionFeatures, jet: Jet) -> Jet:
    return module.carry(jet)


class JoinedFeatures(nn.Module):
    """The outputs of one network, then those of given functions.

    Args:
        first: random features.
        count: their number.
        second: given functions.
    """

    def __init__(self, first: nn.Module, count: int, second: FunctionFeatures) -> None:
        super().__init__()
        self.first, self.count, self.second = first, count, second

    def forward(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, "point feature"]:
        """Both at points."""
        return torch.cat([self.first(points), self.second(points)], -1)

    def restricted(self, chosen: Int[Tensor, " kept"]) -> nn.Module:
        """Some of the outputs, by increasing number."""
        own = chosen < self.count
        first = restricted_features(self.first, chosen[own])
        if bool(own.all()):
            return first
        return JoinedFeatures(first, int(own.sum()), self.second.restricted(chosen[~own] - self.count))


@rule(JoinedFeatures)
def _joined(module: JoinedFeatures, jet: Jet) -> Jet:
    parts = push(module.first, jet), push(module.second, jet)
    return Jet(jet.space, torch.cat([part.coefficients for part in parts], -1))


def enriched(
    network: nn.Module,
    count: int,
    enrichments: Sequence[Enrichment],
    coordinates: Sequence[str],
    *,
    centre: Float[Tensor, " coordinate"],
    length: Float[Tensor, " coordinate"],
) -> tuple[nn.Module, int]:
    """Random features with functions beside them, and how many they are.

    With subdomains, functions join those whose window is not zero at their place.

    Args:
        network: random features of scaled coordinates.
        count: their number.
        enrichments: the functions.
        coordinates: of the model.
        centre: of the scaled coordinates.
        length: of the scaled coordinates.
    """
    if isinstance(network, PartitionedFeatures):
        pairs = [
            (function, owner)
            for one in enrichments
            for owner in _around(network, one, coordinates, centre, length)
            for function in one.functions
        ]
        functions = FunctionFeatures([function for function, _ in pairs], centre=centre, length=length)
        owner = torch.cat([network.owner, torch.tensor([owner for _, owner in pairs], dtype=torch.long)])
        joined = JoinedFeatures(network.features, count, functions)
        return PartitionedFeatures(joined, owner, network.cuts, network.overlap), len(owner)
    given = [function for one in enrichments for function in one.functions]
    functions = FunctionFeatures(given, centre=centre, length=length)
    return JoinedFeatures(network, count, functions), count + len(given)


def _around(
    network: PartitionedFeatures, one: Enrichment, names: Sequence[str], centre: Tensor, length: Tensor
) -> list[int]:
    """The subdomains whose window is not zero at the place of an enrichment."""
    axes = [
        [(one.place[name] - float(centre[i])) / float(length[i])]
        if name in one.place
        else [-torch.inf, *cuts.tolist(), torch.inf]
        for i, (name, cuts) in enumerate(zip(names, network.cuts, strict=True))
    ]
    points = torch.tensor(list(itertools.product(*axes)), dtype=torch.float64)
    active: list[int] = torch.nonzero(network.active(points).any(0))[:, 0].tolist()
    return active
