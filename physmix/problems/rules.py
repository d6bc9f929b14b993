"""Gauss-Legendre points of unit cubes, and of what is left of them inside of a region."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from physmix.problems.samples import Sample

_SCAN = 4  # looks for each node, for where a line enters or leaves a region
_HALVINGS = 50


def gauss(held: Sequence[bool], nodes: int) -> tuple[Float[Tensor, "point axis"], Float[Tensor, " point"]]:
    """Points of the unit cube, the first coordinate slowest, with weights; one where held."""
    points, weights = torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    x, w = line(nodes)
    for one in held:
        place, share = (x.new_tensor([0.5]), w.new_tensor([1.0])) if one else (x, w)
        points = torch.cat([points.repeat_interleave(len(place), 0), place.repeat(len(points))[:, None]], 1)
        weights = (weights[:, None] * share).flatten()
    return points, weights


def line(nodes: int) -> tuple[Float[Tensor, " node"], Float[Tensor, " node"]]:
    """Points and weights of the unit interval."""
    x, w = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(nodes))
    return (x + 1) / 2, w / 2


def in_pieces(
    place: Callable[[Tensor], Sample],
    contains: Callable[[Tensor], Tensor],
    held: Sequence[bool],
    nodes: int,
) -> tuple[Sample, Float[Tensor, " point"]]:
    """Points of a unit cube that are inside, with weights: each line along the last axis is cut in pieces.

    A piece ends where the line enters or leaves, found by bisection, and has all the nodes; so the error
    does not come from points that are left out.

    Args:
        place: takes points of the cube to a sample.
        contains: which points are inside.
        held: the axes that do not vary.
        nodes: along each other axis.
    """
    free = [axis for axis, one in enumerate(held) if not one]
    if not free:
        sample = place(gauss(held, nodes)[0])
        return sample, contains(sample.points).double()
    last = free[-1]
    starts, outer = gauss([one or axis == last for axis, one in enumerate(held)], nodes)
    places, shares = line(nodes)
    scan = torch.linspace(0, 1, _SCAN * nodes + 1, dtype=torch.float64)

    def inside(lines: Tensor, along: Tensor) -> Tensor:
        unit = starts[lines].clone()
        unit[:, last] = along
        return contains(place(unit).points)

    count = len(starts)
    number = torch.arange(count).repeat_interleave(len(scan))
    looked = inside(number, scan.repeat(count)).view(count, -1)
    turns = (looked[:, 1:] != looked[:, :-1]).nonzero()
    lines, low, high = turns[:, 0], scan[turns[:, 1]], scan[turns[:, 1] + 1]
    first = looked[lines, turns[:, 1]]
    for _ in range(_HALVINGS if len(turns) else 0):
        middle = (low + high) / 2
        same = inside(lines, middle) == first
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    points, weights = [], []
    for i in range(count):
        own = (low + high)[lines == i] / 2
        ends = torch.cat([scan[:1], own, scan[-1:]])
        within = bool(looked[i, 0])
        for a, b in itertools.pairwise(ends):
            if within and b > a:
                unit = starts[i].repeat(nodes, 1)
                unit[:, last] = a + (b - a) * places
                points.append(unit)
                weights.append(outer[i] * (b - a) * shares)
            within = not within
    if not points:
        return place(starts), 0 * outer
    return place(torch.cat(points)), torch.cat(weights)


def holding(
    place: Callable[[Tensor], Sample], coordinates: Sequence[str], fixed: Mapping[str, float]
) -> Callable[[Tensor], Sample]:
    """A placement with coordinates at given values."""

    def placed(unit: Tensor) -> Sample:
        sample = place(unit)
        for name, value in fixed.items():
            sample.points[:, coordinates.index(name)] = value
        return sample

    return placed
