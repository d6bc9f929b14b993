"""Weights that the input chooses: gates of channels, and attention between channels.

A fixed 1x1 layer mixes each input by the same W. Squeeze-and-excitation mixes by a diagonal, channel
attention by a full matrix, that are functions of the input.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from physmix.constraints import Simplex
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer


class SqueezeExcite(nn.Module):
    """A gate in (0, 1) for each channel, from two 1x1 layers on the channels' means.

    Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018, equations 2 to 4.

    Args:
        reduce: from the channels to fewer, with its channels along axis 1.
        expand: from these back to the channels, likewise.

    Raises:
        ShapeError: if the layers do not fit each other.
    """

    def __init__(self, reduce: MixingLayer, expand: MixingLayer) -> None:
        super().__init__()
        if expand.weight.shape != reduce.weight.shape[::-1]:
            raise ShapeError("the second layer of an excitation", expand.weight.shape, _of(reduce))
        self.reduce, self.expand = reduce, expand

    def gates(self, images: Tensor) -> Tensor:
        """The gates of (batch, channel, *grid), one for each channel: (batch, channel, 1, ...).

        Raises:
            ShapeError: if there are other channels, or no points to take means of.
        """
        if 0 in images.shape[2:]:
            raise ShapeError("the images of an excitation", images.shape, "one point or more along each axis")
        axes = tuple(range(2, images.ndim))
        squeezed = images.mean(axes, keepdim=True) if axes else images
        return self.expand(self.reduce(squeezed).relu()).sigmoid()

    def forward(self, images: Tensor) -> Tensor:
        """The channels of (batch, channel, *grid), each times its gate."""
        return images * self.gates(images)


def squeeze_excite(
    channels: int,
    reduction: int = 16,
    *,
    bias: bool = True,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> SqueezeExcite:
    """Squeeze-and-excitation of `channels` channels, by way of channels / reduction ones.

    Raises:
        SettingsError: if not one channel is left.
    """
    squeezed = channels // reduction if reduction > 0 else 0
    if squeezed < 1:
        raise SettingsError(
            "squeeze-and-excitation",
            f"{channels} channels over {reduction} leave none",
            f"choose a reduction of 1 to {channels}",
        )
    return SqueezeExcite(
        MixingLayer(channels, squeezed, bias=bias, axis=1, dtype=dtype, generator=generator),
        MixingLayer(squeezed, channels, bias=bias, axis=1, dtype=dtype, generator=generator),
    )


class ChannelAttention(nn.Module):
    """Self-attention between channels: y = A(x) W_v x, with rows of A that are shares of one.

    A = softmax(Q K^T / sqrt(points)) with Q = W_q x and K = W_k x, where a channel over all points is one
    token: the scaled dot product of Vaswani et al., "Attention is all you need", 2017, equation 1,
    as in Fu et al., "Dual attention network for scene segmentation", CVPR 2019, section 3.3.

    Args:
        query: W_q, (outputs, inputs), with its channels along axis 1.
        key: W_k, (tokens, inputs), likewise.
        value: W_v, (tokens, inputs), likewise.

    Raises:
        ShapeError: if the layers do not fit each other.
    """

    def __init__(self, query: MixingLayer, key: MixingLayer, value: MixingLayer) -> None:
        super().__init__()
        if key.weight.shape != value.weight.shape:
            raise ShapeError("the values of an attention", value.weight.shape, f"{tuple(key.weight.shape)}")
        if query.weight.shape[1] != key.weight.shape[1]:
            raise ShapeError("the queries of an attention", query.weight.shape, f"(*, {key.weight.shape[1]})")
        self.query, self.key, self.value = query, key, value

    def weights(self, images: Tensor) -> Tensor:
        """A of each item of (batch, channel, *grid): (batch, outputs, tokens), its rows on the simplex.

        Raises:
            ShapeError: if there are other channels, or no points.
        """
        if images.ndim < 3 or 0 in images.shape[2:]:
            raise ShapeError(
                "the images of an attention", images.shape, "(batch, channel, *grid), with points"
            )
        flat = images.flatten(2)
        scores = self.query(flat) @ self.key(flat).mT
        return (scores / flat.shape[2] ** 0.5).softmax(-1)

    def forward(self, images: Tensor) -> Tensor:
        """The values of (batch, channel, *grid), mixed: (batch, outputs, *grid)."""
        mixed = self.weights(images) @ self.value(images.flatten(2))
        return mixed.unflatten(2, images.shape[2:])


def channel_attention(
    channels: int,
    outputs: int | None = None,
    *,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> ChannelAttention:
    """Self-attention between `channels` channels, with as many outputs unless told otherwise."""
    sizes = (channels if outputs is None else outputs, channels, channels)
    return ChannelAttention(
        *(MixingLayer(channels, size, bias=False, axis=1, dtype=dtype, generator=generator) for size in sizes)
    )


def fixed_attention(
    channels: int,
    outputs: int | None = None,
    *,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> MixingLayer:
    """The same mixture for every input: a 1x1 layer with rows that are shares of one."""
    size = channels if outputs is None else outputs
    return MixingLayer(channels, size, Simplex(), bias=False, axis=1, dtype=dtype, generator=generator)


def _of(reduce: MixingLayer) -> str:
    return f"{tuple(reduce.weight.shape[::-1])}, the transpose of the first one"
