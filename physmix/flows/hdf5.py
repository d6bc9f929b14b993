"""Flows as HDF5 files in The Well's layout.

    /                     dataset_name, n_spatial_dims, n_trajectories, grid_type,
                          simulation_parameters, each parameter, provenance_*
    /dimensions           spatial_dims; datasets time (time,) and one per dimension
    /t0_fields            scalars            [trajectory, time, *grid]
    /t1_fields            vectors            [trajectory, time, *grid, dimension]
    /t2_fields            second-order tensors (none written)
    /scalars              each simulation parameter, shape ()
    /boundary_conditions  x_periodic, ...    mask over the points of the dimension

A file from another hand is not trusted: links out of the file are refused, sizes are checked before
anything is read, and every number must be finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physmix.errors import FlowFileError, listing
from physmix.files import whole_file
from physmix.flows.flow import Flow

_PROVENANCE = "provenance_"
_LARGEST = 8 * 2**30
_GROUPS = ("dimensions", "t0_fields", "t1_fields", "t2_fields", "scalars", "boundary_conditions")


def write_flow(flow: Flow, path: str | Path) -> None:
    """Write a flow; the file appears whole or not at all.

    Raises:
        FlowFileError: if the file cannot be written.
    """
    path = Path(path)
    try:
        with whole_file(path) as part, h5py.File(part, "w") as file:
            _write(file, flow)
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
        file.attrs[_PROVENANCE + key] = text

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
    group = file.create_group("scalars")
    group.attrs["field_names"] = np.array(list(flow.parameters), dtype=h5py.string_dtype())
    for key, value in flow.parameters.items():
        _dataset(group, key, np.float64(value))
    group = file.create_group("boundary_conditions")
    for key, kind in flow.boundary.items():
        part = group.create_group(f"{key}_{kind.lower()}")
        part.attrs.update(sample_varying=False, time_varying=False, bc_type=kind)
        part.attrs["associated_dims"] = [key]
        part.attrs["associated_fields"] = np.array([], dtype=h5py.string_dtype())
        mask = np.zeros(len(flow.axes[key]), dtype=bool)
        mask[[0, -1]] = True
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


def read_flow(path: str | Path) -> Flow:
    """Read a flow in The Well's layout.

    Raises:
        FlowFileError: if the file is missing, cut short, not in this layout, or has numbers that
            are not finite.
    """
    path = Path(path)
    with _opened(path) as file:
        for name in _GROUPS:
            if not isinstance(file.get(name), h5py.Group):
                raise _layout(path, f"has no group /{name}")
        axes = {
            name: _numbers(path, file, f"dimensions/{name}")
            for name in _names(path, file, "dimensions", "spatial_dims")
        }
        time = _numbers(path, file, "dimensions/time")
        grid = tuple(len(axis) for axis in axes.values())
        fields: list[dict[str, NDArray[np.floating]]] = []
        for order in (0, 1):
            group = f"t{order}_fields"
            shape = (len(time), *grid, *(len(axes),) * order)
            fields.append(
                {
                    n: _numbers(path, file, f"{group}/{n}", shape)
                    for n in _names(path, file, group, "field_names")
                }
            )
        if not fields[0]:
            raise _layout(path, "has no scalar field in /t0_fields")
        counts = {len(values) for part in fields for values in part.values()}
        if len(counts) != 1:
            raise _layout(path, f"has fields of {listing(sorted(counts))} trajectories")
        parameters = {
            n: float(_numbers(path, file, f"scalars/{n}"))
            for n in _names(path, file, "scalars", "field_names")
        }
        boundary = {}
        for group in file["boundary_conditions"].values():
            for name in group.attrs.get("associated_dims", ()):
                boundary[str(name)] = str(group.attrs.get("bc_type", "")).upper()
        provenance = {
            key.removeprefix(_PROVENANCE): str(value)
            for key, value in file.attrs.items()
            if key.startswith(_PROVENANCE)
        }
        name = str(file.attrs.get("dataset_name", path.stem))
    for axis, values in {"time": time, **axes}.items():
        if values.ndim != 1 or len(values) < 2 or not (np.diff(values) > 0).all():
            raise _layout(path, f"has a dimension {axis} that does not increase over 2 points or more")
    return Flow(name, time, axes, fields[0], fields[1], parameters, boundary, provenance)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if not path.is_file():
        remedy = "make it with: physmix-simulate flow=NAME, or give the path of your own file"
        raise FlowFileError(path, "does not exist", remedy)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        problem = f"cannot be read as HDF5; it may be cut short ({error})"
        raise FlowFileError(path, problem, "copy or make the file again") from error


def _layout(path: Path, problem: str) -> FlowFileError:
    return FlowFileError(path, problem, "write it in The Well's layout (README, 'Your own flow')")


def _names(path: Path, file: h5py.File, group: str, attribute: str) -> list[str]:
    if attribute not in file[group].attrs:
        raise _layout(path, f"has no attribute {attribute} on /{group}")
    return [
        n.decode() if isinstance(n, bytes) else str(n) for n in np.atleast_1d(file[group].attrs[attribute])
    ]


def _numbers(
    path: Path, file: h5py.File, name: str, shape: tuple[int, ...] | None = None
) -> NDArray[np.floating]:
    link = file.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise FlowFileError(path, f"/{name} is a link to another file", "store the data in the file itself")
    data = file.get(name)
    if not isinstance(data, h5py.Dataset):
        group = file[name.rpartition("/")[0]]
        raise _layout(path, f"has no dataset /{name}; there are {listing(group)}")
    if data.is_virtual or data.external:
        raise FlowFileError(path, f"/{name} is kept in another file", "store the data in the file itself")
    if data.dtype.kind != "f":
        raise _layout(path, f"has a dataset /{name} of type {data.dtype}, expected floating point")
    if shape is not None and data.shape[1:] != shape:
        raise _layout(
            path, f"has a dataset /{name} of shape {data.shape}, expected (trajectories, {listing(shape)})"
        )
    if data.nbytes > _LARGEST:
        raise FlowFileError(
            path, f"/{name} has {data.nbytes} bytes", f"split it; at most {_LARGEST} are read at once"
        )
    values = np.asarray(data[()])
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise FlowFileError(
            path, f"/{name} has {count} values that are NaN or infinite", "remove or repair them"
        )
    return values
