"""The terms of a problem: residuals at points, each to be zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, ShapeError, listing
from physmix.jets import Function
from physmix.problems.parts import Part
from physmix.problems.points import Points
from physmix.problems.regions import Region
from physmix.problems.samples import Sample
from physmix.problems.state import Residual, State

Given = float | Function | Callable[[Tensor], Tensor]
"""A number, a function of the coordinates, or a callable (point, coordinate) -> (point)."""


@dataclass(frozen=True)
class Term:
    """Residuals at points.

    Attributes:
        name: in messages and traces.
        points: (point, coordinate), in physical units; held, or made some at a time.
        residual: from a state to named residuals.
        known: further numbers at each point that the residual asks for by name, such as data; of points
            that are held alone.
        weight: of the term's mean square in the loss, beside the balance.
        share: of points in that mean, one on average; all alike if omitted. Of points that are held alone:
            others come with theirs.
    """

    name: str
    points: Float[Tensor, "point coordinate"] | Points
    residual: Residual
    known: Mapping[str, Tensor] = field(default_factory=dict)
    weight: float = 1.0
    share: Float[Tensor, " point"] | None = None

    def batches(self) -> Iterator[tuple[Tensor, Mapping[str, Tensor], Tensor]]:
        """Points with what is known there, and what they stand for, some at a time."""
        if isinstance(self.points, Points):
            yield from ((some.points, {}, some.share) for some in self.points)
        else:
            share = self.points.new_ones(len(self.points)) if self.share is None else self.share
            yield self.points, self.known, share


def value_at(given: Given, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, " point"]:
    """What is given, at points.

    Raises:
        ShapeError: if it is not one number for each point.
        SettingsError: if a number is not finite.
    """
    if isinstance(given, int | float):
        value = points.new_full((len(points),), float(given))
    else:
        value = torch.as_tensor(given(points), dtype=points.dtype)
        if value.shape != (len(points),):
            raise ShapeError("given values", value.shape, f"({len(points)},), one for each point")
    if not bool(value.isfinite().all()):
        raise SettingsError("given values", "a number is not finite", "correct the function or the file")
    return value


@dataclass(frozen=True)
class Condition:
    """What holds on parts of the boundary, or at given points.

        Condition(region.boundary, {"ux": 0.0, "uy": lambda points: points[:, 0]})
        Condition(region.start, {"u": initial})
        Condition(outlet, residual=lambda y: {"traction": nu * y.d("ux", "x") - y["p"]})

    Attributes:
        where: one part or several, or points (point, coordinate).
        values: of fields, by name.
        residual: anything else that is to be zero; it finds the outward normal as y["nx"], y["ny"], ...
        name: in messages; that of the part if empty.
        weight: see `Term`.
        points: how many, over all parts, or points of the unit cube of one dimension less, (point, free
            coordinate), which each part places on itself; a problem's own number if omitted.
    """

    where: Part | Sequence[Part] | Tensor
    values: Mapping[str, Given] = field(default_factory=dict)
    residual: Residual | None = None
    name: str = ""
    weight: float = 1.0
    points: int | Tensor | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Where it holds; none if that is at points."""
        if isinstance(self.where, Tensor):
            return ()
        return (self.where,) if isinstance(self.where, Part) else tuple(self.where)

    def terms(self, coordinates: Sequence[str], points: int, seed: int) -> list[Term]:
        """The terms, one for each part.

        Raises:
            SettingsError: if nothing is given, or it does not fit.
        """
        if not self.values and self.residual is None:
            raise SettingsError("a condition", "it says nothing", "give values, or a residual")
        found = []
        for number, (name, sample) in enumerate(self._samples(points, seed)):
            known = {f"n{axis}": sample.normals[:, i] for i, axis in enumerate(coordinates)}
            wanted = {f"given {field}": value_at(v, sample.points) for field, v in self.values.items()}
            label = self.name or name or f"condition {number + 1}"
            found.append(Term(label, sample.points, self._holds, known | wanted, self.weight, sample.share))
        return found

    def _samples(self, points: int, seed: int) -> list[tuple[str, Sample]]:
        if isinstance(self.where, Tensor):
            if self.where.ndim != 2 or not len(self.where):
                raise ShapeError("the points of a condition", self.where.shape, "(points, coordinates)")
            return [("", Sample.of(self.where.detach()))]
        parts = self.parts
        if not parts:
            raise SettingsError("a condition", "it holds nowhere", "give a part such as region.boundary")
        if isinstance(self.points, Tensor):
            return [(part.name, part.place(self.points.detach())) for part in parts]
        each = -(-(self.points or points) // len(parts))
        return [(part.name, part.sample(each, seed + i)) for i, part in enumerate(parts)]

    def _holds(self, y: State) -> dict[str, Tensor]:
        found = {name: y[name] - y[f"given {name}"] for name in self.values}
        if self.residual is not None:
            found |= self.residual(y)
        return found


@dataclass(frozen=True)
class Pin:
    """Values of fields at one place, at all times: it fixes a pressure that is free up to a constant.

    One place, and not a mean, so that no equation couples parts of the region that are far apart.

    Attributes:
        values: by field.
        place: by coordinate of space; the lowest corner where omitted.
        weight: see `Term`.
        times: at how many times, where there is time.
    """

    values: Mapping[str, float]
    place: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    times: int = 64

    def terms(self, region: Region) -> list[Term]:
        """The term.

        Raises:
            SettingsError: if the place is not in the region.
        """
        values = dict(self.values)

        def residual(y: State) -> dict[str, Tensor]:
            return {name: y[name] - value for name, value in values.items()}

        place = [self.place.get(name, low) for name, (low, _) in region.box.items()]
        points = torch.tensor([place], dtype=torch.float64)
        if not bool(region.contains(points).all()):
            problem = f"its place {listing(place)} is not in the region"
            raise SettingsError("a pin", problem, "give place={...}, by coordinate")
        if "t" in region.box:
            points = points.repeat(self.times, 1)
            times = torch.linspace(*region.box["t"], self.times, dtype=torch.float64)
            points[:, region.coordinates.index("t")] = times
        return [Term(f"pinned {listing(values)}", points, residual, {}, self.weight)]
