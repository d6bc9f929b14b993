"""Potentials that carry powers of distances to walls, beside given ones that carry boundary values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from physmix.constraints import LinearSet, Rows
from physmix.errors import SettingsError, listing
from physmix.jets import Function, Jet, push, rule, seed
from physmix.jets.compose import cauchy, product_plan
from physmix.laws import MixingConstraint, Scaling, WallClass, WallRule
from physmix.operators import Monomial


@dataclass(frozen=True)
class Wall:
    """A wall, and the fields that equal the liftings on it.

    Attributes:
        distance: zero on the wall with a gradient that is not, and nowhere else in the domain. A
            factor is free; with one that brings it near to 1 inside, networks start at a good size.
        fields: those that equal the liftings, such as both velocities where nothing slips.
        normal: from coordinate to field, the vector whose normal component does.
    """

    distance: Function
    fields: tuple[str, ...] = ()
    normal: Mapping[str, str] = field(default_factory=dict)

    def rule(self, coordinates: Sequence[str]) -> WallRule:
        """What vanishes on it; a wall at rest does not vary with time, since its distance does not."""
        varying = tuple(coordinates[place] for place in sorted(self.distance.places))
        return WallRule(self.fields, self.normal, varying)


@dataclass(frozen=True)
class Lifting:
    """A given potential, mixed with given lawful weights: amount * sum over a of w_(f,a) D_a potential.

    Attributes:
        potential: in physical coordinates.
        weights: w in physical units, from (field, monomial) to number.
        amount: a factor, such as the flux past a body or the force on it.
        trainable: whether the amount is learnt.
    """

    potential: Function
    weights: Mapping[tuple[str, Monomial], float]
    amount: float = 1.0
    trainable: bool = False

    def row(self, constraint: MixingConstraint, scaling: Scaling) -> Float[Tensor, " weight"]:
        """The weights in scaled units, as a row of the mixing layer.

        Raises:
            SettingsError: if they are not lawful, or have other fields or operators.
        """
        monomials = constraint.operators.monomials
        known = [(name, a) for name in constraint.fields for a in monomials]
        if unknown := [entry for entry in self.weights if entry not in known]:
            order = f"give fields of the model and derivatives of order {constraint.operators.order}"
            raise SettingsError("a lifting", f"it has weights for {unknown}", order)
        row = torch.zeros(len(known), dtype=torch.float64)
        for place, (name, a) in enumerate(known):
            value = self.weights.get((name, a), 0.0) / scaling.size.get(name, 1.0)
            for coordinate, exponent in zip(constraint.operators.generators, a, strict=True):
                value /= scaling.length.get(coordinate, 1.0) ** exponent
            row[place] = value
        if not constraint.weights.contains(row):
            missed = f"its weights miss the laws by {constraint.weights.violation(row):.1e}"
            raise SettingsError("a lifting", missed, "take weights that the laws allow")
        return row


class WalledPotentials(nn.Module):
    """(d^p chi of each class, then the potentials of the liftings): a pointwise network with a jet rule.

    Args:
        network: chi.
        counts: outputs of the network in each class.
        classes: the powers of the distance to each wall.
        walls: the walls.
        liftings: given potentials.
        centre: of the scaled coordinates.
        length: of the scaled coordinates.
    """

    def __init__(
        self,
        network: nn.Module,
        counts: Sequence[int],
        classes: Sequence[WallClass],
        walls: Sequence[Wall],
        liftings: Sequence[Lifting],
        *,
        centre: Float[Tensor, " coordinate"],
        length: Float[Tensor, " coordinate"],
    ) -> None:
        super().__init__()
        self.network, self.counts = network, tuple(counts)
        self.powers = tuple(one.powers for one in classes)
        self.walls, self.liftings = tuple(walls), tuple(liftings)
        self.amounts = nn.ParameterList(
            nn.Parameter(torch.tensor(one.amount, dtype=torch.float64), requires_grad=one.trainable)
            for one in liftings
        )
        self.register_buffer("centre", centre.clone(), persistent=False)
        self.register_buffer("length", length.clone(), persistent=False)

    centre: Tensor
    length: Tensor

    def forward(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, "point potential"]:
        """The potentials at points in scaled coordinates."""
        plain = Jet(seed(points, 0).space, self.network(points)[None])
        return self.carry(plain, seed(points, 0)).value

    def carry(self, potentials: Jet, coordinates: Jet) -> Jet:
        """The jet of all potentials from those of the network and of the scaled coordinates."""
        space, plan = potentials.space, product_plan(potentials.space)
        physical = coordinates.coefficients * self.length
        physical = torch.cat([physical[:1] + self.centre, physical[1:]])
        variables = Jet(space, physical)
        known: dict[Function, Tensor] = {}
        distances = [wall.distance.jet(variables, known).coefficients for wall in self.walls]
        parts = []
        for part, powers in zip(potentials.coefficients.split(self.counts, -1), self.powers, strict=True):
            factors = [d for d, p in zip(distances, powers, strict=True) for _ in range(p)]
            if not factors:
                parts.append(part)
                continue
            power = factors[0]
            for factor in factors[1:]:
                power = cauchy(power, factor, plan)
            parts.append(cauchy(part, power, plan))
        for lifting, amount in zip(self.liftings, self.amounts, strict=True):
            parts.append(amount * lifting.potential.jet(variables, known).coefficients)
        return Jet(space, torch.cat(parts, -1))

    def restricted(self, network: nn.Module, chosen: Int[Tensor, " kept"]) -> WalledPotentials:
        """The same on a network of some of the outputs alone, each in its class, beside all liftings."""
        ends = torch.tensor(self.counts).cumsum(0)
        counts = torch.bincount(torch.searchsorted(ends, chosen.cpu(), right=True), minlength=len(ends))
        made = WalledPotentials(
            network, counts.tolist(), (), self.walls, self.liftings, centre=self.centre, length=self.length
        )
        made.powers, made.amounts = self.powers, self.amounts
        return made


@rule(WalledPotentials)
def _walled(module: WalledPotentials, jet: Jet) -> Jet:
    return module.carry(push(module.network, jet), jet)


def shared_out(potentials: int, classes: Sequence[str]) -> list[int]:
    """How many potentials each class gets: as equal as can be, the last ones first.

    Args:
        potentials: to share out.
        classes: their names, such as the powers of distances, for the message.

    Raises:
        SettingsError: if there are fewer potentials than classes.
    """
    each, rest = divmod(potentials, len(classes))
    if each < 1:
        problem = f"{potentials} for the classes {listing(classes)}"
        raise SettingsError("the potentials", problem, f"give {len(classes)} up")
    return [each + (i >= len(classes) - rest) for i in range(len(classes))]


def weight_rows(counts: Sequence[int], classes: Sequence[WallClass], rows: Sequence[Tensor]) -> Rows:
    """The set of the whole weight: rows of each class, then the fixed rows of the liftings."""
    blocks = [(one.weights, count) for one, count in zip(classes, counts, strict=True)]
    for row in rows:
        eye = torch.eye(len(row), dtype=row.dtype)
        blocks.append((LinearSet(eye, row, basis=eye[:, :0]), 1))
    return Rows(blocks)
