"""Parts of the boundary of a region: sides of its box, balls, and curves where functions are zero."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.points import drawn
from physmix.problems.rules import gauss, holding, in_pieces
from physmix.problems.samples import Sample


@runtime_checkable
class Space(Protocol):
    """What a part asks of its region."""

    @property
    def box(self) -> Mapping[str, tuple[float, float]]:
        """Lowest and highest value of each coordinate."""
        ...

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates."""
        ...

    def contains(self, points: Float[Tensor, "point coordinate"]) -> Bool[Tensor, " point"]:
        """Which points are in the closed region."""
        ...

    def place(self, unit: Float[Tensor, "point coordinate"]) -> Sample:
        """Points from those of the unit cube."""
        ...

    def even(self) -> Space:
        """The region without grading."""
        ...


@dataclass(frozen=True)
class Hole:
    """A ball that is not part of the region; over fewer coordinates than the region's it is a cylinder.

    Attributes:
        centre: by coordinate.
        radius: positive.
    """

    centre: Mapping[str, float]
    radius: float

    def beyond(
        self, points: Float[Tensor, "point coordinate"], coordinates: tuple[str, ...]
    ) -> Float[Tensor, " point"]:
        """The distance of points to the ball, negative inside of it."""
        places = [coordinates.index(name) for name in self.centre]
        centre = points.new_tensor(list(self.centre.values()))
        return torch.linalg.vector_norm(points[:, places] - centre, dim=1) - self.radius


@dataclass(frozen=True)
class Part(ABC):
    """A part of the boundary of a region.

    Attributes:
        region: of which it is a part.
        name: "x=low", "hole 1", ...; see `Region.parts`.
    """

    region: Space
    name: str

    def sample(self, count: int, seed: int = 0) -> Sample:
        """Quasi-random points on it (Sobol, scrambled), with outward normals."""
        points = drawn(self.place, self.region.contains, len(self.region.box) - 1, count, seed)
        return points.held().first(count)

    @abstractmethod
    def place(self, unit: Float[Tensor, "point free"]) -> Sample:
        """Points on it from those of the unit cube of one dimension less."""

    @abstractmethod
    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """See `physmix.problems.quadrature`."""


class Side(Part):
    """A side of the box."""

    @property
    def axis(self) -> str:
        """The coordinate that is held."""
        return self.name.split("=")[0]

    def place(self, unit: Float[Tensor, "point free"]) -> Sample:
        """Points on it from those of the unit cube of one dimension less."""
        high = self.name.endswith("high")
        place = self.region.coordinates.index(self.axis)
        fixed = unit.new_full((len(unit), 1), float(high))
        sample = self.region.place(torch.cat([unit[:, :place], fixed, unit[:, place:]], 1))
        if self.axis != "t":
            sample.normals[:, place] = 1.0 if high else -1.0
        return sample

    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """Gauss-Legendre, on the pieces that are in the region."""
        even, names = self.region.even(), self.region.coordinates
        place = holding(Side(even, self.name).place, names, fixed)
        held = [name in fixed for name in names if name != self.axis]
        sample, weights = in_pieces(place, even.contains, held, nodes)
        return sample, weights * volume(self.region.box, {*fixed, self.axis})


@dataclass(frozen=True)
class Round(Part):
    """The surface of a ball.

    Attributes:
        hole: the ball.
    """

    hole: Hole

    def place(self, unit: Float[Tensor, "point free"]) -> Sample:
        """Points on it from those of the unit cube of one dimension less: angles first."""
        names, hole = self.region.coordinates, self.hole
        places = [names.index(name) for name in hole.centre]
        if len(places) == 2:
            angle = 2 * math.pi * unit[:, 0]
            direction, used = torch.stack([angle.cos(), angle.sin()], 1), 1
        elif len(places) == 3:
            height, angle = 2 * unit[:, 0] - 1, 2 * math.pi * unit[:, 1]
            flat = (1 - height**2).clamp(min=0).sqrt()
            direction, used = torch.stack([flat * angle.cos(), flat * angle.sin(), height], 1), 2
        else:
            raise SettingsError("a hole", f"it has {len(places)} coordinates", "give two or three")
        full = unit.new_full((len(unit), len(names)), 0.5)
        full[:, [i for i in range(len(names)) if i not in places]] = unit[:, used:]
        sample = self.region.place(full)
        sample.points[:, places] = unit.new_tensor(list(hole.centre.values())) + hole.radius * direction
        sample.normals[:, places] = -direction
        return sample

    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """Even in the angle, which is exact for trigonometric polynomials, and Gauss-Legendre else."""
        if len(self.hole.centre) != 2:
            raise SettingsError(
                "an integral", "there is none over a sphere", "take the sides of a box around it"
            )
        names = self.region.coordinates
        points, weights = gauss([name in fixed for name in names if name not in self.hole.centre], nodes)
        angles = (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes
        unit = torch.cat([angles.repeat_interleave(len(points))[:, None], points.repeat(nodes, 1)], 1)
        even = self.region.even()
        sample = holding(Round(even, self.name, self.hole).place, names, fixed)(unit)
        size = 2 * math.pi * self.hole.radius * volume(self.region.box, {*fixed, *self.hole.centre})
        return sample, size * weights.repeat(nodes) / nodes * even.contains(sample.points)


def volume(box: Mapping[str, tuple[float, float]], held: set[str]) -> float:
    """Of the coordinates that are not held."""
    return math.prod(high - low for name, (low, high) in box.items() if name not in held)
