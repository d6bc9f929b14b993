"""The quadratic problem of linear equality, for a batch of small well-conditioned matrices at once."""

from __future__ import annotations

import torch
from torch import Tensor

from physmix.errors import SamplesError, ShapeError


def least_power_batched(covariance: Tensor, matrix: Tensor, right_side: Tensor) -> Tensor:
    """The W of least power tr(W R W^H) with W C = F, for each R, C and F of a batch; differentiable.

    W = F (C^H R^-1 C)^-1 C^H R^-1 (Frost, "An algorithm for linearly constrained adaptive array
    processing", 1972, equation 9, where w is the conjugate of a row of W). `least_power` solves one
    problem, from samples, whatever its condition; this one is as right as the condition of R lets it.

    Args:
        covariance: R, (*batch, inputs, inputs), Hermitian, positive definite, real or complex.
        matrix: C, (*batch, inputs, conditions), of full rank; fewer batch axes are repeated.
        right_side: F, (*batch, outputs, conditions).

    Returns:
        W, (*batch, outputs, inputs).

    Raises:
        ShapeError: if the shapes do not fit.
        SamplesError: if an R is singular, or seen not to be positive definite; or if the columns of a C
            depend on each other.
    """
    if matrix.ndim < 2 or matrix.shape[-1] > matrix.shape[-2]:
        expected = "(..., inputs, conditions), with no more conditions than inputs"
        raise ShapeError("the conditions C", matrix.shape, expected)
    inputs, conditions = matrix.shape[-2:]
    if covariance.shape[-2:] != (inputs, inputs):
        raise ShapeError("a covariance", covariance.shape, f"(..., {inputs}, {inputs}), as C has rows")
    if right_side.shape[-1] != conditions:
        raise ShapeError("the right side F", right_side.shape, f"(..., outputs, {conditions})")
    _check_batches(covariance, matrix, right_side)
    dtype = torch.promote_types(torch.promote_types(covariance.dtype, matrix.dtype), right_side.dtype)
    # Transposed throughout, W^T = P (C^T P)^-1 F^T with P = R^-T conj(C): R^T is as LAPACK has it.
    matrix, wanted = matrix.to(dtype), right_side.to(dtype).mT
    quiet, failed = torch.linalg.solve_ex(covariance.to(dtype).mT, matrix.conj())
    power = matrix.mT @ quiet
    least = power.detach().diagonal(dim1=-2, dim2=-1).real
    if bool(failed.any()) or not bool((least > 0).all()):
        problem = "one is singular or not positive definite"
        raise SamplesError("the covariances", problem, "average more samples, or load the diagonal")
    if conditions == 1:
        return (quiet * (wanted / power)).mT
    weights, failed = torch.linalg.solve_ex(power, wanted)
    # Of dependent conditions round-off may leave an inverse, whose answers are wrong.
    off = (power @ weights - wanted).detach().abs().amax((-2, -1))
    allowed = torch.finfo(dtype).eps ** 0.25 * wanted.detach().abs().amax((-2, -1))
    if bool(failed.any()) or not bool((off <= allowed).all()):
        problem = "in one of the batch they depend on each other"
        raise SamplesError("the conditions", problem, "leave one out there, such as a null at 0 Hz")
    return (quiet @ weights).mT


def _check_batches(covariance: Tensor, matrix: Tensor, right_side: Tensor) -> None:
    batches = [tuple(part.shape[:-2]) for part in (covariance, matrix, right_side)]
    if batches[0] == batches[1]:  # which is quick to see
        batches = batches[1:]
    try:
        torch.broadcast_shapes(*batches)
    except RuntimeError as error:
        raise ShapeError(
            "the batch of R", covariance.shape[:-2], f"one as those of C and F, {batches[-2:]}"
        ) from error
