"""Derivatives of the fields of a model at points, as a linear map of its mixing weights.

D^b y_f = sum over (k, a) of W_k,(f,a) D^(a+b) phi_k: with the potentials held fixed every residual is a
function of quantities that are linear in the weights, and the lawful weights are W = W0 + N theta, so
that the Jacobian with respect to theta is a product of small, known matrices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.constraints import LinearSet, Rows
from physmix.errors import SettingsError, listing
from physmix.mixing.potentials import PotentialModel
from physmix.operators import Monomial, plus

Entry = tuple[str, Monomial]
"""A field and a derivative of it."""


@dataclass(frozen=True)
class _Block:
    """Potentials whose weights share one set: their place, and entry = sum over (m, j) of table theta."""

    potentials: slice
    table: Float[Tensor, "entry monomial free"]


class DerivativeMap:
    """Which derivatives of which fields, from the jets of a model's potentials.

    Args:
        model: its fields, laws and units.
        entries: (field, monomial) in physical coordinates.

    Raises:
        SettingsError: if the model does not have a field, or a monomial has another number of coordinates.
    """

    def __init__(self, model: PotentialModel, entries: Sequence[Entry]) -> None:
        self.model, self.entries = model, tuple(dict.fromkeys(entries))
        for field, b in self.entries:
            if field not in model.fields or len(b) != len(model.coordinates):
                problem = f"D^{b} of {field!r} is none of {listing(model.fields)}"
                raise SettingsError("a derivative", problem, f"give {len(model.coordinates)} orders")
        constraint = model.mixing.constraint
        operators = constraint.operators.monomials
        self._size = {name: float(size) for name, size in zip(model.fields, model.size, strict=True)}
        sets = constraint_blocks(model)
        used = sum(one.basis().abs().sum(1) for one, _ in sets) + model.mixing.weight.detach().abs().sum(0)
        wanted = used.view(len(model.fields), len(operators)) > 0
        places = {name: i for i, name in enumerate(model.fields)}
        self._terms = [
            [(places[f], a, plus(b, c)) for a, c in enumerate(operators) if wanted[places[f], a]]
            for f, b in self.entries
        ]
        self.monomials = tuple(dict.fromkeys(m for terms in self._terms for _, _, m in terms))
        self.order = max((sum(m) for m in self.monomials), default=0)
        self._position = {m: i for i, m in enumerate(self.monomials)}
        self._scale = torch.tensor([self._unit(f, b) for f, b in self.entries], dtype=torch.float64)
        self._blocks, start = [], 0
        for one, count in sets:
            table = self._gather(one.basis())
            self._blocks.append(_Block(slice(start, start + count), table))
            start += count
        bias = constraint.bias.basis()
        self._bias_table = torch.stack([bias[places[f]] * (not any(b)) for f, b in self.entries])

    def _unit(self, field: str, b: Monomial) -> float:
        lengths = self.model.length.tolist()
        return self._size[field] / math.prod(x**n for x, n in zip(lengths, b, strict=True))

    def _gather(self, weights: Float[Tensor, "weight column"]) -> Float[Tensor, "entry monomial column"]:
        """By entry and derivative of the potential, from weights by field and operator."""
        operators = len(self.model.mixing.constraint.operators)
        table = weights.new_zeros(len(self.entries), len(self.monomials), weights.shape[1])
        for entry, terms in enumerate(self._terms):
            for f, a, m in terms:
                table[entry, self._position[m]] += weights[f * operators + a]
        return table

    def channels(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, "monomial point potential"]:
        """The derivatives of the potentials that the entries need."""
        if not self.monomials:
            return points.new_zeros(0, len(points), self.model.mixing.weight.shape[0])
        return self.model.jet(points, self.order).derivatives(self.monomials)

    def values(
        self, points: Float[Tensor, "point coordinate"], channels: Tensor | None = None
    ) -> Float[Tensor, "entry point"]:
        """The entries at points, in physical units; differentiable in all parameters.

        Args:
            points: in physical coordinates.
            channels: of these points, where they are known.
        """
        channels = self.channels(points) if channels is None else channels
        mixing = self.model.mixing
        table = self._gather(mixing.weight.T)  # (entry, monomial, potential)
        out = table.new_zeros(len(self.entries), len(points))
        for m in range(len(self.monomials)):
            out = out + table[:, m] @ channels[m].T
        zero = (0,) * points.shape[1]
        places = [self.model.fields.index(f) for f, _ in self.entries]
        constant = torch.tensor([b == zero for _, b in self.entries], device=out.device)
        out = out + (mixing.bias[places] * constant)[:, None]
        if self.model.particular.coefficients:
            scaled = (points - self.model.centre) / self.model.length
            known = [self.model.particular.derivative(b)(scaled)[:, i] for i, (_, b) in zip(places, self.entries, strict=True)]
            out = out + torch.stack(known)
        return self._scale.to(out)[:, None] * out

    def jacobian(
        self, slopes: Float[Tensor, "residual entry point"], channels: Float[Tensor, "monomial point potential"]
    ) -> Float[Tensor, "residual point free"]:
        """The derivative of residuals with respect to the free coordinates of weight and bias.

        Args:
            slopes: of each residual with respect to each entry, in physical units.
            channels: of the points.
        """
        scaled = slopes * self._scale.to(slopes)[:, None]
        parts = []
        for block in self._blocks:
            mixed = torch.einsum("rep,emj->rpmj", scaled, block.table.to(scaled))
            own = channels[:, :, block.potentials].permute(1, 2, 0)  # (point, potential, monomial)
            parts.append((own @ mixed).flatten(2))
        parts.append(torch.einsum("rep,ej->rpj", scaled, self._bias_table.to(scaled)))
        return torch.cat(parts, 2)


def constraint_blocks(model: PotentialModel) -> list[tuple[LinearSet, int]]:
    """The sets of the rows of a model's mixing weight, and how many rows each has."""
    members = model.mixing.constrained["weight"]
    if isinstance(members, Rows):
        return list(zip(members.sets, members.counts, strict=True))
    return [(members, model.mixing.weight.shape[0])]
