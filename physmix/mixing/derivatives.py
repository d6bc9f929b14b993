"""Derivatives of the fields of a model at points, as a linear map of its mixing weights.

D^b y_f = sum over (k, a) of W_k,(f,a) D^(a+b) phi_k: with the potentials held fixed every residual is a
function of quantities that are linear in the weights, and the lawful weights are W = W0 + N theta, so
that the Jacobian with respect to theta is a product of small, known matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.jets import JetSpace, push, seed
from physmix.mixing.potentials import PotentialModel
from physmix.mixing.support import Support, constraint_blocks
from physmix.operators import Monomial, plus

Entry = tuple[str, Monomial]
"""A field and a derivative of it."""


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
        operators = model.mixing.constraint.operators.monomials
        self._sets = constraint_blocks(model)
        used = sum(
            one.basis().abs().sum(1) for one, _ in self._sets
        ) + model.mixing.weight.detach().abs().sum(0)
        wanted = used.view(len(model.fields), len(operators)) > 0
        self._places = [model.fields.index(f) for f, _ in self.entries]
        self._terms = [
            [(f, a, plus(b, c)) for a, c in enumerate(operators) if wanted[f, a]]
            for f, (_, b) in zip(self._places, self.entries, strict=True)
        ]
        self.monomials = tuple(dict.fromkeys(m for terms in self._terms for _, _, m in terms))
        self._space = JetSpace.closure(self.monomials) if self.monomials else None
        lengths = model.length.tolist()
        units = [math.prod(x**n for x, n in zip(lengths, b, strict=True)) for _, b in self.entries]
        self._scale = model.size.detach()[self._places] / torch.tensor(units, dtype=torch.float64)
        self._tables = [self._gather(one.basis()) for one, _ in self._sets]
        bias = model.mixing.constraint.bias.basis()
        self._values = torch.tensor([not any(b) for _, b in self.entries])
        self._bias_table = bias[self._places] * self._values[:, None]

    def _gather(self, weights: Float[Tensor, "weight column"]) -> Float[Tensor, "entry monomial column"]:
        """By entry and derivative of the potential, from weights by field and operator."""
        operators = len(self.model.mixing.constraint.operators)
        position = {m: i for i, m in enumerate(self.monomials)}
        table = weights.new_zeros(len(self.entries), len(self.monomials), weights.shape[1])
        for entry, terms in enumerate(self._terms):
            for f, a, m in terms:
                table[entry, position[m]] += weights[f * operators + a]
        return table

    def channels(
        self, points: Float[Tensor, "point coordinate"], support: Support
    ) -> Float[Tensor, "monomial point potential"]:
        """The derivatives that the entries need, of the potentials that are not zero at the points."""
        if self._space is None:
            return points.new_zeros(0, len(points), len(support.potentials))
        scaled = (points - self.model.centre) / self.model.length
        return push(support.network, seed(scaled, self._space)).derivatives(self.monomials)

    def values(
        self, points: Float[Tensor, "point coordinate"], support: Support, channels: Tensor
    ) -> Float[Tensor, "entry point"]:
        """The entries at points, in physical units; differentiable in the mixing weight and bias.

        Args:
            points: in physical coordinates.
            support: of these points.
            channels: of these points.
        """
        model, mixing = self.model, self.model.mixing
        weight = mixing.weight if support.whole else mixing.weight[support.potentials]
        table = self._gather(weight.T)  # (entry, monomial, potential)
        out = table.new_zeros(len(self.entries), len(points))
        for m in range(len(self.monomials)):
            out = torch.addmm(out, table[:, m], channels[m].T)
        out = out + (mixing.bias[self._places] * self._values.to(out))[:, None]
        if model.particular.coefficients:
            scaled = (points - model.centre) / model.length
            known = [
                model.particular.derivative(b)(scaled)[:, place]
                for place, (_, b) in zip(self._places, self.entries, strict=True)
            ]
            out = out + torch.stack(known)
        return self._scale.to(out)[:, None] * out

    def jacobian(
        self, slopes: Float[Tensor, "residual entry point"], support: Support, channels: Tensor
    ) -> Float[Tensor, "residual point free"]:
        """The derivative of residuals with respect to the free coordinates of the support, then of the bias.

        Args:
            slopes: of each residual with respect to each entry, in physical units.
            support: of the points.
            channels: of the points.
        """
        scaled = slopes * self._scale.to(slopes)[:, None]
        parts = []
        for table, own in zip(self._tables, support.members, strict=True):
            if table.shape[2] and own.stop > own.start:
                mixed = torch.einsum("rep,emj->rpmj", scaled, table.to(scaled))
                parts.append((channels[:, :, own].permute(1, 2, 0) @ mixed).flatten(2))
        parts.append(torch.einsum("rep,ej->rpj", scaled, self._bias_table.to(scaled)))
        return torch.cat(parts, 2)
