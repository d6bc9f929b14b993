"""The mixing layer of a law: potentials under operators in, lawful fields out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.constraints import ConstraintSet
from physmix.errors import ShapeError
from physmix.laws import MixingConstraint
from physmix.mixing.claim import claim_laws
from physmix.mixing.precision import in_full_precision
from physmix.optimization import constrain


class LawfulLayer(nn.Module):
    """y_i = beta_i + sum over (k, a) of W_k,(i,a) z_a,k at every point: a mixing layer.

    Where the constraint was compiled with a scaling, y is multiplied by the sizes of the fields.
    z_a,k is operator a applied to potential k. The weight has one row per potential, a member of
    the constraint; so each row is lawful by itself. Weight and bias start lawful; an optimiser
    passed through `projected` keeps them so.

    Args:
        constraint: the lawful weights, from `compile_laws`.
        potentials: the number of potentials.
        bias: whether to add a (lawful) bias. Without one, the constant member of the bias set that
            has the smallest norm is added, which is zero for homogeneous laws.
        gain: size of the initial outputs for potentials with derivatives of size one.
        generator: source of the initial weights.
        rows: the set of the whole weight, (potentials, weights), where potentials differ in what
            they may do, as at walls; a part of the lawful weights.
        mean: of each field by name, where the bias starts, as near as the laws allow; zero if omitted.
    """

    def __init__(
        self,
        constraint: MixingConstraint,
        potentials: int,
        *,
        bias: bool = True,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
        rows: ConstraintSet | None = None,
        mean: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.constraint = constraint
        members = constraint.weights if rows is None else rows
        weight = members.sample(potentials, constraint.weights.size, generator=generator)
        self.weight = nn.Parameter(weight * gain / math.sqrt(potentials * len(constraint.operators)))
        start = constraint.bias.origin()
        size = torch.tensor(constraint.size or [1.0] * len(constraint.fields), dtype=torch.float64)
        if mean:
            given = [mean.get(name, 0.0) for name in constraint.fields]
            start = constraint.bias.project(torch.tensor(given, dtype=torch.float64) / size)
        self.register_buffer("size", size if constraint.size else None)
        self.bias = nn.Parameter(start, requires_grad=bias)
        constrain(self, members, bias=constraint.bias)
        self.claim = claim_laws(constraint.laws, constraint.fields)

    size: Tensor | None

    @in_full_precision
    def forward(self, channels: Float[Tensor, "operator *point potential"]) -> Float[Tensor, "*point field"]:
        """Mix the channels of each point."""
        operators, fields = len(self.constraint.operators), len(self.constraint.fields)
        expected = (operators, self.weight.shape[0])
        if channels.ndim < 2 or (channels.shape[0], channels.shape[-1]) != expected:
            raise ShapeError(
                "the input of a mixing layer", channels.shape, f"({expected[0]}, ..., {expected[1]})"
            )
        weight = self.weight.view(-1, fields, operators)
        # One matrix product per operator, summed in place of a gathered copy of the channels.
        flat = channels.reshape(operators, -1, channels.shape[-1])
        out = torch.addmm(self.bias, flat[0], weight[:, :, 0])
        for a in range(1, operators):
            out = torch.addmm(out, flat[a], weight[:, :, a])
        out = out.view(*channels.shape[1:-1], fields)
        return out if self.size is None else self.size * out

    def fold(self) -> nn.Linear:
        """The same map as a plain Linear, over channels in the order (operator, potential)."""
        operators, fields = len(self.constraint.operators), len(self.constraint.fields)
        weight = self.weight.detach().view(-1, fields, operators).permute(1, 2, 0).reshape(fields, -1)
        size = weight.new_ones(fields) if self.size is None else self.size
        weight = size[:, None] * weight
        plain = nn.Linear(weight.shape[1], fields, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            plain.weight.copy_(weight)
            plain.bias.copy_(size * self.bias)
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """Sizes and laws, for print(module)."""
        laws = ", ".join(law.name for law in self.constraint.laws) or "none"
        return (
            f"potentials={self.weight.shape[0]}, operators={len(self.constraint.operators)}, "
            f"fields={', '.join(self.constraint.fields)}, laws={laws}"
        )
