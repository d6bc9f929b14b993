"""Hyperspectral images: many bands to few channels, by one 1x1 layer over the bands.

Cubes are (..., band): bands last, as (row, column, band) or (pixel, band), in any unit of radiance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from physmix.constraints import ConstraintSet, Orthonormal, Simplex, on_inputs
from physmix.errors import ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import Moments, least_power, least_squares_shares


def spectral_projection(cube: Tensor, channels: int) -> MixingLayer:
    """The projection onto few channels that loses least: principal components of the pixels.

    Of all orthonormal rows W, those of the largest variance leave the residual that is the sum of the
    squares of the other singular values (Eckart and Young, "The approximation of one matrix by another
    of lower rank", 1936). The mean spectrum goes to zero by the bias.

    Args:
        cube: (..., band).
        channels: k, at most the number of bands.

    Returns:
        A layer from bands to channels, most variance first, in float64.

    Raises:
        ShapeError: if more channels than bands are asked for.
        SamplesError: if a number is not finite.
    """
    pixels, mean = _centred(cube)
    layer = _layer(pixels.shape[1], channels, Orthonormal("rows"))
    design = Moments(pixels.shape[1]).add(pixels).design
    rows = torch.linalg.svd(design, full_matrices=True).Vh[:channels]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    _set(layer, rows * largest.sign(), mean)
    return layer


def residual(layer: MixingLayer, cube: Tensor) -> Tensor:
    """The sum of squares that a projection of pixels onto its channels, and back, leaves.

    Args:
        layer: of orthonormal rows, as `spectral_projection` gives it.
        cube: (..., band).
    """
    pixels, _ = _centred(cube)
    weight = layer.weight.detach().double()
    return (pixels - pixels @ weight.mT @ weight).square().sum()


def matched_filter(cube: Tensor, target: Tensor, *, loading: float = 0.0) -> MixingLayer:
    """The filter that answers a spectrum by 1, the mean by 0, and everything else as little as can be.

    min w^T R w subject to w^T d = 1, with R the covariance of the background and d the target less the
    mean: Stocker, Reed and Yu, "Multi-dimensional signal processing for electro-optical target
    detection", 1990. R is neither formed nor inverted.

    Args:
        cube: the background, (..., band).
        target: its spectrum, (band,); or several, (target, band), which get a filter each that
            answers the others by 0.
        loading: added to the diagonal of R, over the mean variance of a band.

    Returns:
        A layer from bands to targets, in float64.

    Raises:
        ShapeError: if the target has other bands.
        ContradictionError: if a target is the mean, or targets are dependent.
    """
    pixels, mean = _centred(cube)
    spectra = target.double() if target.ndim == 2 else target.double()[None]
    if spectra.shape[-1] != pixels.shape[1]:
        raise ShapeError("the spectrum of a target", target.shape, f"(..., {pixels.shape[1]})")
    count = len(spectra)
    members = on_inputs((spectra - mean).mT, torch.eye(count, dtype=torch.float64))
    moments = Moments(pixels.shape[1]).add(pixels)
    weight = least_power(moments.load(loading) if loading else moments, members, (count, pixels.shape[1]))
    layer = _layer(pixels.shape[1], count, members)
    _set(layer, weight, mean)
    return layer


def false_colour(cube: Tensor, wished: Tensor) -> MixingLayer:
    """The colours nearest to wished ones that are means over bands: white stays white, black black.

    Each colour is a weighted mean of the bands, with weights on the simplex; so a grey spectrum of any
    level stays that grey, and no colour leaves the range of the data.

    Args:
        cube: (..., band).
        wished: colours of the pixels, (..., colour).

    Returns:
        A layer from bands to colours, without bias, in float64.

    Raises:
        ShapeError: if the colours are those of other pixels.
    """
    pixels, colours = cube.double().flatten(0, -2), wished.double().flatten(0, -2)
    if cube.shape[:-1] != wished.shape[:-1]:
        raise ShapeError("the wished colours", wished.shape, f"{tuple(cube.shape[:-1])} and colours")
    layer = _layer(pixels.shape[1], colours.shape[1], Simplex(), bias=False)
    moments = Moments(pixels.shape[1], colours.shape[1]).add(pixels, colours)
    with torch.no_grad():
        layer.weight.copy_(least_squares_shares(moments))
    return layer


def _centred(cube: Tensor) -> tuple[Tensor, Tensor]:
    pixels = cube.double().flatten(0, -2)
    mean = pixels.mean(0)
    return pixels - mean, mean


def _layer(bands: int, channels: int, members: ConstraintSet, *, bias: bool = True) -> MixingLayer:
    generator = torch.Generator().manual_seed(0)
    return MixingLayer(bands, channels, members, bias=bias, dtype=torch.float64, generator=generator)


@torch.no_grad()
def _set(layer: MixingLayer, weight: Tensor, mean: Tensor) -> None:
    assert layer.bias is not None
    layer.weight.copy_(weight)
    layer.bias.copy_(-weight @ mean)
