"""What a stored flow is: one list of rules, for who writes it and for who reads it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from physmix.errors import FlowFileError, listing, suggestion
from physmix.flows.flow import Flow
from physmix.flows.on_grid import OnGrid

BOUNDARIES = ("PERIODIC", "WALL", "OPEN")


def refusal(path: Path, problem: str) -> FlowFileError:
    """The error of a flow that does not fit the layout."""
    return FlowFileError(path, problem, "see The Well's layout (README, 'Your own flow')")


def check_names(path: Path, what: str, names: Iterable[str]) -> None:
    """Refuse names that would lead elsewhere in a file."""
    for name in names:
        if "/" in name or name in ("", ".", ".."):
            raise refusal(path, f"has among its {what} {name!r}, which is no name")


def check_numbers(path: Path, name: str, values: Any) -> None:
    """Refuse what is not of floating point; an array, or a dataset before it is read."""
    if values.dtype.kind != "f":
        raise refusal(path, f"has {name} of type {values.dtype}, expected floating point")


def check_solid(path: Path, name: str, mask: Any, grid: tuple[int, ...]) -> None:
    """Refuse a mask that is not boolean on the grid; an array, or a dataset before it is read."""
    if mask.shape != grid or mask.dtype.kind not in "bui":
        raise refusal(path, f"has no boolean mask of shape {grid} in {name}")


def check_flow(path: Path, flow: Flow) -> None:
    """Refuse a flow that does not fit the layout.

    Raises:
        FlowFileError: with the first rule that is broken: time and each coordinate increase, every field
            is on the grid and has as many trajectories as the others, there is a scalar, every number
            is finite, and each boundary has a known type.
    """
    check_metadata(path, flow)
    _check_fields(path, flow)
    if flow.solid is not None:
        check_solid(path, "solid", flow.solid, flow.grid)


def check_metadata(path: Path, flow: OnGrid) -> None:
    """Refuse times, coordinates, constants and boundaries that do not fit; see `check_flow`."""
    _check_axes(path, flow)
    check_names(path, "parameters", flow.parameters)
    for name, value in flow.parameters.items():
        check_finite(path, name, value)
    for name, kind in flow.boundary.items():
        if name not in flow.axes:
            raise refusal(path, f"has a boundary of {name}, but its dimensions are {listing(flow.axes)}")
        if kind not in BOUNDARIES:
            hint = suggestion(kind.upper(), BOUNDARIES)
            expected = f"expected one of {listing(BOUNDARIES)}"
            raise refusal(path, f"has a boundary of {name} of type {kind!r}{hint}, {expected}")


def _check_axes(path: Path, flow: OnGrid) -> None:
    check_names(path, "dimensions", flow.axes)
    if not flow.axes or "time" in flow.axes:
        raise refusal(path, f"has the dimensions {listing(flow.axes)}, expected one or more beside time")
    for name, axis in (("time", flow.time), *flow.axes.items()):
        values = np.asarray(axis)
        check_numbers(path, name, values)
        check_finite(path, name, values)
        least = 1 if name == "time" else 2  # a steady flow has one time
        if values.ndim != 1 or len(values) < least or not (np.diff(values) > 0).all():
            points = "1 point" if least == 1 else f"{least} points"
            raise refusal(path, f"has a dimension {name} that does not increase over {points} or more")


def _check_fields(path: Path, flow: Flow) -> None:
    if not flow.scalars:
        raise refusal(path, "has no scalar field")
    check_names(path, "fields", (*flow.scalars, *flow.vectors))
    known = {"time": len(flow.time)} | dict(zip(flow.axes, flow.grid, strict=True))
    for fields, more in ((flow.scalars, {}), (flow.vectors, {"component": len(flow.axes)})):
        for name, values in fields.items():
            _check_field(path, name, np.asarray(values), known | more)
    counts = sorted({len(values) for fields in (flow.scalars, flow.vectors) for values in fields.values()})
    if len(counts) != 1 or counts[0] < 1:
        raise refusal(path, f"has fields of {listing(counts)} trajectories")


def _check_field(path: Path, name: str, values: Any, sizes: dict[str, int]) -> None:
    check_numbers(path, name, values)
    if values.shape[1:] != tuple(sizes.values()):
        expected = listing(("trajectory", *(f"{key} {size}" for key, size in sizes.items())))
        raise refusal(path, f"has a field {name} of shape {values.shape}, expected ({expected})")
    check_finite(path, name, values)


def check_finite(path: Path, name: str, values: Any) -> None:
    """Refuse numbers that are NaN or infinite."""
    count = int((~np.isfinite(values)).sum())
    if count:
        problem = f"{name} has {count} values that are NaN or infinite"
        raise FlowFileError(path, problem, "remove or repair them")
