"""Balls: weights whose norm is bounded."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physmix.constraints.set import ConstraintSet, Kind
from physmix.constraints.simplex import Simplex
from physmix.errors import SettingsError


class Ball(ConstraintSet):
    """|w| <= radius along the last axis, in the 1-, 2- or infinity-norm, real or complex.

    `Whole(Ball(r), shape)` bounds the Frobenius norm of a matrix.

    Args:
        radius: a positive number.
        norm: 1, 2 or math.inf.

    Raises:
        SettingsError: for another radius or norm.
    """

    axes, kind = 1, Kind.CONVEX

    def __init__(self, radius: float, norm: float = 2) -> None:
        if not (math.isfinite(radius) and radius > 0) or norm not in (1, 2, math.inf):
            raise SettingsError(
                "a ball", f"radius={radius}, norm={norm}", "give a positive radius, and norm 1, 2 or math.inf"
            )
        self.radius, self.norm = float(radius), float(norm)

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member: shrunk to the radius, cut at it, or with all lengths less a threshold.

        Duchi et al., "Efficient projections onto the l1-ball", ICML 2008, for the 1-norm.
        """
        self.check_shape(weight.shape)
        length = weight.abs()
        if self.norm == 1:
            inside = length.sum(-1, keepdim=True) <= self.radius
            target = torch.where(inside, length, Simplex(self.radius).project(length))
        elif self.norm == 2:
            size = torch.linalg.vector_norm(weight, dim=-1, keepdim=True)
            return torch.where(size <= self.radius, weight, weight * (self.radius / size))
        else:
            target = length.clamp_max(self.radius)
        return torch.where(target == length, weight, torch.sgn(weight) * target)

    def residual(self, weight: Tensor) -> Tensor:
        """How far the norm of each vector exceeds the radius."""
        self.check_shape(weight.shape)
        size = torch.linalg.vector_norm(weight, ord=self.norm, dim=-1)
        return (size - self.radius).clamp_min(0)

    def __repr__(self) -> str:
        return f"Ball({self.radius:g}, norm={self.norm:g})"


class SpectralBall(ConstraintSet):
    """Matrices, on the last two axes, whose largest singular value is at most the radius.

    A layer with such a weight is Lipschitz with that constant in the 2-norm.

    Args:
        radius: a positive number.

    Raises:
        SettingsError: for another radius.
    """

    axes, kind = 2, Kind.CONVEX

    def __init__(self, radius: float = 1.0) -> None:
        if not (math.isfinite(radius) and radius > 0):
            raise SettingsError("a spectral ball", f"radius={radius}", "give a positive number")
        self.radius = float(radius)

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member in the Frobenius norm: singular values cut at the radius."""
        self.check_shape(weight.shape)
        left, values, right = torch.linalg.svd(weight, full_matrices=False)
        inside = values.amax(-1) <= self.radius
        cut = (left * values.clamp_max(self.radius)[..., None, :]) @ right
        # Members keep every digit; what is cut is put together anew, so that no digits of it are lost
        # to those that are taken away.
        return torch.where(inside[..., None, None], weight, cut)

    def residual(self, weight: Tensor) -> Tensor:
        """How far each matrix exceeds the radius."""
        self.check_shape(weight.shape)
        return (torch.linalg.matrix_norm(weight, ord=2) - self.radius).clamp_min(0)

    def __repr__(self) -> str:
        return f"SpectralBall({self.radius:g})"
