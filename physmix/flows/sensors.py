"""Measurements at points: from a table of comma-separated values, or drawn from a stored flow."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SensorFileError, SettingsError, listing, suggestion
from physmix.flows.flow import Flow

_HEAD = re.compile(r"^\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?\s*$")


@dataclass(frozen=True)
class Sensors:
    """What was measured where.

    Attributes:
        points: (sensor, coordinate).
        values: of each field.
    """

    points: Float[Tensor, "sensor coordinate"]
    values: Mapping[str, Float[Tensor, " sensor"]]


def read_sensors(
    path: str | Path,
    coordinates: Sequence[str],
    fields: Sequence[str] | Mapping[str, str],
    *,
    units: Mapping[str, str] | None = None,
) -> Sensors:
    """Read a CSV file with a header, such as `x [m],y [m],ux [m/s],uy [m/s]`; columns come in any order.

        sensors = read_sensors("probes.csv", "xy", ["ux", "uy"], units={"x": "m", "ux": "m/s"})
        condition = Measured(sensors.points, sensors.values, deviation=0.01)

    Args:
        path: of the file, in UTF-8.
        coordinates: the columns of the points, in their order.
        fields: columns, or for each field the name of its column.
        units: what the file must say of columns, in brackets after their names; nothing is converted.

    Raises:
        SensorFileError: if the file is missing, cut short or no table, lacks a column, has another unit,
            or a number in it is not finite; it names the line.
    """
    path = Path(path)
    named = dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}
    if not path.is_file():
        raise SensorFileError(path, "it does not exist", "give the path of a CSV file with a header")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            columns = _columns(path, next(lines, []), [*coordinates, *named.values()], units or {})
            width = columns.pop("")
            rows = [
                _row(path, lines.line_num, line, columns, width)
                for line in lines
                if any(cell.strip() for cell in line)
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise SensorFileError(
            path, f"it is no table of comma-separated values ({error})", "save it as CSV in UTF-8"
        ) from error
    if not rows:
        raise SensorFileError(path, "it has no row below its header", "give one line for each sensor")
    table = dict(zip(columns, torch.tensor(rows, dtype=torch.float64).T, strict=True))
    points = torch.stack([table[name] for name in coordinates], 1)
    return Sensors(points, {field: table[column] for field, column in named.items()})


def _columns(
    path: Path, header: Sequence[str], wanted: Sequence[str], units: Mapping[str, str]
) -> dict[str, int]:
    """The place of each wanted column; their number under the empty name."""
    found: dict[str, tuple[int, str | None]] = {}
    for place, text in enumerate(header):
        match = _HEAD.match(text)
        if match is None or match["name"] in found:
            problem = f"column {place + 1} of its header is {text!r}"
            raise SensorFileError(path, problem, "name each column once, as in 'ux [m/s]'")
        found[match["name"]] = place, match["unit"]
    for name in wanted:
        if name not in found:
            problem = f"it has no column {name!r}{suggestion(name, found)}; there are {listing(found)}"
            raise SensorFileError(path, problem, "add it to the header, or say which column it is")
        unit = found[name][1]
        if name in units and (unit or "").strip() != units[name]:
            said = "no unit" if unit is None else f"the unit {unit!r}"
            problem = f"column {name!r} has {said}, expected {units[name]!r}"
            raise SensorFileError(path, problem, "convert the column and write its unit in the header")
    return {name: found[name][0] for name in dict.fromkeys(wanted)} | {"": len(header)}


def _row(path: Path, line: int, cells: Sequence[str], columns: Mapping[str, int], width: int) -> list[float]:
    if len(cells) != width:
        problem = f"line {line} has {len(cells)} of {width} columns; it may be cut short"
        raise SensorFileError(path, problem, "complete the line, or copy the file again")
    out = []
    for name, place in columns.items():
        try:
            out.append(float(cells[place]))
        except ValueError:
            out.append(math.nan)
        if not math.isfinite(out[-1]):
            problem = f"line {line} has {cells[place]!r} in column {name!r}, which is no finite number"
            raise SensorFileError(path, problem, "leave this line out, or correct it")
    return out


def draw_sensors(
    flow: Flow,
    count: int,
    fields: Mapping[str, str],
    *,
    seed: int,
    box: Mapping[str, tuple[float, float]] | None = None,
    trajectory: int = 0,
) -> Sensors:
    """Stored points of a flow, drawn at random without repetition, none in a body.

        sensors = draw_sensors(read_flow("wake.hdf5"), 300, {"ux": "velocity_x"}, seed=0)

    Args:
        flow: steady, with one stored time, or not; then time is the first coordinate.
        count: of the sensors.
        fields: for each field the name of a component, see `Flow.component`.
        seed: of the draw.
        box: from and to along coordinates, t among them; all where omitted.
        trajectory: from which.

    Raises:
        SettingsError: if a field or coordinate is not there, or there are fewer points.
    """
    if strange := [name for name in fields.values() if name not in flow.components]:
        known = flow.components
        problem = f"the flow has no {listing(strange)}{suggestion(strange[0], known)}"
        raise SettingsError("sensors", problem, f"choose from {listing(known)}")
    axes = {"t": flow.time, **flow.axes}
    bounds = dict(box or {})
    if strange := [name for name in bounds if name not in axes]:
        raise SettingsError("sensors", f"the flow has no {listing(strange)}", f"choose from {listing(axes)}")
    allowed = np.ones((len(flow.time), *flow.grid), dtype=bool)
    if flow.solid is not None:
        allowed &= ~flow.solid
    for number, (name, axis) in enumerate(axes.items()):
        if name in bounds:
            inside = (axis >= bounds[name][0]) & (axis <= bounds[name][1])
            allowed &= inside.reshape([-1 if i == number else 1 for i in range(allowed.ndim)])
    places = np.argwhere(allowed)
    if not 0 < count <= len(places):
        raise SettingsError("sensors", f"{count} are asked for, of {len(places)} points", "give fewer")
    chosen = places[np.random.default_rng(seed).permutation(len(places))[:count]]
    columns = [np.asarray(axis, np.float64)[chosen[:, i]] for i, axis in enumerate(axes.values())]
    points = np.stack(columns if len(flow.time) > 1 else columns[1:], 1)
    at = (np.full(count, trajectory), *chosen.T)
    values = {
        field: torch.from_numpy(np.asarray(flow.component(name)[at], np.float64))
        for field, name in fields.items()
    }
    return Sensors(torch.from_numpy(points), values)
