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

from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physmix.errors import FlowFileError
from physmix.files import write_whole
from physmix.flows.flow import Flow
from physmix.flows.layout import check_flow
from physmix.flows.layouts.well import PROVENANCE


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
        raise FlowFileError(
            path, f"cannot be written ({error})", "free space or choose another path"
        ) from error


def _write(file: h5py.File, flow: Flow) -> None:
    axes = list(flow.axes)
    trajectories = next(iter(flow.scalars.values())).shape[0]
    file.attrs["dataset_name"] = flow.name
    file.attrs["n_spatial_dims"] = len(axes)
    file.attrs["n_trajectories"] = trajectories
    file.attrs["grid_type"] = "cartesian"
    file.attrs["simulation_parameters"] = list(flow.parameters)
    for key, value in flow.parameters.items():
        file.attrs[key] = value
    for key, text in flow.provenance.items():
        file.attrs[PROVENANCE + key] = text

    group = file.create_group("dimensions")
    group.attrs["spatial_dims"] = axes
    _dataset(group, "time", flow.time, time_varying=True)
    for key, axis in flow.axes.items():
        _dataset(group, key, axis)
    for order, fields in enumerate((flow.scalars, flow.vectors, {})):
        group = file.create_group(f"t{order}_fields")
        group.attrs["field_names"] = np.array(list(fields), dtype=h5py.string_dtype())
        for key, values in fields.items():
            data = _dataset(group, key, values, sample_varying=True, time_varying=True)
            data.attrs["dim_varying"] = np.ones(len(axes), dtype=bool)
            data.attrs["unit"], data.attrs["staggered"] = flow.units.get(key, ""), key in flow.staggered
    group = file.create_group("scalars")
    group.attrs["field_names"] = np.array(list(flow.parameters), dtype=h5py.string_dtype())
    for key, value in flow.parameters.items():
        _dataset(group, key, np.float64(value))
    group = file.create_group("boundary_conditions")
    for key, kind in flow.boundary.items():
        mask = np.zeros(len(flow.axes[key]), dtype=bool)
        mask[[0, -1]] = True
        _boundary(group, key, kind, [key], mask)
    if flow.solid is not None:
        _boundary(group, "body", "WALL", axes, flow.solid)


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
