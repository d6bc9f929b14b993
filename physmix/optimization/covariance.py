"""Samples that have a given covariance."""

from __future__ import annotations

import torch
from torch import Tensor

from physmix.errors import SamplesError


def covariance_root(covariance: Tensor, cross: Tensor) -> Tensor:
    """Rows [X Y] with X^T conj(X) = R and Y^T conj(X) = S, (rank, inputs + outputs).

    From the eigenvectors of R with its channels scaled to unit power, so that their units do not
    matter. Eigenvalues below the round-off of R are noise, and count as zero.

    Args:
        covariance: R = E[x x^H], (inputs, inputs).
        cross: S = E[y x^H], (outputs, inputs).

    Raises:
        SamplesError: if a number is not finite, or no random x and y have these moments.
    """
    given = torch.promote_types(covariance.dtype, cross.dtype)
    dtype = torch.promote_types(given, torch.float64)
    noise = (
        100
        * len(covariance)
        * float(torch.finfo(given if given.is_floating_point or given.is_complex else dtype).eps)
    )
    covariance, cross = covariance.to(dtype), cross.to(dtype)
    if not bool(covariance.isfinite().all() and cross.isfinite().all()):
        raise SamplesError("a covariance", "a number is not finite", "leave such samples out of the mean")
    power = covariance.diagonal().real
    scale = torch.where(power > 0, power, torch.ones_like(power)).sqrt()
    scaled, scaled_cross = covariance / scale / scale[:, None], cross / scale
    if _largest(scaled - scaled.mH) > noise:
        raise SamplesError("a covariance", "it is not Hermitian", "give E[x x^H]")
    values, vectors = torch.linalg.eigh(0.5 * (scaled + scaled.mH))
    if float(values[0]) < -noise:
        problem = f"an eigenvalue is negative ({float(values[0]):.1e} after scaling)"
        raise SamplesError("a covariance", problem, "average x x^H over samples, or load its diagonal")
    kept = values > noise * values[-1]
    root, vectors = values[kept].sqrt(), vectors[:, kept]
    outputs = scaled_cross @ vectors / root  # Y^T
    # y correlates with a direction by no more than the root of its power: here that of the noise.
    if _largest(outputs * root @ vectors.mH - scaled_cross) > noise**0.5 * _largest(scaled_cross):
        problem = "y is correlated with a combination of x that has no power"
        raise SamplesError("a covariance", problem, "average x x^H and y x^H over the same samples")
    inputs = vectors * root * scale[:, None]  # X^T
    return torch.cat([inputs.mT, outputs.mT], 1)


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0
