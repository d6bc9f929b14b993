"""Shares: nonnegative numbers with a given sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.set import ConstraintSet, Kind, Polyhedral, check_real
from physmix.errors import SettingsError


class Simplex(ConstraintSet):
    """w >= 0 with sum(w) = total along the last axis: the rows of a matrix are shares of a total.

    `Columns(Simplex())` holds columns, `Groups(Simplex(), [...])` groups of channels.

    Args:
        total: a positive number.

    Raises:
        SettingsError: if the total is not a positive number.
    """

    axes, kind = 1, Kind.CONVEX

    def __init__(self, total: float = 1.0) -> None:
        if not (math.isfinite(total) and total > 0):
            raise SettingsError("a simplex", f"total={total}", "give a positive number")
        self.total = float(total)

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member: max(w - t, 0) with the t at which the sum is right.

        Held, Wolfe and Crowder, "Validation of subgradient optimization", 1974: by sorting.
        """
        self.check_shape(weight.shape)
        check_real(weight, self)
        # Shifted by the largest number, so that no digits are lost when weights are large.
        shifted = weight - weight.amax(-1, keepdim=True)
        sums = shifted.sort(-1, descending=True).values.cumsum(-1)
        counts = torch.arange(1, weight.shape[-1] + 1, dtype=weight.dtype, device=weight.device)
        # The level grows with each number above it, and falls with each below: so it is the largest.
        level = sums.sub_(self.total).div_(counts).amax(-1, keepdim=True)
        return shifted.sub_(level).clamp_min_(0)

    def residual(self, weight: Tensor) -> Tensor:
        """Negative parts, then sum - total."""
        self.check_shape(weight.shape)
        return torch.cat([weight.clamp_max(0), weight.sum(-1, keepdim=True) - self.total], -1)

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral:
        """One sum for every leading member, and zero as lower bound."""
        self.check_shape(shape)
        members, size = math.prod(shape[:-1]), shape[-1]
        rows = torch.kron(torch.eye(members, dtype=torch.float64), torch.ones(1, size, dtype=torch.float64))
        lower = torch.zeros(members * size, dtype=torch.float64)
        side = torch.full((members,), self.total, dtype=torch.float64)
        return Polyhedral(rows, side, lower, lower + torch.inf, (f"sum = {self.total:g}",) * members)

    def __repr__(self) -> str:
        return f"Simplex({self.total:g})"
