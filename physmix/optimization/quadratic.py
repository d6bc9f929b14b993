"""Quadratic problems over mixing weights on affine sets, solved outright."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints import Columns, ConstraintSet, Kind, LinearSet
from physmix.errors import SamplesError, ShapeError, UnsupportedSetError
from physmix.optimization.moments import Moments


def least_squares(moments: Moments, members: ConstraintSet, shape: Sequence[int] | None = None) -> Tensor:
    """The lawful weight W that minimises the sum of |W x - y|^2 over the samples.

    Solved in null-space coordinates W = W0 + N theta of the set by orthogonal factorisation (Bjorck,
    "Numerical Methods for Least Squares Problems", 1996, section 5.1.3). Where the samples leave
    several minima it is the one of smallest norm.

    Sets whose rows or columns are independent (`on_inputs`, `on_outputs`) cost O(inputs^3). Any other
    set costs O(outputs * inputs * free^2) and holds outputs * inputs * free numbers, for up to some
    thousand free weights.

    Args:
        moments: of the samples.
        members: an affine set.
        shape: of W, (outputs, inputs); that of the moments if omitted.

    Returns:
        W, (outputs, inputs), in the dtype of the moments; complex if the set is.

    Raises:
        ShapeError: if the set or the shape does not fit the moments.
        UnsupportedSetError: if the set is not affine.
        SamplesError: if there are no samples.
    """
    expected = (moments.outputs, moments.inputs)
    shape = tuple(expected if shape is None else shape)
    if moments.outputs == 0 or shape != expected:
        raise ShapeError("the weight of least squares", shape, f"{expected}, with one output or more")
    return _minimise(moments, members, moments.target)


def least_power(moments: Moments, members: ConstraintSet, shape: Sequence[int]) -> Tensor:
    """The lawful weight W that minimises the power tr(W R W^H) of its outputs, R = E[x x^H].

    With `on_inputs(C, F)` it is the linearly constrained beamformer F (C^H R^-1 C)^-1 C^H R^-1 (Frost,
    "An algorithm for linearly constrained adaptive array processing", 1972, equation 9, where its
    w is the conjugate of a row of W); with rows that sum to one the best linear unbiased estimate;
    with one known signature the matched filter. R is not inverted, and may be singular. Method and
    cost are those of `least_squares`.

    Args:
        moments: of the samples, whose y is not looked at.
        members: an affine set. Without a right side the minimum is zero.
        shape: of W, (outputs, inputs).

    Returns:
        W, (outputs, inputs), in the dtype of the moments; complex if the set is.

    Raises:
        ShapeError: if the set or the shape does not fit the moments.
        UnsupportedSetError: if the set is not affine.
        SamplesError: if there are no samples.
    """
    if len(shape) != 2 or shape[1] != moments.inputs:
        raise ShapeError("the weight of least power", shape, f"(outputs, {moments.inputs})")
    design = moments.design
    return _minimise(moments, members, design.new_zeros(len(design), shape[0]))


@torch.no_grad()
def _minimise(moments: Moments, members: ConstraintSet, target: Tensor) -> Tensor:
    """The member that minimises |L W^T - target|, where L is the design of the moments."""
    shape = (target.shape[1], moments.inputs)
    if members.kind is not Kind.AFFINE:
        remedy = "minimise by physmix.SpectralProjectedGradient(module)"
        raise UnsupportedSetError(repr(members), "minimum in closed form", remedy)
    members.check_shape(shape)
    if moments.samples == 0:
        raise SamplesError("Moments", "there are none", "add some first")
    dtype = members.double(moments.dtype)
    round_off = float(torch.finfo(moments.dtype).eps) * max(shape)
    design = moments.design.to(dtype)
    none = torch.zeros_like(members.coordinates(torch.zeros(shape, dtype=dtype)))
    missing = target.to(dtype) - design @ members.point(none).mT
    if members.axes == 1:  # rows share one design
        free = _solve(
            _effects(_directions(members, shape[1], dtype), design, round_off), missing, round_off
        ).mT
    elif isinstance(members, Columns) and members.members.axes == 1:
        # |L Z N^T - D| with orthonormal columns N is least where |L Z - D conj(N)| is.
        along = _directions(members.members, shape[0], dtype)
        free = _solve(design, missing @ along.mH, round_off)
    else:
        eye = torch.eye(none.numel(), dtype=dtype).reshape(-1, *none.shape)
        effects = _effects(members.point(eye) - members.point(none), design, round_off)
        free = _solve(effects, missing.mT.reshape(-1, 1), round_off).reshape(none.shape)
    weight = members.point(free)
    return weight.to(
        torch.promote_types(moments.dtype, torch.complex64) if dtype.is_complex else moments.dtype
    )


def _directions(members: ConstraintSet, size: int, dtype: torch.dtype) -> Tensor:
    """Orthonormal rows that span the differences of one vector of a set, (free, size)."""
    if isinstance(members, LinearSet):  # whose right sides may differ between members
        members = members.homogeneous()
    none = torch.zeros_like(members.coordinates(torch.zeros(size, dtype=dtype)))
    return members.point(torch.eye(len(none), dtype=dtype)) - members.point(none)


def _effects(directions: Tensor, design: Tensor, round_off: float) -> Tensor:
    """What each direction (free, ..., inputs) does to the samples, (..., free); zero if all is round-off.

    The rank is judged beside the largest effect: where no direction has one, their round-off would count.
    """
    found = (directions @ design.mT).flatten(1)
    noise = round_off * torch.linalg.vector_norm((directions.abs() @ design.mT.abs()).flatten(1), dim=1)
    seen = torch.linalg.vector_norm(found, dim=1) > noise
    return torch.where(seen[:, None], found, torch.zeros_like(found)).mT


def _solve(design: Tensor, target: Tensor, round_off: float) -> Tensor:
    """The Z of smallest norm among those that minimise |design Z - target|."""
    if design.shape[1] == 0 or target.shape[1] == 0:
        return target.new_zeros(design.shape[1], target.shape[1])
    from scipy.linalg import lstsq  # noqa: PLC0415  slow to import, and needed here alone

    # A complete orthogonal factorisation; column pivoting respects the units of channels. Not torch's
    # gelsy, which starts from pivots left in memory, and so is wrong at random (pytorch issue 187411).
    arrays = (part.resolve_conj().numpy() for part in (design, target))
    return torch.from_numpy(lstsq(*arrays, cond=round_off, lapack_driver="gelsy")[0])
