"""Laws of fields that are stored at the faces of cells, judged by the differences between faces."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from physmix.checking.finding import Finding
from physmix.errors import UnsupportedLawError
from physmix.flows import Flow
from physmix.grids import BoundedAxis, PeriodicAxis, StaggeredGrid
from physmix.laws import Law


def at_faces(flow: Flow, law: Law) -> bool:
    """Whether a law has derivatives, and speaks of fields at faces."""
    places = flow.metadata.places
    return bool(law.order) and any(any(places.get(name, ())) for name in law.fields)


def judge_faces(flow: Flow, law: Law) -> Finding:
    """Judge a law at every cell and time, by the differences between the faces of the cell.

    The lower faces are stored; the upper one of the last cell is the first of a periodic dimension, and
    a wall, without flow through it, of any other.

    Args:
        flow: with vectors in `staggered`.
        law: without derivatives in time, over the coordinates of the grid.

    Raises:
        UnsupportedLawError: if an end is open, cells are of unequal width, or the fields of the law do not
            meet at cells.
    """
    if not flow.evenly_spaced or any(flow.boundary.get(name) == "OPEN" for name in flow.axes):
        problem = "its fields live at faces, and the cells are of unequal width or have open ends"
        raise UnsupportedLawError(law.name, problem, "give a periodic or walled flow on even cells")
    places = {name: flow.metadata.places[name] for name in law.fields}
    axes = {}
    for name, points in zip(flow.axes, flow.grid, strict=True):
        low, high = flow.box()[name]
        periodic = flow.boundary.get(name) == "PERIODIC"
        nodes = np.linspace(low, high, points + 1)
        axes[name] = PeriodicAxis(points, high - low) if periodic else BoundedAxis(nodes)
    grid = StaggeredGrid(axes)
    met = {grid.moved(places[name], monomial) for name, monomial in law.terms}
    if len(met) != 1:
        remedy = "give a law whose terms meet there, such as the divergence of a velocity"
        raise UnsupportedLawError(law.name, "its terms live at different places of the grid", remedy)
    fields = {name: _all_faces(flow, name, place) for name, place in places.items()}
    terms = torch.stack(grid.terms({n: f.flatten(0, 1) for n, f in fields.items()}, places, law.terms))
    missed, size = (terms.sum(0) - float(law.source)).abs().max(), terms.abs().sum(0).max()
    single = any(flow.component(name).dtype.itemsize < 8 for name in law.fields)
    dtype = torch.float32 if single else torch.float64
    return Finding.of(law.name, "differences between faces", float(missed), float(size), dtype)


def _all_faces(flow: Flow, name: str, place: tuple[int, ...]) -> Tensor:
    """A component at the places of a `StaggeredGrid`, with the upper face of the last cell."""
    values = torch.from_numpy(np.asarray(flow.component(name), np.float64))
    for i, (axis, level) in enumerate(zip(flow.axes, place, strict=True)):
        if level and flow.boundary.get(axis) == "PERIODIC":
            values = values.roll(-1, 2 + i)  # there a face has the number of the cell below it
        elif level:
            wall = torch.zeros_like(values.narrow(2 + i, 0, 1))
            values = torch.cat([values, wall], 2 + i)
    return values
