"""Where a problem is posed: boxes in space and time less balls, and their boundary, to draw points from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing, suggestion
from physmix.jets import Function
from physmix.problems.points import BATCH, Points

Limit = Function | Callable[[Tensor], Tensor]
"""(point, coordinate) -> (point)."""

_TRIALS = 64  # batches drawn before a part counts as empty


@dataclass(frozen=True)
class Hole:
    """A ball that is not part of the region; over fewer coordinates than the region's it is a cylinder.

    Attributes:
        centre: by coordinate.
        radius: positive.
    """

    centre: Mapping[str, float]
    radius: float


@dataclass(frozen=True)
class Sample:
    """Points of a part of a region.

    Attributes:
        points: (point, coordinate).
        normals: outward unit normals in space, (point, coordinate), zero along time; zero inside.
    """

    points: Float[Tensor, "point coordinate"]
    normals: Float[Tensor, "point coordinate"]


@dataclass(frozen=True)
class Region:
    """A box without balls, cut off where given functions are negative.

        channel = Region(x=(0, 2.2), y=(0, 0.41)).without({"x": 0.2, "y": 0.2}, 0.05)
        x, y = coordinates("xy")
        bump = Region(x=(0, 3), y=(0, 1)).inside(y - 0.3 / (1 + 9 * (x - 1) ** 2))

    Attributes:
        box: lowest and highest value of each coordinate, in the order of the points.
        holes: the balls.
        grading: places along a coordinate between which samples are equally many.
        limits: functions of the coordinates that are positive in the region, such as distances to walls.
        around: the coordinates along which the box closes upon itself.
    """

    box: Mapping[str, tuple[float, float]]
    holes: tuple[Hole, ...] = field(default=())
    grading: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    limits: tuple[Limit, ...] = field(default=())
    around: tuple[str, ...] = field(default=())

    def __init__(
        self,
        holes: Sequence[Hole] = (),
        grading: Mapping[str, Sequence[float]] | None = None,
        limits: Sequence[Limit] = (),
        around: Sequence[str] = (),
        **box: tuple[float, float],
    ) -> None:
        for name, (low, high) in box.items():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise SettingsError(
                    "a region", f"{name} goes from {low} to {high}", "give the lower one first"
                )
        if not box:
            raise SettingsError("a region", "it has no coordinate", "give x=(low, high), ...")
        object.__setattr__(self, "box", {k: (float(a), float(b)) for k, (a, b) in box.items()})
        object.__setattr__(self, "holes", tuple(holes))
        object.__setattr__(self, "limits", tuple(limits))
        object.__setattr__(self, "around", tuple(around))
        object.__setattr__(self, "grading", {k: tuple(map(float, v)) for k, v in (grading or {}).items()})
        for name, places in self.grading.items():
            if name not in self.box or not _increasing((self.box[name][0], *places, self.box[name][1])):
                problem = f"{name} is graded at {listing(places)}"
                raise SettingsError(
                    "a region", problem, "give increasing places inside a coordinate of the box"
                )

    def over(self, **box: tuple[float, float]) -> Region:
        """The region with other ends of some coordinates, such as a window of time."""
        return Region(self.holes, self.grading, self.limits, self.around, **{**self.box, **box})

    def share(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, " point"]:
        """The volume that each point of a sample stands for, over that of an even one: less where dense."""
        found = points.new_ones(len(points))
        for name, places in self.grading.items():
            ends = points.new_tensor([self.box[name][0], *places, self.box[name][1]])
            along = points[:, self.coordinates.index(name)].contiguous()
            cell = torch.searchsorted(ends, along).clamp(1, len(ends) - 1)
            found = found * (ends[cell] - ends[cell - 1]) * (len(ends) - 1) / (ends[-1] - ends[0])
        return found

    def even(self) -> Region:
        """The region without grading."""
        return Region(self.holes, None, self.limits, self.around, **self.box)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates."""
        return tuple(self.box)

    def without(self, centre: Mapping[str, float], radius: float) -> Region:
        """The region less a ball.

        Raises:
            SettingsError: if the centre has other coordinates, or the radius is not positive.
        """
        if strange := [name for name in centre if name not in self.box]:
            raise SettingsError(
                "a hole", f"the region has no {listing(strange)}", f"it has {listing(self.box)}"
            )
        if not (math.isfinite(radius) and radius > 0):
            raise SettingsError("a hole", f"its radius is {radius}", "give a positive number")
        holes = (*self.holes, Hole(dict(centre), float(radius)))
        return Region(holes, self.grading, self.limits, self.around, **self.box)

    def inside(self, limit: Limit) -> Region:
        """The part of the region where a function of the coordinates is positive.

        Points are drawn inside of it, and on the parts of the box and of holes that it leaves; values on
        the new wall itself hold by `Wall`.
        """
        return Region(self.holes, self.grading, (*self.limits, limit), self.around, **self.box)

    def graded(self, **places: Sequence[float]) -> Region:
        """The region with samples as dense as these places, such as those where subdomains meet.

        Raises:
            SettingsError: if the places are not increasing inside the box.
        """
        return Region(self.holes, {**self.grading, **places}, self.limits, self.around, **self.box)

    def periodic(self, *names: str) -> Region:
        """The region closed upon itself along coordinates: it has no boundary there, and fields repeat.

        Raises:
            SettingsError: if there is no such coordinate, or it is time.
        """
        if strange := [name for name in names if name not in self.box or name == "t"]:
            known = [name for name in self.box if name != "t"]
            raise SettingsError(
                "a periodic region", f"{listing(strange)} cannot close", f"choose from {listing(known)}"
            )
        around = tuple(dict.fromkeys((*self.around, *names)))
        return Region(self.holes, self.grading, self.limits, around, **self.box)

    @property
    def convex(self) -> bool:
        """Whether it is a whole box, and not periodic."""
        return not self.holes and not self.limits and not self.around

    def contains(self, points: Float[Tensor, "point coordinate"]) -> Tensor:
        """Which points are in the closed region."""
        low, high = self._ends(points)
        inside = ((points >= low) & (points <= high)).all(1)
        for hole in self.holes:
            inside &= self._beyond(hole, points) >= -1e-12 * hole.radius
        for limit in self.limits:
            inside &= limit(points) >= 0
        return inside

    def sample(self, count: int, seed: int = 0) -> Sample:
        """Quasi-random points inside (Sobol, scrambled)."""
        return _drawn(self, self.place, len(self.box), count, seed)

    def points(self, count: int, seed: int = 0) -> Points:
        """The points of `sample`, made some at a time."""
        return Points(
            count, lambda: (some.points for some in _batches(self, self.place, len(self.box), count, seed))
        )

    @property
    def parts(self) -> dict[str, Part]:
        """Each side of the box where it is not periodic, such as "x=low" and "t=high"; and each "hole 1"."""
        closed = [name for name in self.box if name not in self.around]
        sides = {f"{name}={end}": Part(self, f"{name}={end}") for name in closed for end in ("low", "high")}
        return sides | {f"hole {i + 1}": Part(self, f"hole {i + 1}") for i in range(len(self.holes))}

    def part(self, name: str) -> Part:
        """A part of the boundary by name; see `parts`.

        Raises:
            SettingsError: if there is none.
        """
        known = self.parts
        if name not in known:
            raise SettingsError(
                "a region", f"it has no part {name!r}{suggestion(name, known)}", f"it has {listing(known)}"
            )
        return known[name]

    @property
    def boundary(self) -> tuple[Part, ...]:
        """All parts in space: sides of all coordinates but time, and holes."""
        return tuple(part for name, part in self.parts.items() if not name.startswith("t="))

    @property
    def start(self) -> Part:
        """The first time."""
        return self.part("t=low")

    def _ends(self, like: Tensor) -> tuple[Tensor, Tensor]:
        low, high = torch.tensor(list(self.box.values()), dtype=torch.float64).T
        return low.to(like), high.to(like)

    def _beyond(self, hole: Hole, points: Tensor) -> Tensor:
        places = [self.coordinates.index(name) for name in hole.centre]
        centre = points.new_tensor(list(hole.centre.values()))
        return torch.linalg.vector_norm(points[:, places] - centre, dim=1) - hole.radius

    def place(self, unit: Float[Tensor, "point coordinate"]) -> Sample:
        """Points of the box from those of the unit cube, graded."""
        low, high = self._ends(unit)
        points = low + (high - low) * unit
        for name, places in self.grading.items():
            axis = self.coordinates.index(name)
            ends = unit.new_tensor([self.box[name][0], *places, self.box[name][1]])
            along = unit[:, axis] * (len(ends) - 1)
            cell = along.floor().clamp(0, len(ends) - 2).long()
            points[:, axis] = ends[cell] + (along - cell) * (ends[cell + 1] - ends[cell])
        return Sample(points, torch.zeros_like(points))


@dataclass(frozen=True)
class Part:
    """A part of the boundary of a region.

    Attributes:
        region: of which it is a part.
        name: "x=low", "hole 1", ...; see `Region.parts`.
    """

    region: Region
    name: str

    @property
    def hole(self) -> Hole | None:
        """The hole that it bounds, or none where it is a side of the box."""
        return self.region.holes[int(self.name.split()[1]) - 1] if self.name.startswith("hole") else None

    @property
    def axis(self) -> str:
        """The coordinate that is held, of a side."""
        return self.name.split("=")[0]

    def sample(self, count: int, seed: int = 0) -> Sample:
        """Quasi-random points on it (Sobol, scrambled), with outward normals."""
        return _drawn(self.region, self.place, len(self.region.box) - 1, count, seed)

    def place(self, unit: Float[Tensor, "point free"]) -> Sample:
        """Points on it from those of the unit cube of one dimension less."""
        if self.hole is not None:
            return self._on_hole(self.hole, unit)
        high = self.name.endswith("high")
        place = self.region.coordinates.index(self.axis)
        fixed = unit.new_full((len(unit), 1), float(high))
        sample = self.region.place(torch.cat([unit[:, :place], fixed, unit[:, place:]], 1))
        if self.axis != "t":
            sample.normals[:, place] = 1.0 if high else -1.0
        return sample

    def _on_hole(self, hole: Hole, unit: Tensor) -> Sample:
        names = self.region.coordinates
        places = [names.index(name) for name in hole.centre]
        rest = [i for i in range(len(names)) if i not in places]
        if len(places) == 2:
            angle = 2 * math.pi * unit[:, 0]
            direction, used = torch.stack([angle.cos(), angle.sin()], 1), 1
        elif len(places) == 3:
            height, angle = 2 * unit[:, 0] - 1, 2 * math.pi * unit[:, 1]
            flat = (1 - height**2).clamp(min=0).sqrt()
            direction, used = torch.stack([flat * angle.cos(), flat * angle.sin(), height], 1), 2
        else:
            raise SettingsError("a hole", f"it has {len(places)} coordinates", "give two or three")
        full = unit.new_zeros(len(unit), len(names))
        full[:, rest] = unit[:, used:]
        sample = self.region.place(full)
        sample.points[:, places] = unit.new_tensor(list(hole.centre.values())) + hole.radius * direction
        sample.normals[:, places] = -direction
        return sample


def _drawn(
    region: Region, place: Callable[[Tensor], Sample], dimensions: int, count: int, seed: int
) -> Sample:
    samples = list(_batches(region, place, dimensions, count, seed))
    return Sample(torch.cat([one.points for one in samples]), torch.cat([one.normals for one in samples]))


def _batches(
    region: Region, place: Callable[[Tensor], Sample], dimensions: int, count: int, seed: int
) -> Iterator[Sample]:
    """The first points of a sequence that are in the region, some at a time."""
    if count < 1:
        raise SettingsError("a sample", f"{count} points", "give one or more")
    engine = torch.quasirandom.SobolEngine(max(dimensions, 1), scramble=True, seed=seed)
    left, size = count, min(count, BATCH)
    for _ in range(_TRIALS * -(-count // size)):
        sample = place(engine.draw(size, dtype=torch.float64)[:, :dimensions])
        kept = region.contains(sample.points)
        found = Sample(sample.points[kept][:left], sample.normals[kept][:left])
        left -= len(found.points)
        yield found
        if not left:
            return
    raise SettingsError("a region", "almost none of it is left beside its holes and limits", "change them")


def _increasing(places: Sequence[float]) -> bool:
    return all(math.isfinite(a) and math.isfinite(b) and a < b for a, b in itertools.pairwise(places))
