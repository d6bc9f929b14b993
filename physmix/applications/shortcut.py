"""Maps that keep lengths: shortcuts of residual networks, and the superposition of rigid bodies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from physmix.constraints import Orthonormal, Rotation
from physmix.errors import SamplesError, ShapeError
from physmix.mixing import MixingLayer, mix

_ROTATIONS = Rotation()


def orthogonal_shortcut(
    inputs: int,
    outputs: int,
    *,
    axis: int = 1,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> MixingLayer:
    """A 1x1 shortcut with W^T W = I: the norm at every point stays what it was, through any depth.

    The determinant of a square W keeps its sign while W moves, so that training ends at the best isometry
    of one sign. Where the other may be better train from both, one start with a row negated, or give it
    one more output: then there is a way around.

    Args:
        inputs: channels in.
        outputs: channels out, at least as many: fewer cannot keep every norm.
        axis: of the channels.
        dtype: of the weight.
        generator: source of the weight.

    Raises:
        ShapeError: if there are fewer outputs than inputs.
    """
    members = Orthonormal("columns")
    return MixingLayer(inputs, outputs, members, bias=False, axis=axis, dtype=dtype, generator=generator)


class Superposition(NamedTuple):
    """How one structure is laid on another.

    Attributes:
        rotation: R, (*batch, dimensions, dimensions), with determinant 1.
        translation: t, (*batch, dimensions), in the unit of the structures.
        deviation: the root mean square distance that is left (RMSD), (*batch,), in that unit.
    """

    rotation: Tensor
    translation: Tensor
    deviation: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """R x + t of points (*batch, point, dimensions)."""
        return points @ self.rotation.mT + self.translation[..., None, :]


def rigid_superposition(mobile: Tensor, target: Tensor, weight: Tensor | None = None) -> Superposition:
    """The rotation and translation that lay one structure on another with the least RMSD.

    Minimises the sum of w_i |R x_i + t - y_i|^2 over rotations: R is the rotation nearest to the
    covariance of the two (Kabsch, "A solution for the best rotation to relate two sets of vectors",
    1976), a projection onto the constraint set `Rotation`. A mirrored structure is not mirrored back.

    Args:
        mobile: x, (*batch, point, dimensions).
        target: y, (*batch, point, dimensions), the same points in the same order.
        weight: w, (point,), such as masses; equal if omitted.

    Raises:
        ShapeError: if the structures do not have the same points.
        SamplesError: if a number is not finite, or the weights are not positive in sum.
    """
    if min(mobile.ndim, target.ndim) < 2 or not _alike(mobile.shape, target.shape):
        expected = f"(*batch, point, dimensions), to be laid on {tuple(target.shape)}"
        raise ShapeError("a structure", mobile.shape, expected)
    kind = torch.promote_types(mobile.dtype, target.dtype)
    kind = kind if kind.is_floating_point else torch.float64
    mobile, target = mobile.to(kind), target.to(kind)
    share = mobile.new_ones(mobile.shape[-2]) if weight is None else weight.to(mobile)
    if share.shape != mobile.shape[-2:-1]:
        raise ShapeError("the weights of points", share.shape, f"({mobile.shape[-2]},)")
    if bool((share < 0).any()) or not 0 < float(share.sum()) < float("inf"):
        raise SamplesError(
            "a superposition", "the weights are not positive and finite", "give masses, or none"
        )
    if not bool(mobile.isfinite().all() and target.isfinite().all()):
        raise SamplesError("a superposition", "a coordinate is not finite", "leave such points out")
    share = (share / share.sum())[:, None]
    middle, centre = (share * mobile).sum(-2, keepdim=True), (share * target).sum(-2, keepdim=True)
    centred, aim = mobile - middle, target - centre
    rotation = _ROTATIONS.project((share * aim).mT @ centred)
    translation = centre - mix(middle, rotation) if rotation.ndim == 2 else centre - middle @ rotation.mT
    left = centred @ rotation.mT - aim
    deviation = (share * left.square()).sum((-2, -1)).sqrt()
    return Superposition(rotation, translation[..., 0, :], deviation)


def _alike(first: torch.Size, second: torch.Size) -> bool:
    """Whether points and dimensions are the same, and batches can be repeated to fit each other."""
    pairs = zip(reversed(first[:-2]), reversed(second[:-2]), strict=False)
    return first[-2:] == second[-2:] and all(a == b or 1 in (a, b) for a, b in pairs)
