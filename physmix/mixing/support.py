"""Which potentials are not zero at given points, and the free coordinates of their mixing weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from physmix.constraints import LinearSet, Rows
from physmix.mixing.partition import PartitionedFeatures
from physmix.mixing.potentials import PotentialModel
from physmix.mixing.walled import WalledPotentials
from physmix.optimization import constrained_parameters


@dataclass(frozen=True)
class Support:
    """The potentials of some subdomains.

    Attributes:
        subdomains: by number.
        potentials: their places among all, increasing.
        whole: whether they are all.
        members: for each set of weights its potentials, as a slice of `potentials`.
        network: gives these potentials alone, from scaled coordinates.
        columns: for each free coordinate of these potentials, then of the bias, its place among the
            coordinates of `WeightLayout`.
    """

    subdomains: tuple[int, ...]
    potentials: Int[Tensor, " potential"]
    whole: bool
    members: tuple[slice, ...]
    network: nn.Module
    columns: Int[Tensor, " free"]


class WeightLayout:
    """The free coordinates of a model's mixing weight and bias, and the subdomain of each.

    Args:
        model: its network may be, or hold, `PartitionedFeatures`; any other has one subdomain.

    Attributes:
        columns: the places of the coordinates of each subdomain; the last entry is the bias.
    """

    def __init__(self, model: PotentialModel) -> None:
        self.model, self.sets = model, constraint_blocks(model)
        network = model.network
        self._walled = network if isinstance(network, WalledPotentials) else None
        inner = self._walled.network if self._walled else network
        self.partition = inner if isinstance(inner, PartitionedFeatures) else None
        total = model.mixing.weight.shape[0]
        given = len(self._walled.liftings) if self._walled else 0
        owner = self.partition.owner if self.partition else torch.zeros(total - given, dtype=torch.long)
        self._owner = torch.cat([owner.cpu(), torch.full((given,), -1)])
        self._sizes = [count * one.nullity for one, count in self.sets]
        bias = model.mixing.constraint.bias.nullity
        held = [
            self._owner[start : start + count].repeat_interleave(one.nullity)
            for (one, count), start in zip(self.sets, self._starts(), strict=True)
        ]
        self._subdomain = torch.cat([*held, torch.full((bias,), self.subdomains)])
        self.columns = [torch.nonzero(self._subdomain == s)[:, 0] for s in range(self.subdomains + 1)]
        self._supports: dict[tuple[int, ...], Support] = {}

    @property
    def subdomains(self) -> int:
        """Their number."""
        return int(torch.tensor(self.partition.shape).prod()) if self.partition else 1

    @property
    def count(self) -> int:
        """The number of free coordinates."""
        return len(self._subdomain)

    def supports(self, points: Float[Tensor, "point coordinate"]) -> Iterator[tuple[Tensor, Support]]:
        """Points that see the same subdomains, by their places, with the support that they have in common."""
        if self.partition is None:
            yield torch.arange(len(points)), self._support((0,))
            return
        active = self.partition.active((points - self.model.centre) / self.model.length)
        # Windows that meet at a point are a block of the grid: the first and the last of them tell it.
        count = active.shape[1]
        last = count - 1 - active.flip(1).byte().argmax(1)
        _, which, many = torch.unique(
            active.byte().argmax(1) * count + last, return_inverse=True, return_counts=True
        )
        for places in which.argsort(stable=True).split(many.tolist()):
            subdomains = tuple(torch.nonzero(active[places[0]])[:, 0].tolist())
            yield places, self._support(subdomains)

    def _support(self, subdomains: tuple[int, ...]) -> Support:
        if subdomains not in self._supports:
            self._supports[subdomains] = self._make(subdomains)
        return self._supports[subdomains]

    def _make(self, subdomains: tuple[int, ...]) -> Support:
        shown = torch.isin(self._owner, torch.tensor([*subdomains, -1]))
        potentials = torch.nonzero(shown)[:, 0]
        whole = len(potentials) == len(self._owner)
        ends = [0, *torch.tensor([count for _, count in self.sets]).cumsum(0).tolist()]
        edges = torch.searchsorted(potentials, torch.tensor(ends)).tolist()
        members = tuple(slice(a, b) for a, b in itertools.pairwise(edges))
        columns = torch.nonzero(torch.isin(self._subdomain, torch.tensor([*subdomains, self.subdomains])))[
            :, 0
        ]
        return Support(
            subdomains, potentials, whole, members, self._network(potentials, whole=whole), columns
        )

    def _network(self, potentials: Tensor, *, whole: bool) -> nn.Module:
        if whole or self.partition is None:
            return self.model.network
        chosen = potentials[self._owner[potentials] >= 0]
        inner = self.partition.restricted(chosen.to(self.partition.owner.device))
        return self._walled.restricted(inner, chosen) if self._walled else inner

    def _starts(self) -> list[int]:
        return [0, *torch.tensor([count for _, count in self.sets]).cumsum(0).tolist()][:-1]

    @torch.no_grad()
    def coordinates(self) -> Float[Tensor, " free"]:
        """The present coordinates."""
        mixing = self.model.mixing
        rows = mixing.weight.split([count for _, count in self.sets])
        parts = [one.coordinates(part).flatten() for (one, _), part in zip(self.sets, rows, strict=True)]
        return torch.cat([*parts, mixing.constraint.bias.coordinates(mixing.bias)])

    @torch.no_grad()
    def set(self, coordinates: Float[Tensor, " free"]) -> None:
        """Make the model's weight and bias those of the coordinates."""
        mixing = self.model.mixing
        *parts, bias = coordinates.split([*self._sizes, self.count - sum(self._sizes)])
        rows = [
            one.point(part.view(count, one.nullity))
            for (one, count), part in zip(self.sets, parts, strict=True)
        ]
        mixing.weight.copy_(torch.cat(rows))
        mixing.bias.copy_(mixing.constraint.bias.point(bias))


def constraint_blocks(model: PotentialModel) -> list[tuple[LinearSet, int]]:
    """The sets of the rows of a model's mixing weight, and how many rows each has."""
    (members,) = (m for p, m in constrained_parameters(model.mixing) if p is model.mixing.weight)
    if isinstance(members, Rows):
        return list(zip(members.sets, members.counts, strict=True))
    assert isinstance(members, LinearSet)
    return [(members, model.mixing.weight.shape[0])]
