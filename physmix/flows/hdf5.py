"""Flows as HDF5 files in The Well's layout.

    /                     dataset_name, n_spatial_dims, n_trajectories, grid_type,
                          simulation_parameters, each parameter, provenance_*
    /dimensions           spatial_dims; datasets time (time,) and one per dimension
    /t0_fields            scalars            [trajectory, time, *grid]
    /t1_fields            vectors            [trajectory, time, *grid, dimension]
    /t2_fields            second-order tensors (none written)
                          each field: unit, staggered, beside what The Well asks for
    /scalars              each simulation parameter, shape ()
    /boundary_conditions  x_periodic, ...    mask over the points of the dimension
                          body_wall          mask over the grid: the points in a body

`flow_file` reads them, and other layouts.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physmix.errors import FlowFileError
from physmix.files import whole_file, write_whole
from physmix.flows.flow import Flow
from physmix.flows.layout import check_finite, check_flow, check_metadata
from physmix.flows.layouts.well import PROVENANCE
from physmix.flows.metadata import Field, Metadata


def write_flow(flow: Flow, path: str | Path) -> None:
    """Write a flow; the file appears whole or not at all.

    Raises:
        FlowFileError: if the flow is none that `read_flow` would take, or the file cannot be written.
    """
    path = Path(path)
    check_flow(path, flow)
    content = BytesIO()  # HDF5 does not survive a disk that fills up under it
    with h5py.File(content, "w") as file:
        _write(file, flow)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        raise _unwritten(path, error) from error


def write_parts(metadata: Metadata, path: str | Path, states: Iterable[NDArray[np.floating]]) -> None:
    """Write a flow larger than memory, trajectory by trajectory; the file appears whole or not at all.

    Args:
        metadata: fields, grid and number of trajectories.
        path: of the file.
        states: of each trajectory, (time, *grid, channel), in the order of `metadata.components`.

    Raises:
        FlowFileError: if states do not fit the metadata, or the file cannot be written.
    """
    path = Path(path)
    check_metadata(path, metadata)
    count, shape = 0, (len(metadata.time), *metadata.grid, len(metadata.components))
    try:
        with whole_file(path) as part, h5py.File(part, "w") as file:
            _frame(file, metadata)
            fields = _empty_fields(file, metadata)
            for count, values in enumerate(states, 1):
                if values.shape != shape or count > metadata.trajectories:
                    problem = f"trajectory {count} has states of shape {values.shape}"
                    remedy = f"give {metadata.trajectories} of shape {shape}"
                    raise FlowFileError(path, problem, remedy)
                check_finite(path, f"trajectory {count}", values)
                for data, channels in fields:
                    data[count - 1] = values[..., channels].reshape(data.shape[1:])
            if count != metadata.trajectories:
                problem = f"{count} trajectories were given"
                raise FlowFileError(path, problem, f"give {metadata.trajectories}")
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> FlowFileError:
    return FlowFileError(path, f"cannot be written ({error})", "free space or choose another path")


def _write(file: h5py.File, flow: Flow) -> None:
    about = flow.metadata
    _frame(file, about)
    known = {**flow.scalars, **flow.vectors}
    for field in about.fields:
        group = file[f"t{field.order}_fields"]
        data = _dataset(group, field.name, known[field.name], sample_varying=True, time_varying=True)
        _describe(data, field, about)


def _empty_fields(file: h5py.File, about: Metadata) -> list[tuple[h5py.Dataset, slice]]:
    """Datasets of all fields, each with the channels that it takes."""
    found, place = [], 0
    for field in about.fields:
        width = len(field.components(about.axes))
        shape = (about.trajectories, len(about.time), *about.grid, *(len(about.axes),) * field.order)
        group = file[f"t{field.order}_fields"]
        data = group.create_dataset(field.name, shape, about.precision, track_times=False)
        data.attrs["sample_varying"], data.attrs["time_varying"] = True, True
        _describe(data, field, about)
        found.append((data, slice(place, place + width)))
        place += width
    return found


def _describe(data: h5py.Dataset, field: Field, about: Metadata) -> None:
    data.attrs["dim_varying"] = np.ones(len(about.axes), dtype=bool)
    data.attrs["unit"], data.attrs["staggered"] = field.unit, field.staggered


def _frame(file: h5py.File, about: Metadata) -> None:
    """All of the file but its fields."""
    axes = list(about.axes)
    file.attrs["dataset_name"] = about.name
    file.attrs["n_spatial_dims"] = len(axes)
    file.attrs["n_trajectories"] = about.trajectories
    file.attrs["grid_type"] = "cartesian"
    file.attrs["simulation_parameters"] = list(about.parameters)
    for key, value in about.parameters.items():
        file.attrs[key] = value
    for key, text in about.provenance.items():
        file.attrs[PROVENANCE + key] = text

    group = file.create_group("dimensions")
    group.attrs["spatial_dims"] = axes
    _dataset(group, "time", about.time, time_varying=True)
    for key, axis in about.axes.items():
        _dataset(group, key, axis)
    for order in range(3):
        names = [field.name for field in about.fields if field.order == order]
        group = file.create_group(f"t{order}_fields")
        group.attrs["field_names"] = np.array(names, dtype=h5py.string_dtype())
    group = file.create_group("scalars")
    group.attrs["field_names"] = np.array(list(about.parameters), dtype=h5py.string_dtype())
    for key, value in about.parameters.items():
        _dataset(group, key, np.float64(value))
    group = file.create_group("boundary_conditions")
    for key, kind in about.boundary.items():
        mask = np.zeros(len(about.axes[key]), dtype=bool)
        mask[[0, -1]] = True
        _boundary(group, key, kind, [key], mask)
    if about.solid is not None:
        _boundary(group, "body", "WALL", axes, about.solid)


def _boundary(group: h5py.Group, name: str, kind: str, axes: list[str], mask: NDArray[np.bool_]) -> None:
    part = group.create_group(f"{name}_{kind.lower()}")
    part.attrs.update(sample_varying=False, time_varying=False, bc_type=kind)
    part.attrs["associated_dims"] = axes
    part.attrs["associated_fields"] = np.array([], dtype=h5py.string_dtype())
    _dataset(part, "mask", mask)


def _dataset(
    group: h5py.Group,
    name: str,
    values: Any,
    *,
    sample_varying: bool = False,
    time_varying: bool = False,
) -> h5py.Dataset:
    packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if np.ndim(values) > 1 else {}
    data = group.create_dataset(name, data=values, track_times=False, **packed)
    data.attrs["sample_varying"], data.attrs["time_varying"] = sample_varying, time_varying
    return data
