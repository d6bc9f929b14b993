"""Integrals over regions and parts of their boundary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.problems.regions import Part, Region, Sample


def quadrature(where: Region | Part, nodes: int, **fixed: float) -> tuple[Sample, Float[Tensor, " point"]]:
    """Points with outward normals, and weights: Gauss-Legendre along coordinates, even around circles.

    Weights of points in holes are zero: over a region with holes the error falls as one over the nodes.

    Args:
        where: a region, or a part of its boundary.
        nodes: along each coordinate.
        fixed: coordinates that are held at a value, such as t=1.0.

    Raises:
        SettingsError: for a sphere, or a coordinate that the region does not have.
    """
    region = where if isinstance(where, Region) else where.region
    if strange := [name for name in fixed if name not in region.box]:
        known = f"choose from {listing(region.box)}"
        raise SettingsError("an integral", f"there is no {listing(strange)}", known)
    even = region.even()
    if isinstance(where, Region):
        unit, weights = _gauss([name in fixed for name in region.box], nodes)
        sample, size = even.place(unit), _volume(region, fixed)
    elif where.hole is None:
        unit, weights = _gauss([name in fixed for name in region.box if name != where.axis], nodes)
        sample, size = Part(even, where.name).place(unit), _volume(region, {**fixed, where.axis: 0.0})
    else:
        unit, weights = _around(
            [name in fixed for name in region.box if name not in where.hole.centre], nodes
        )
        if len(where.hole.centre) != 2:
            raise SettingsError(
                "an integral", "there is none over a sphere", "take the sides of a box around it"
            )
        sample = Part(even, where.name).place(unit)
        size = 2 * math.pi * where.hole.radius * _volume(region, {**fixed, **where.hole.centre})
    for name, value in fixed.items():
        sample.points[:, region.coordinates.index(name)] = value
    return sample, size * weights * region.contains(sample.points)


def _volume(region: Region, held: Mapping[str, float]) -> float:
    """Of the coordinates that are not held."""
    return math.prod(high - low for name, (low, high) in region.box.items() if name not in held)


def _gauss(held: Sequence[bool], nodes: int) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points of the unit cube, the first coordinate slowest, with weights; one where held."""
    points, weights = torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    x, w = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(nodes))
    for one in held:
        place, share = (x.new_tensor([0.5]), w.new_tensor([1.0])) if one else ((x + 1) / 2, w / 2)
        points = torch.cat([points.repeat_interleave(len(place), 0), place.repeat(len(points))[:, None]], 1)
        weights = (weights[:, None] * share).flatten()
    return points, weights


def _around(held: Sequence[bool], nodes: int) -> tuple[Tensor, Tensor]:
    """The same, with an angle first, at even places: exact for trigonometric polynomials."""
    points, weights = _gauss(held, nodes)
    angles = (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes
    first = angles.repeat_interleave(len(points))[:, None]
    return torch.cat([first, points.repeat(nodes, 1)], 1), weights.repeat(nodes) / nodes
