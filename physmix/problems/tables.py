"""Points and values from files: tables of comma-separated values, and flows in HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from torch import Tensor

from physmix.errors import SensorFileError, SettingsError, listing
from physmix.flows import read_flow, read_sensors
from physmix.problems.samples import Sample

_BEYOND = 1e-6  # of its length, that a profile serves past its ends
_HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True)
class Profile:
    """Values along one coordinate: a cubic spline through what was measured, a line through two values.

    Attributes:
        axis: the coordinate, by its place.
        name: of the coordinate, for messages.
        spline: of the values.
        ends: of what was measured.
    """

    axis: int
    name: str
    spline: Any
    ends: tuple[float, float]

    def __call__(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, " point"]:
        """The values at points.

        Raises:
            SettingsError: if points lie beyond what was measured.
        """
        along, (low, high) = points[:, self.axis].detach(), self.ends
        past = _BEYOND * (high - low)
        if bool(((along < low - past) | (along > high + past)).any()):
            found = f"points from {float(along.min()):.6g} to {float(along.max()):.6g}"
            problem = f"it goes from {self.name}={low:g} to {high:g}, and there are {found}"
            raise SettingsError("a profile", problem, "give rows up to both ends of the part")
        return torch.from_numpy(self.spline(along.numpy())).to(points)


def read_profile(
    path: str | Path, coordinates: Sequence[str], along: str, fields: Sequence[str]
) -> dict[str, Profile]:
    """Values of fields along a coordinate, from a CSV file with a header, such as `y,ux`; rows in any order.

        Condition(channel.part("x=low"), read_profile("inflow.csv", "xy", "y", ["ux", "uy"]))

    Args:
        path: of the file; see `read_sensors`.
        coordinates: of the problem.
        along: which of them the table has.
        fields: its other columns.

    Raises:
        SensorFileError: see `read_sensors`; also if it has one row, or a place twice.
        SettingsError: if there is no such coordinate.
    """
    if along not in coordinates:
        raise SettingsError("a profile", f"there is no {along!r}", f"choose from {listing(coordinates)}")
    found = read_sensors(path, [along], list(fields))
    places, order = found.points[:, 0].sort()
    if len(places) < 2 or not bool((places.diff() > 0).all()):
        problem = f"it has {len(places)} rows, some of them at the same {along}"
        raise SensorFileError(path, problem, "give two rows or more, each at a place of its own")
    at, ends = places.numpy(), (float(places[0]), float(places[-1]))
    axis = list(coordinates).index(along)
    return {
        name: Profile(axis, along, CubicSpline(at, values[order].numpy()), ends)
        for name, values in found.values.items()
    }


def read_points(path: str | Path, coordinates: Sequence[str], *, share: str = "") -> Sample:
    """Points of your own for `Problem(points=...)`: of a CSV file, or the fluid of an HDF5 flow.

    Args:
        path: of the file; see `read_sensors` and `read_flow`.
        coordinates: of the problem.
        share: the column that says what each point stands for, such as its area; all alike if empty.

    Raises:
        SensorFileError, FlowFileError: if the file cannot be read.
        SettingsError: if a share is negative, or the flow has other coordinates.
    """
    if Path(path).suffix in _HDF5:
        return _of_flow(path, coordinates)
    found = read_sensors(path, coordinates, [share] if share else [])
    return Sample.of(found.points, found.values[share] if share else None)


def _of_flow(path: str | Path, coordinates: Sequence[str]) -> Sample:
    """All fluid points of a grid, each with its cell."""
    flow = read_flow(path)
    axes = {"t": flow.time, **flow.axes} if "t" in coordinates else dict(flow.axes)
    if tuple(axes) != tuple(coordinates):
        problem = f"the flow has the coordinates {listing(axes)}, the problem {listing(coordinates)}"
        raise SettingsError("the points", problem, "give a flow of these coordinates, or a CSV file")
    columns = [torch.from_numpy(np.asarray(axis, np.float64)) for axis in axes.values()]
    widths = [torch.gradient(one)[0] if len(one) > 1 else torch.ones_like(one) for one in columns]
    points = torch.cartesian_prod(*columns).view(-1, len(columns))
    share = torch.cartesian_prod(*widths).view(-1, len(columns)).prod(1)
    if flow.solid is not None:
        fluid = torch.from_numpy(~flow.solid).flatten().repeat(len(points) // flow.solid.size)
        points, share = points[fluid], share[fluid]
    return Sample.of(points, share)
