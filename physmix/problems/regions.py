"""Where a problem is posed: boxes in space and time less balls, cut off where functions are negative."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from physmix.errors import SettingsError, listing, suggestion
from physmix.jets import Function
from physmix.problems.curves import Curve
from physmix.problems.parts import Hole, Part, Round, Side, volume
from physmix.problems.points import Points, drawn
from physmix.problems.rules import holding, in_pieces
from physmix.problems.samples import Sample

Limit = Function | Callable[[Tensor], Tensor]
"""(point, coordinate) -> (point)."""


@dataclass(frozen=True, init=False)
class Region:
    """A box without balls, cut off where given functions are negative.

        channel = Region(x=(0, 2.2), y=(0, 0.41)).without({"x": 0.2, "y": 0.2}, 0.05)
        x, y = coordinates("xy")
        bump = Region(x=(0, 3), y=(0, 1)).inside(y - 0.3 / (1 + 9 * (x - 1) ** 2), "floor")
        disc = Region(x=(-1, 1), y=(-1, 1)).inside(ball([x, y], [0, 0], 1.0, inside=True), "rim")
        body = Region.from_mesh("body.msh")

    Several limits leave what is inside of all.

    Attributes:
        box: lowest and highest value of each coordinate, in the order of the points.
        holes: the balls.
        grading: places along a coordinate between which samples are equally many.
        limits: functions of the coordinates that are positive in the region, such as distances to walls,
            by the names of the parts where they are zero.
        around: the coordinates along which the box closes upon itself.
    """

    box: Mapping[str, tuple[float, float]]
    holes: tuple[Hole, ...]
    grading: Mapping[str, tuple[float, ...]]
    limits: Mapping[str, Limit]
    around: tuple[str, ...]

    def __init__(self, **box: tuple[float, float]) -> None:
        for name, (low, high) in box.items():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise SettingsError(
                    "a region", f"{name} goes from {low} to {high}", "give the lower one first"
                )
        if not box:
            raise SettingsError("a region", "it has no coordinate", "give x=(low, high), ...")
        ends = {k: (float(a), float(b)) for k, (a, b) in box.items()}
        self._set(box=ends, holes=(), grading={}, limits={}, around=())

    @staticmethod
    def from_mesh(path: str | Path, *, graded: bool = False, **box: tuple[float, float]) -> Region:
        """The region of a mesh file; see `MeshRegion`.

        Args:
            path: of any format of meshio, such as .msh or .vtu, with triangles, quads or tetrahedra.
            graded: whether points are as dense as its cells, and not even.
            box: further coordinates, before those of space, such as t=(0, 1).

        Raises:
            MissingPackageError, MeshFileError: see `read_mesh`; also for a mesh without such cells.
        """
        from physmix.problems.meshes import MeshRegion  # noqa: PLC0415  a region itself

        return MeshRegion.read(path, graded=graded, **box)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _with(self, **values: Any) -> Region:
        made = copy.copy(self)
        made._set(**values)  # noqa: SLF001  one of its own
        return made

    def over(self, **box: tuple[float, float]) -> Region:
        """The region with other ends of some coordinates, such as a window of time."""
        made = self._with(box=Region(**{**self.box, **box}).box)
        return made.graded()  # which refuses places that are no longer inside

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
        return self._with(holes=(*self.holes, Hole(dict(centre), float(radius))))

    def inside(self, limit: Limit, name: str = "") -> Region:
        """The part of the region where a function of the coordinates is positive.

        Where it is zero is a part of the boundary, "limit 1" unless it has a name.

        Raises:
            SettingsError: if a part of that name is there already.
        """
        name = name or f"limit {len(self.limits) + 1}"
        if name in self.parts:
            raise SettingsError("a region", f"it has a part {name!r} already", "give another name")
        return self._with(limits={**self.limits, name: limit})

    def graded(self, **places: Sequence[float]) -> Region:
        """The region with samples as dense as these places, such as those where subdomains meet.

        Raises:
            SettingsError: if the places are not increasing inside the box.
        """
        grading = {**self.grading, **{k: tuple(map(float, v)) for k, v in places.items()}}
        for name, along in grading.items():
            if name not in self.box or not _increasing((self.box[name][0], *along, self.box[name][1])):
                problem = f"{name} is graded at {listing(along)}"
                raise SettingsError(
                    "a region", problem, "give increasing places inside a coordinate of the box"
                )
        return self._with(grading=grading)

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
        return self._with(around=tuple(dict.fromkeys((*self.around, *names))))

    def even(self) -> Region:
        """The region without grading."""
        return self._with(grading={})

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates."""
        return tuple(self.box)

    @property
    def convex(self) -> bool:
        """Whether it is a whole box, and not periodic."""
        return not self.holes and not self.limits and not self.around

    def contains(self, points: Float[Tensor, "point coordinate"]) -> Bool[Tensor, " point"]:
        """Which points are in the closed region."""
        low, high = self._ends(points)
        inside = ((points >= low) & (points <= high)).all(1)
        for hole in self.holes:
            inside &= hole.beyond(points, self.coordinates) >= -1e-12 * hole.radius
        for limit in self.limits.values():
            inside &= limit(points) >= -1e-12
        return inside

    def beyond(self, points: Float[Tensor, "point coordinate"], slack: float) -> Bool[Tensor, " point"]:
        """Which points are outside of the box, or deep in a hole; limits are not looked at.

        Args:
            points: of any place.
            slack: how far outside counts as inside, over the length of a side or the radius of a hole.
        """
        low, high = self._ends(points)
        room = slack * (high - low)
        repeated = torch.tensor([name in self.around for name in self.box])
        within = (points >= low - room) & (points <= high + room) | repeated & points.isfinite()
        outside = ~within.all(1)
        for hole in self.holes:
            outside |= hole.beyond(points, self.coordinates) < -slack * hole.radius
        return outside

    def sample(self, count: int, seed: int = 0) -> Sample:
        """Quasi-random points inside (Sobol, scrambled)."""
        return self.points(count, seed).held().first(count)

    def points(self, count: int, seed: int = 0) -> Points:
        """The points of `sample`, made some at a time."""
        return drawn(self.place, self.contains, len(self.box), count, seed)

    def place(self, unit: Float[Tensor, "point coordinate"]) -> Sample:
        """Points of the box from those of the unit cube, graded."""
        low, high = self._ends(unit)
        points, share = low + (high - low) * unit, unit.new_ones(len(unit))
        for name, places in self.grading.items():
            axis = self.coordinates.index(name)
            ends = unit.new_tensor([self.box[name][0], *places, self.box[name][1]])
            along = unit[:, axis] * (len(ends) - 1)
            cell = along.floor().clamp(0, len(ends) - 2).long()
            width = ends[cell + 1] - ends[cell]
            points[:, axis] = ends[cell] + (along - cell) * width
            share = share * width * (len(ends) - 1) / (ends[-1] - ends[0])
        return Sample(points, torch.zeros_like(points), share)

    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """See `physmix.problems.quadrature`."""
        place = holding(self.even().place, self.coordinates, fixed)
        sample, weights = in_pieces(place, self.contains, [name in fixed for name in self.box], nodes)
        return sample, weights * volume(self.box, set(fixed))

    @property
    def parts(self) -> dict[str, Part]:
        """Each side where the box is not periodic, such as "x=low"; each hole, "hole 1"; and each limit."""
        closed = [name for name in self.box if name not in self.around]
        sides = {f"{name}={end}": Side(self, f"{name}={end}") for name in closed for end in ("low", "high")}
        holes = {f"hole {i + 1}": Round(self, f"hole {i + 1}", hole) for i, hole in enumerate(self.holes)}
        limits = {name: Curve(self, name, limit) for name, limit in self.limits.items()}
        return {**sides, **holes, **limits}

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
        """All parts in space: sides of all coordinates but time, holes, and limits."""
        return tuple(part for name, part in self.parts.items() if not name.startswith("t="))

    @property
    def start(self) -> Part:
        """The first time."""
        return self.part("t=low")

    def _ends(self, like: Tensor) -> tuple[Tensor, Tensor]:
        low, high = torch.tensor(list(self.box.values()), dtype=torch.float64).T
        return low.to(like), high.to(like)


def _increasing(places: Sequence[float]) -> bool:
    return all(math.isfinite(a) and math.isfinite(b) and a < b for a, b in itertools.pairwise(places))
