"""Difference operators on periodic grids: commuting shifts, whose sums over the domain vanish.

Along each dimension there are two generators, the forward difference S - 1 and the backward
difference 1 - S^-1, in units of the grid spacing; their half sum is the central difference, their
difference the second difference. The identity and all generators together are one five-point (in
two dimensions) neighbourhood, so a 1x1 layer over them sees the nearest neighbours.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.operators import Operators, monomials


def neighbour_operators(dimensions: int) -> Operators:
    """The identity, then forward and backward difference along each dimension."""
    generators = tuple(f"{side} {i}" for i in range(dimensions) for side in ("forward", "backward"))
    identity = (0,) * len(generators)
    return Operators(generators, (identity, *monomials(len(generators), 1)), telescoping=True)


def neighbour_channels(
    field: Float[Tensor, "batch *grid channel"],
) -> Float[Tensor, "operator batch *grid channel"]:
    """Apply `neighbour_operators` to a field on a periodic grid."""
    parts = [field]
    for dimension in range(1, field.ndim - 1):
        forward = torch.roll(field, -1, dimension) - field
        parts += [forward, torch.roll(forward, 1, dimension)]
    return torch.stack(parts)
