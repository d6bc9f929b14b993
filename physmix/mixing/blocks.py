"""Blocks of mixing layers that stay lawful through depth."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.grids import neighbour_channels
from physmix.laws import MixingConstraint, compile_laws
from physmix.mixing.claim import claim_laws
from physmix.mixing.lawful import LawfulLayer


class MixingBlock(nn.Module):
    """y = x + W D sigma(V D x) on a periodic grid, with lawful W: what the laws conserve in x stays.

    D are the fixed neighbour channels, V and W mixing layers, sigma an activation at each point.
    V is free, since what it makes is not a conserved field; the increment is lawful because W is.

    Args:
        constraint: the lawful W, compiled for the channels of x over `neighbour_operators`.
        width: channels between V and W.
        activation: sigma.
        generator: source of the initial weights.
    """

    def __init__(
        self,
        constraint: MixingConstraint,
        width: int,
        activation: type[nn.Module] = nn.GELU,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        inner = [f"inner_{i}" for i in range(width)]
        free = compile_laws((), inner, constraint.operators)
        self.read = LawfulLayer(free, len(constraint.fields), generator=generator)
        self.activation = activation()
        self.write = LawfulLayer(constraint, width, gain=0.1, generator=generator)
        self.claim = claim_laws(constraint.laws, constraint.fields, kept=True)

    def forward(self, field: Float[Tensor, "batch *grid channel"]) -> Float[Tensor, "batch *grid channel"]:
        """Add the lawful increment to a field."""
        inner = self.activation(self.read(neighbour_channels(field)))
        return field + self.write(neighbour_channels(inner))
