"""Fusion: branches of a network, modalities of a scene, or estimates of one quantity, by one 1x1 layer.

A 1x1 layer on concatenated channels is the sum of one layer for each part. How much each part may
contribute is a linear constraint on the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from physmix.constraints import on_inputs
from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import Moments, least_power, least_squares_shares


def branch_fusion(covariance: Tensor, *, shares: bool = False) -> Tensor:
    """The weights that fuse unbiased estimates of one quantity with the least variance.

    The best linear unbiased estimate, w = S^-1 1 / (1^T S^-1 1) (Aitken, "On least squares and linear
    combinations of observations", 1935), also for singular S. Strongly correlated estimates may get
    negative weights; as shares, which are zero or more, the weights solve a quadratic programme.

    Args:
        covariance: S, of the errors of the estimates, (estimate, estimate), real; in the square of the
            unit of the estimates.
        shares: whether weights must not be negative.

    Returns:
        w, (estimate,), with sum 1, in float64.

    Raises:
        ShapeError, SamplesError: if S is no covariance.
    """
    if covariance.is_complex():
        raise SamplesError("a fusion", "the covariance is complex", "give that of real estimates")
    if shares:
        zero = covariance.new_zeros(1, covariance.shape[-1] if covariance.ndim else 0)
        return least_squares_shares(Moments.from_covariance(covariance, zero))[0]
    moments = Moments.from_covariance(covariance)
    ones = torch.ones(moments.inputs, 1, dtype=torch.float64)
    return least_power(moments, on_inputs(ones, ones[:1]), (1, moments.inputs))[0]


class Fusion(nn.Module):
    """One 1x1 layer on the concatenated channels of several parts, with designed contributions.

    The weights of each output on the channels of a part sum to the contribution of this part: where
    all channels of all parts have one value, so has the output, times the sum of its contributions.
    With `contributions=None` that sum is one, and how it is shared among the parts is learnt.

    Args:
        channels: of each part, by name.
        outputs: channels out.
        contributions: of each part to each output, (output, part); or a number for each part.
        axis: of the channels; 1 for images.
        dtype: of the weights.
        generator: source of the initial weight.

    Raises:
        SettingsError: if there are no parts, or one has no channels.
        ShapeError: if the contributions do not fit.
    """

    def __init__(
        self,
        channels: Mapping[str, int],
        outputs: int,
        contributions: Tensor | Sequence[float] | None = None,
        *,
        axis: int = 1,
        dtype: torch.dtype = torch.float64,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not channels or min(channels.values()) < 1:
            raise SettingsError("a fusion", f"channels={dict(channels)}", "give every part one or more")
        self.channels, self.axis = dict(channels), axis
        counts = torch.tensor(list(channels.values()))
        parts = torch.eye(len(counts), dtype=torch.float64).repeat_interleave(counts, 0)
        if contributions is None:
            members = on_inputs(parts.sum(1, keepdim=True), parts.new_ones(outputs, 1))
        else:
            given = torch.as_tensor(contributions, dtype=torch.float64)
            given = given.expand(outputs, -1) if given.ndim == 1 else given
            if given.shape != (outputs, len(counts)):
                raise ShapeError("contributions", given.shape, f"({outputs}, {len(counts)})")
            members = on_inputs(parts, given, list(channels))
        self.layer = MixingLayer(
            int(counts.sum()), outputs, members, bias=False, axis=axis, dtype=dtype, generator=generator
        )

    def part(self, name: str) -> Tensor:
        """The weight of one part, (outputs, channels of it): its own 1x1 layer, whose outputs are added."""
        start = 0
        for key, count in self.channels.items():
            if key == name:
                return self.layer.weight[:, start : start + count]
            start += count
        raise SettingsError(
            "a fusion", f"there is no part {name!r}", f"choose from {', '.join(self.channels)}"
        )

    def forward(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Fuse parts that are given by name, each with its channels along the axis.

        Raises:
            SettingsError: if other parts are given.
            ShapeError: if a part has other channels, or another grid than the first.
        """
        if set(parts) != set(self.channels):
            known = ", ".join(self.channels)
            raise SettingsError("a fusion", f"the parts {', '.join(parts)} are given", f"give {known}")
        first = parts[next(iter(self.channels))].shape
        for name, count in self.channels.items():
            expected, given = list(first), list(parts[name].shape)
            if not -len(expected) <= self.axis < len(expected):
                raise ShapeError(f"the part {name}", given, f"{count} channels along axis {self.axis}")
            expected[self.axis] = count
            if given != expected:
                raise ShapeError(
                    f"the part {name}", given, f"{tuple(expected)}, as its channels and the first"
                )
        out: Tensor = self.layer(torch.cat([parts[name] for name in self.channels], self.axis))
        return out
