"""Least squares whose weights are shares: rows on the simplex, solved by active sets."""

from __future__ import annotations

import torch
from torch import Tensor

from physmix.constraints import on_inputs
from physmix.errors import SamplesError, ShapeError
from physmix.optimization.moments import Moments
from physmix.optimization.quadratic import least_squares


@torch.no_grad()
def least_squares_shares(moments: Moments) -> Tensor:
    """The W that minimises the sum of |W x - y|^2, each row zero or more with sum one.

    An active-set method: inputs join one by one while that helps, those whose weight would become
    negative leave, and on what is left the problem has a closed form (Lawson and Hanson, "Solving
    Least Squares Problems", 1974, chapter 23, here with a sum on each face). It is exact also where
    the samples are ill-conditioned, for up to some hundred inputs. With y = 0 it gives least power.

    Args:
        moments: of real samples, with one output or more.

    Returns:
        W, (outputs, inputs), in float64.

    Raises:
        ShapeError: if there are no outputs.
        SamplesError: if there are no samples, or they are complex.
    """
    if moments.outputs == 0:
        raise ShapeError("the weight of shares", (0, moments.inputs), f"(outputs, {moments.inputs})")
    if moments.samples == 0 or moments.dtype.is_complex:
        problem = "there are none" if moments.samples == 0 else "they are complex"
        raise SamplesError("Moments", problem, "add real samples")
    design, target = moments.design.double(), moments.target.double()
    size = float(torch.linalg.matrix_norm(design, 2)) or 1.0
    return torch.stack([_row(design / size, column / size) for column in target.mT])


def _row(design: Tensor, target: Tensor) -> Tensor:
    """One row, from the best single input on."""
    inputs = design.shape[1]
    first = int((design - target[:, None]).square().sum(0).argmin())
    weight = design.new_zeros(inputs)
    weight[first] = 1
    present = weight > 0
    for _ in range(3 * inputs + 10):
        missed = design @ weight - target
        slope = design.mT @ missed
        gain = weight @ slope - slope  # to first order, of moving weight to each input
        gain[present] = 0
        best = int(gain.argmax())
        rounding = 1e2 * torch.finfo(design.dtype).eps * float(torch.linalg.vector_norm(missed))
        if float(gain[best]) <= rounding:
            break
        present[best] = True
        face = _on_face(design, target, present)
        if float(face[best]) <= 0:  # only rounding is left to gain
            break
        while bool((face[present] <= 0).any()):
            leaving = present & (face <= 0)
            reach = weight[leaving] / (weight[leaving] - face[leaving])
            weight = weight + float(reach.min()) * (face - weight)
            present &= ~(leaving & (weight <= float(weight[leaving].min())))
            weight[~present] = 0
            face = _on_face(design, target, present)
        weight = face
    return weight


def _on_face(design: Tensor, target: Tensor, present: Tensor) -> Tensor:
    """The best weight with sum one on the inputs that are present."""
    count = int(present.sum())
    ones = torch.ones(count, 1, dtype=design.dtype)
    moments = Moments(count, 1).add(design[:, present], target[:, None])
    weight = design.new_zeros(design.shape[1])
    weight[present] = least_squares(moments, on_inputs(ones, ones[:1]))[0]
    return weight
