"""Hyperspectral images: many bands to few channels, by one 1x1 layer over the bands.

Cubes are (..., band): bands last, as (row, column, band) or (pixel, band), in any unit of radiance. Complex
ones, such as spectra of a radar, give complex layers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from physmix.constraints import ConstraintSet, Orthonormal, Simplex, on_inputs
from physmix.errors import SamplesError, ShapeError
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
        A layer from bands to channels, most variance first, in float64 or complex128. The largest weight
        of each channel is positive.

    Raises:
        ShapeError: if more channels than bands are asked for, or there are no pixels.
        SamplesError: if a number is not finite.
    """
    pixels, mean = _centred(cube)
    layer = _layer(pixels, channels, Orthonormal("rows"))
    design = Moments(pixels.shape[1], dtype=pixels.dtype).add(pixels).design
    rows = torch.linalg.svd(design, full_matrices=True).Vh[:channels].conj()
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    _set(layer, rows * largest.sgn().conj(), mean)
    return layer


def residual(layer: MixingLayer, cube: Tensor) -> Tensor:
    """The sum of squares that a projection of centred pixels onto its channels, and back, leaves.

    Args:
        layer: of orthonormal rows, as `spectral_projection` gives it.
        cube: (..., band).

    Returns:
        One number, in the square of the unit of the cube.

    Raises:
        ShapeError: if the cube has other bands than the layer, or no pixels.
    """
    pixels, _ = _centred(cube)
    if pixels.shape[1] != layer.weight.shape[1]:
        raise ShapeError("a cube", cube.shape, f"(..., {layer.weight.shape[1]})")
    weight = layer.weight.detach().to(torch.promote_types(pixels.dtype, layer.weight.dtype))
    pixels = pixels.to(weight.dtype)
    return (pixels - pixels @ weight.mT @ weight.conj()).abs().square().sum()


def matched_filter(cube: Tensor, target: Tensor, *, loading: float = 0.0) -> MixingLayer:
    """The filter that answers a spectrum by 1, the mean by 0, and everything else as little as can be.

    min w^T R w* subject to w^T d = 1, with R the covariance of the background and d the target less the
    mean: Stocker, Reed and Yu, "Multi-dimensional signal processing for electro-optical target
    detection", 1990. R is neither formed nor inverted.

    Args:
        cube: the background, (..., band).
        target: its spectrum, (band,); or several, (target, band), which get a filter each that
            answers the others by 0.
        loading: added to the diagonal of R, over the mean variance of a band.

    Returns:
        A layer from bands to targets, in float64 or complex128.

    Raises:
        ShapeError: if the target has other bands, or there are no pixels.
        SamplesError: if a number is not finite.
        ContradictionError: if a target is the mean, or targets are dependent.
    """
    pixels, mean = _centred(cube)
    bands = pixels.shape[1]
    if target.ndim not in (1, 2) or target.shape[-1] != bands:
        raise ShapeError("the spectrum of a target", target.shape, f"({bands},) or (targets, {bands})")
    if not bool(target.isfinite().all()):
        raise SamplesError("a target", "a number is not finite", "leave such bands out of all spectra")
    dtype = torch.promote_types(pixels.dtype, target.dtype)
    off = torch.atleast_2d(target.to(dtype)) - mean
    members = on_inputs(off.mT, torch.eye(len(off), dtype=torch.float64))
    moments = Moments(bands, dtype=dtype).add(pixels)
    weight = least_power(moments.load(loading) if loading else moments, members, (len(off), bands))
    layer = _layer(pixels.to(dtype), len(off), members)
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
        ShapeError: if the colours are those of other pixels, or there are no pixels.
        SamplesError: if a number is not finite, or complex.
    """
    if cube.shape[:-1] != wished.shape[:-1] or not wished.numel():
        raise ShapeError("the wished colours", wished.shape, f"{tuple(cube.shape[:-1])} and colours")
    pixels, colours = _pixels(cube), _pixels(wished)
    if pixels.is_complex() or colours.is_complex():
        raise SamplesError("a cube", "they are complex", "give amplitudes, cube.abs()")
    layer = _layer(pixels, colours.shape[1], Simplex(), bias=False)
    moments = Moments(pixels.shape[1], colours.shape[1]).add(pixels, colours)
    with torch.no_grad():
        layer.weight.copy_(least_squares_shares(moments))
    return layer


def _pixels(cube: Tensor) -> Tensor:
    if cube.ndim < 2 or not cube.numel():
        raise ShapeError("a cube", cube.shape, "(..., pixels, bands), one or more of both")
    return cube.flatten(0, -2).to(torch.complex128 if cube.is_complex() else torch.float64)


def _centred(cube: Tensor) -> tuple[Tensor, Tensor]:
    pixels = _pixels(cube)
    mean = pixels.mean(0)
    return pixels - mean, mean


def _layer(pixels: Tensor, channels: int, members: ConstraintSet, *, bias: bool = True) -> MixingLayer:
    generator = torch.Generator().manual_seed(0)
    bands, dtype = pixels.shape[1], pixels.dtype
    return MixingLayer(bands, channels, members, bias=bias, dtype=dtype, generator=generator)


@torch.no_grad()
def _set(layer: MixingLayer, weight: Tensor, mean: Tensor) -> None:
    assert layer.bias is not None
    layer.weight.copy_(weight)
    layer.bias.copy_(-weight @ mean)
