"""Fixed sparsity: numbers that stay zero."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.set import ConstraintSet, Kind, Polyhedral
from physmix.errors import ShapeError


class Sparsity(ConstraintSet):
    """Weights that are zero wherever the mask is False, real or complex.

    Args:
        mask: which numbers are free, over the trailing axes of the weight.

    Raises:
        ShapeError: if the mask has no axes.
    """

    kind = Kind.AFFINE

    def __init__(self, mask: Tensor) -> None:
        if mask.ndim == 0:
            raise ShapeError("a sparsity mask", mask.shape, "one axis or more")
        self.mask = mask.detach().bool()
        self.shape, self.axes = tuple(mask.shape), mask.ndim

    def _mask(self, weight: Tensor) -> Tensor:
        self.check_shape(weight.shape)
        return self.mask.to(weight.device)

    def project(self, weight: Tensor) -> Tensor:
        """The weight with zeros where the mask is False."""
        return torch.where(self._mask(weight), weight, torch.zeros_like(weight))

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """The gradient with zeros where the mask is False."""
        del weight, step
        return self.project(gradient)

    def residual(self, weight: Tensor) -> Tensor:
        """What should be zero."""
        return weight - self.project(weight)

    def coordinates(self, weight: Tensor) -> Tensor:
        """The free numbers, (*lead, free)."""
        return weight[..., self._mask(weight)]

    def point(self, coordinates: Tensor) -> Tensor:
        """The weight with these free numbers."""
        out = coordinates.new_zeros(*coordinates.shape[:-1], *self.mask.shape)
        out[..., self.mask.to(coordinates.device)] = coordinates
        return out

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral:
        """Zero as both bounds where the mask is False."""
        self.check_shape(shape)
        free = self.mask.expand(tuple(shape)).reshape(-1)
        upper = torch.where(free, torch.inf, 0.0).double()
        return Polyhedral(upper.new_zeros(0, len(upper)), upper.new_zeros(0), -upper, upper, ())

    def __repr__(self) -> str:
        return f"Sparsity({int(self.mask.sum())} of {self.mask.numel()} free)"
