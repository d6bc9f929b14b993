"""The mixing layer: one linear map over channels, the same at every point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from physmix.constraints import ConstraintSet
from physmix.errors import SettingsError, ShapeError
from physmix.jets import Jet, rule
from physmix.jets.affine import affine
from physmix.mixing.precision import in_full_precision
from physmix.optimization import constrain

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def mix(channels: Tensor, weight: Tensor, bias: Tensor | None = None, axis: int = -1) -> Tensor:
    """y_i = b_i + sum over j of W_ij x_j along one axis of a tensor, the same at every point.

    Args:
        channels: x, with its channels along `axis`.
        weight: W, (outputs, inputs).
        bias: b, (outputs,).
        axis: of the channels; it may stand anywhere.

    Raises:
        ShapeError: if the axis does not have as many channels as the weight has inputs.
    """
    outputs, inputs = weight.shape
    place = axis if axis >= 0 else channels.ndim + axis
    if not 0 <= place < channels.ndim or channels.shape[place] != inputs:
        raise ShapeError(
            f"the input of a mixing layer with channels along axis {axis}", channels.shape, f"{inputs} there"
        )
    if place == channels.ndim - 1:
        return nn.functional.linear(channels, weight, bias)
    lead, tail = channels.shape[:place], channels.shape[place + 1 :]
    flat = channels.reshape(math.prod(lead), inputs, math.prod(tail))
    if torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export():
        # ONNX's product repeats the weight by itself; one that is expanded here is stored as often.
        out = weight @ flat if bias is None else weight @ flat + bias[:, None]
    else:
        # One batched product that reads and writes each number once, in the layout it has.
        matrices = weight.expand(flat.shape[0], outputs, inputs)
        out = torch.bmm(matrices, flat) if bias is None else torch.baddbmm(bias[:, None], matrices, flat)
    return out.reshape(*lead, outputs, *tail)


class MixingLayer(nn.Module):
    """A 1x1 convolution whose weight W, (outputs, inputs), is a member of a constraint set.

    The channels stand along any axis of the input: -1 for sequences, points and jets, 1 for images
    and volumes in torch's layout.

        layer = MixingLayer(8, 3, on_outputs(A, B), axis=1)

    Args:
        inputs: channels in.
        outputs: channels out.
        members: the set of W, or several whose intersection is meant; omitted, W is free.
        bias: whether to add one.
        bias_members: the set of the bias; for a relation A y = B x it is A b = 0 if omitted.
        axis: of the channels.
        dtype: of the parameters; torch's default if omitted. Exactness asks for torch.float64.
        generator: source of the initial weight.

    Raises:
        SettingsError: if a number of channels is not positive.
        ShapeError, UnsupportedSetError, ContradictionError, NoFreedomError: see `constrain`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        members: ConstraintSet | Sequence[ConstraintSet] | None = None,
        *,
        bias: bool = True,
        bias_members: ConstraintSet | None = None,
        axis: int = -1,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1:
            raise SettingsError(
                "a mixing layer", f"inputs={inputs}, outputs={outputs}", "give numbers from 1 up"
            )
        self.axis = axis
        weight = torch.empty(outputs, inputs, dtype=dtype)
        self.weight = nn.Parameter(weight.normal_(0.0, inputs**-0.5, generator=generator))
        self.bias = nn.Parameter(weight.new_zeros(outputs)) if bias else None
        if members is not None:
            constrain(self, members, bias=bias_members)
        elif bias_members is not None and bias:
            constrain(self, bias_members, "bias")

    def forward(self, channels: Tensor) -> Tensor:
        """Mix the channels of each point."""
        return self._lawful(channels) if hasattr(self, "constrained") else self._mixed(channels)

    def _mixed(self, channels: Tensor) -> Tensor:
        return mix(channels, self.weight, self.bias, self.axis)

    _lawful = in_full_precision(_mixed)

    def fold(self, dimensions: int | None = None) -> nn.Module:
        """The same map as a plain layer of torch: a Linear, or with `dimensions` a 1x1 convolution.

        Args:
            dimensions: 1 to 3 for a ConvNd on (batch, channel, *grid); None for a Linear on the last
                axis.

        Raises:
            SettingsError: for another number, or an axis that such a layer does not have.
        """
        wanted = -1 if dimensions is None else 1
        if dimensions not in (None, *_CONVOLUTIONS) or self.axis != wanted:
            raise SettingsError(
                "fold",
                f"dimensions={dimensions} with axis={self.axis}",
                "give axis=1 and 1 to 3, or axis=-1 and None",
            )
        outputs, inputs = self.weight.shape
        settings: dict[str, Any] = {
            "bias": self.bias is not None,
            "device": self.weight.device,
            "dtype": self.weight.dtype,
        }
        if dimensions is None:
            plain: nn.Module = nn.Linear(inputs, outputs, **settings)
        else:
            plain = _CONVOLUTIONS[dimensions](inputs, outputs, 1, **settings)
        with torch.no_grad():
            plain.weight.copy_(self.weight.reshape(plain.weight.shape))  # type: ignore[operator, arg-type]
            if self.bias is not None:
                plain.bias.copy_(self.bias)  # type: ignore[operator]
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """Sizes and sets, for print(module)."""
        sets = ", ".join(
            f"{name} in {members!r}" for name, members in getattr(self, "constrained", {}).items()
        )
        outputs, inputs = self.weight.shape
        return f"{inputs} -> {outputs}, axis={self.axis}" + (f", {sets}" if sets else "")


@rule(MixingLayer)
def _mix_jet(module: MixingLayer, jet: Jet) -> Jet:
    if module.axis not in (-1, 1):  # of (point, channel)
        raise ShapeError(
            f"a jet for a mixing layer with channels along axis {module.axis}",
            jet.coefficients.shape,
            "axis=-1 or axis=1: points come as (point, channel)",
        )
    inputs = module.weight.shape[1]
    if jet.coefficients.shape[-1] != inputs:
        raise ShapeError("the jet for a mixing layer", jet.coefficients.shape, f"{inputs} there")
    return Jet(jet.space, affine(jet.coefficients, module.weight, module.bias))
