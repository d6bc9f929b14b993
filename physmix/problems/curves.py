"""The part of a boundary where a given function is zero: a curve in a plane.

It is traced by contours on a grid, and each piece of a contour is a chord over which the curve is a graph:
along it ds = |grad f| / |df/dn| dx, with n across the chord, so that integrals are as exact as Gauss's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from contourpy import contour_generator
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.jets import Function
from physmix.problems.parts import Part, volume
from physmix.problems.rules import gauss, holding, line
from physmix.problems.samples import Sample

_GRID = 129  # points of the grid along each side
_NEWTON = 30
_NODES = 4  # of Gauss's rule on each chord, at least


@dataclass(frozen=True)
class Curve(Part):
    """Where a function of the coordinates is zero.

    Attributes:
        limit: the function, smooth with a gradient where it is zero; it does not vary along time.
    """

    limit: Function | Callable[[Tensor], Tensor]

    @cached_property
    def plane(self) -> tuple[int, int]:
        """The two coordinates that it varies with, by their places."""
        names = self.region.coordinates
        space = [i for i, name in enumerate(names) if name != "t"]
        if isinstance(self.limit, Function):
            space.sort(key=lambda i: i not in self.limit.places)  # type: ignore[union-attr]
            varying = len(self.limit.places)
        else:
            varying = len(space)
        if varying > 2 or len(space) < 2:
            problem = f"its part {self.name!r} is no curve in a plane"
            raise SettingsError("a region", problem, "give Region.from_mesh a mesh of it")
        first, second = sorted(space[:2])
        return first, second

    @cached_property
    def _chords(self) -> tuple[Tensor, Tensor]:
        """Both ends of each chord, (chord, 2)."""
        box = list(self.region.box.values())
        axes = [torch.linspace(*box[i], _GRID, dtype=torch.float64) for i in self.plane]
        values = self._value(torch.cartesian_prod(*axes)).view(_GRID, _GRID).T
        x, y = (axis.numpy() for axis in axes)
        lines = contour_generator(x=x, y=y, z=values.numpy()).lines(0.0)
        ends = [self._onto(torch.from_numpy(one).double()) for one in lines if len(one) > 1]
        if not ends:
            raise SettingsError("a region", f"its part {self.name!r} is empty", "leave it out")
        first, last = torch.cat([one[:-1] for one in ends]), torch.cat([one[1:] for one in ends])
        some = (last - first).norm(dim=1) > 1e-9 * max(high - low for low, high in box)
        return first[some], last[some]

    def _onto(self, flat: Tensor) -> Tensor:
        """Points of a contour moved onto the curve, those on the box along its sides."""
        box = flat.new_tensor([list(self.region.box.values())[i] for i in self.plane])
        moves = (flat != box[:, 0]) & (flat != box[:, 1])
        for _ in range(_NEWTON):
            value, slope = self._gradient(flat)
            slope = slope * moves
            flat = flat - (value / slope.square().sum(1).clamp(min=1e-300))[:, None] * slope
        return flat

    def _full(self, flat: Tensor) -> Tensor:
        points = flat.new_tensor([low for low, _ in self.region.box.values()]).repeat(len(flat), 1)
        points[:, list(self.plane)] = flat
        return points

    def _value(self, flat: Tensor) -> Tensor:
        with torch.no_grad():
            return self.limit(self._full(flat))

    def _gradient(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """The function, and its gradient in the plane."""
        at = self._full(flat).requires_grad_()
        with torch.enable_grad():
            value = self.limit(at)
            (slope,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), slope[:, list(self.plane)]

    def _along(self, chord: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points above places of chords, outward normals, and lengths of the curve over those of chords."""
        first, last = (ends[chord] for ends in self._chords)
        ahead = (last - first) / (last - first).norm(dim=1, keepdim=True)
        across = torch.stack([-ahead[:, 1], ahead[:, 0]], 1)
        flat = first + share[:, None] * (last - first)
        for _ in range(_NEWTON):
            value, slope = self._gradient(flat)
            step = value / (slope * across).sum(1)
            flat = flat - step[:, None] * across
            if float(step.abs().max()) < 1e-15 * float(flat.abs().max()):
                break
        _, slope = self._gradient(flat)
        size = slope.norm(dim=1)
        stretch = size / (slope * across).sum(1).abs()
        if not bool((stretch < 10).all()):
            problem = f"its part {self.name!r} bends too sharply, or has no gradient"
            raise SettingsError("a region", problem, "give a smooth function that changes sign there")
        return flat, -slope / size[:, None], stretch

    def _sample(self, rest: Tensor, chord: Tensor, share: Tensor) -> Sample:
        """Points from places of chords, and from places of the unit cube along the other coordinates."""
        full = rest.new_full((len(rest), len(self.region.box)), 0.5)
        full[:, [i for i in range(len(self.region.box)) if i not in self.plane]] = rest
        sample = self.region.place(full)
        flat, normal, stretch = self._along(chord, share)
        sample.points[:, list(self.plane)] = flat
        sample.normals[:, list(self.plane)] = normal
        return Sample(sample.points, sample.normals, stretch)

    def place(self, unit: Float[Tensor, "point free"]) -> Sample:
        """Points on it from those of the unit cube of one dimension less: along the curve first."""
        first, last = self._chords
        ends = (last - first).norm(dim=1).cumsum(0)
        along = unit[:, 0] * ends[-1]
        chord = torch.searchsorted(ends, along).clamp(max=len(ends) - 1)
        start = torch.cat([ends.new_zeros(1), ends])[chord]
        return self._sample(unit[:, 1:], chord, (along - start) / (ends[chord] - start))

    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """Gauss's rule on each chord, and along the other coordinates."""
        first, last = self._chords
        names = self.region.coordinates
        others = [name for i, name in enumerate(names) if i not in self.plane]
        rest, outer = gauss([name in fixed for name in others], nodes)
        places, shares = line(max(_NODES, -(-nodes // len(first))))
        count, each = len(first) * len(places), len(rest)
        chord = torch.arange(len(first)).repeat_interleave(len(places)).repeat_interleave(each)
        along = places.repeat(len(first)).repeat_interleave(each)
        even = Curve(self.region.even(), self.name, self.limit)

        def place(unit: Tensor) -> Sample:
            return even._sample(unit, chord, along)

        sample = holding(place, names, fixed)(rest.repeat(count, 1))
        weights = shares.repeat(len(first)).repeat_interleave(each) * (last - first).norm(dim=1)[chord]
        size = volume(self.region.box, {*fixed, *(names[i] for i in self.plane)})
        kept = self.region.contains(sample.points)
        return sample, size * weights * sample.share * outer.repeat(count) * kept
