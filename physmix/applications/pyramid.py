"""Feature pyramids: levels of a backbone brought to one width by 1x1 layers, merged from coarse to fine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from physmix.constraints import Orthonormal
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class FeaturePyramid(nn.Module):
    """Lateral 1x1 layers, a path from the coarse to the fine, and a smoothing of each level.

    Lin et al., "Feature pyramid networks for object detection", CVPR 2017, section 3:
    p_l = W_l c_l + up(p_(l+1)), where `up` repeats the nearest point. A 1x1 layer commutes with it, so
    that coarse levels are mixed before they grow.

    Args:
        lateral: the layer of each level, from fine to coarse; all with one number of outputs.
        smooth: what is done to each merged level, such as a 3x3 convolution.

    Raises:
        ShapeError: if the numbers of layers or their outputs differ.
    """

    def __init__(self, lateral: Sequence[MixingLayer], smooth: Sequence[nn.Module]) -> None:
        super().__init__()
        if not lateral or len(lateral) != len(smooth):
            raise ShapeError("the levels of a pyramid", (len(lateral), len(smooth)), "as many of both, not 0")
        widths = tuple(layer.weight.shape[0] for layer in lateral)
        if len(set(widths)) != 1:
            raise ShapeError("the widths of a pyramid", widths, "one number for all levels")
        self.lateral, self.smooth = nn.ModuleList(lateral), nn.ModuleList(smooth)

    def merge(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The merged levels p before they are smoothed, each (batch, width, *grid).

        Raises:
            ShapeError: if there are more or fewer levels, other channels, another batch or no points.
        """
        if len(levels) != len(self.lateral):
            raise ShapeError("the levels for a pyramid", (len(levels),), f"({len(self.lateral)},)")
        for level in levels:
            if (
                level.ndim < 3
                or level.ndim != levels[0].ndim
                or len(level) != len(levels[0])
                or not level.numel()
            ):
                expected = f"(batch, channel, *grid), as the first one, {tuple(levels[0].shape)}"
                raise ShapeError("a level for a pyramid", level.shape, expected)
        merged: list[Tensor] = []
        for layer, level in zip(reversed(self.lateral), reversed(levels), strict=True):
            own = layer(level)
            merged.insert(0, own + repeat_nearest(merged[0], own.shape[2:]) if merged else own)
        return merged

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The pyramid of levels c_l, (batch, channels of the level, *grid), from fine to coarse.

        Grids may have any sizes, odd ones too. Returns (batch, width, *grid) for each.
        """
        return [change(level) for change, level in zip(self.smooth, self.merge(levels), strict=True)]

    @torch.no_grad()
    def load_torchvision(self, state: Mapping[str, Tensor]) -> FeaturePyramid:
        """Take the weights of a `torchvision.ops.FeaturePyramidNetwork`; returns the pyramid.

        Args:
            state: its `state_dict()`, without normalisation or further levels.

        Raises:
            SettingsError: if it holds other weights than these levels have.
        """
        rest = dict(state)
        try:
            for i, (lateral, smooth) in enumerate(zip(self.lateral, self.smooth, strict=True)):
                for ours, theirs in ((lateral, f"inner_blocks.{i}.0"), (smooth, f"layer_blocks.{i}.0")):
                    for name, parameter in ours.named_parameters():
                        parameter.copy_(rest.pop(f"{theirs}.{name}").reshape(parameter.shape))
        except (KeyError, RuntimeError) as error:
            raise SettingsError("the pyramid", f"its weights do not fit ({error})", _SAME) from error
        if rest:
            raise SettingsError("the pyramid", f"it has no place for {', '.join(rest)}", _SAME)
        return self


_SAME = "make it with the same channels, width and biases"


def repeat_nearest(level: Tensor, grid: Sequence[int]) -> Tensor:
    """A level (batch, channel, *grid) on a finer grid, by the nearest point."""
    return nn.functional.interpolate(level, size=tuple(grid), mode="nearest")


def feature_pyramid(
    channels: Sequence[int],
    width: int,
    *,
    lateral: Literal["free", "orthonormal"] = "free",
    dimensions: int = 2,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> FeaturePyramid:
    """A feature pyramid over the levels of a backbone, with smoothing convolutions of size 3.

    Args:
        channels: of each level, from fine to coarse.
        width: channels of each level of the pyramid.
        lateral: "free" weights, or "orthonormal" ones: a level with more channels than the width is
            projected, one with fewer keeps the norm of each point.
        dimensions: of the grid, 1 to 3.
        dtype: of the parameters.
        generator: source of the lateral weights; the smoothing is drawn by torch.

    Raises:
        SettingsError: for another word or number of dimensions.
    """
    if lateral not in ("free", "orthonormal") or dimensions not in _CONVOLUTIONS:
        raise SettingsError(
            "a feature pyramid",
            f"lateral={lateral!r}, dimensions={dimensions}",
            "give 'free' or 'orthonormal', and 1 to 3 dimensions",
        )
    layers = []
    for inputs in channels:
        members = Orthonormal("rows" if inputs > width else "columns") if lateral == "orthonormal" else None
        layers.append(MixingLayer(inputs, width, members, axis=1, dtype=dtype, generator=generator))
    convolution = _CONVOLUTIONS[dimensions]
    return FeaturePyramid(layers, [convolution(width, width, 3, padding=1, dtype=dtype) for _ in channels])
