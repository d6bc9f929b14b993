"""Normalisation layers on jets: with fixed statistics they are affine, over channels they are pointwise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from physmix.errors import SettingsError, ShapeError
from physmix.jets.compose import cauchy, compose, product_plan
from physmix.jets.network import Jet, rule


def affine_of(module: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """The factor and the shift of each channel that a batch normalisation amounts to.

    Raises:
        SettingsError: if it takes its statistics from the batch, so that it is not pointwise.
    """
    mean, variance = module.running_mean, module.running_var
    if module.training or mean is None or variance is None:
        raise SettingsError(
            "BatchNorm1d in a pointwise network",
            "its statistics are those of the batch, which tie each point to all others",
            "call eval() on it, to keep the statistics it has; physmix.fold(network) then makes it plain",
        )
    factor = torch.rsqrt(variance + module.eps)
    if module.weight is not None:
        factor = factor * module.weight
    shift = -mean * factor
    return factor, shift if module.bias is None else shift + module.bias


@rule(nn.BatchNorm1d)
def _batch_norm(module: nn.BatchNorm1d, jet: Jet) -> Jet:
    _check_channels(jet, module.num_features)
    factor, shift = affine_of(module)
    out = jet.coefficients * factor
    out[0].add_(shift)  # a constant has no derivative
    return Jet(jet.space, out)


@rule(nn.LayerNorm)
def _layer_norm(module: nn.LayerNorm, jet: Jet) -> Jet:
    if len(module.normalized_shape) != 1:
        raise ShapeError("the layer norm of a pointwise network", module.normalized_shape, "(channels,)")
    _check_channels(jet, module.normalized_shape[0])
    x = jet.coefficients
    x = x - x.mean(-1, keepdim=True)
    variance = cauchy(x, x, product_plan(jet.space)).mean(-1, keepdim=True)
    variance[0].add_(module.eps)
    out = cauchy(x, compose(variance, _inverse_root, jet.space).expand_as(x), product_plan(jet.space))
    if module.weight is not None:
        out = out * module.weight
    if module.bias is not None:
        out[0].add_(module.bias)
    return Jet(jet.space, out)


def _inverse_root(x: Tensor, order: int) -> list[Tensor]:
    """x^(-1/2) and its derivatives."""
    tower = [torch.rsqrt(x)]
    for k in range(1, order + 1):
        tower.append(tower[-1] * (0.5 - k) / x)
    return tower


def _check_channels(jet: Jet, channels: int) -> None:
    if jet.coefficients.shape[-1] != channels:
        raise ShapeError("a jet", jet.coefficients.shape, f"{channels} channels")
