"""The inception module: 1x1 layers that make room before wider kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.mixing import MixingLayer


class Inception(nn.Module):
    """Branches of 1x1, reduced 3x3 and 5x5, and pooled features, concatenated.

    Szegedy et al., "Going deeper with convolutions", CVPR 2015, figure 2b. Each reduction is a 1x1
    mixing layer, which cuts the multiply-adds of the wide kernel after it.

    Args:
        inputs: channels in.
        direct: channels of the 1x1 branch.
        wide: of each reduced branch (channels after the 1x1, channels out, kernel).
        pooled: channels of the pooled branch.
        dtype: of the weights.

    Raises:
        SettingsError: if a kernel is even, which has no middle, or a branch has no channels.
    """

    def __init__(
        self,
        inputs: int,
        direct: int,
        wide: Sequence[tuple[int, int, int]],
        pooled: int,
        *,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if any(size < 1 or size % 2 == 0 for _, _, size in wide):
            raise SettingsError("an inception module", f"wide={list(wide)}", "give kernels of odd size")
        self.direct = MixingLayer(inputs, direct, axis=1, dtype=dtype)
        self.reductions = nn.ModuleList(MixingLayer(inputs, few, axis=1, dtype=dtype) for few, _, _ in wide)
        self.kernels = nn.ModuleList(
            nn.Conv2d(few, out, size, padding=size // 2, dtype=dtype) for few, out, size in wide
        )
        self.pooled = MixingLayer(inputs, pooled, axis=1, dtype=dtype)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, inputs, row, column) to (batch, all channels out, row, column)."""
        branches = [self.direct(images)]
        for reduce, kernel in zip(self.reductions, self.kernels, strict=True):
            branches.append(kernel(torch.relu(reduce(images))))
        branches.append(self.pooled(nn.functional.max_pool2d(images, 3, 1, 1)))
        return torch.relu(torch.cat(branches, 1))
