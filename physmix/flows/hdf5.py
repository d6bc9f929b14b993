"""Flows as HDF5 files in The Well's layout.

    /                     dataset_name, n_spatial_dims, n_trajectories, grid_type,
                          simulation_parameters, each parameter, provenance_*
    /dimensions           spatial_dims; datasets time (time,) and one per dimension
    /t0_fields            scalars            [trajectory, time, *grid]
    /t1_fields            vectors            [trajectory, time, *grid, dimension]
    /t2_fields            second-order tensors (none written)
    /scalars              each simulation parameter, shape ()
    /boundary_conditions  x_periodic, ...    mask over the points of the dimension
                          body_wall          mask over the grid: the points in a body

A file from another hand is not trusted: links out of the file are refused, sizes are checked before
anything is read, and every number must be finite.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physmix.errors import FlowFileError, listing
from physmix.files import write_whole
from physmix.flows.flow import Flow
from physmix.flows.layout import check_flow, check_names, check_numbers, check_solid, refusal

_PROVENANCE = "provenance_"
_LARGEST = 8 * 2**30
_GROUPS = ("dimensions", "t0_fields", "t1_fields", "t2_fields", "scalars", "boundary_conditions")


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


def read_flow(path: str | Path) -> Flow:
    """Read a flow in The Well's layout.

    Raises:
        FlowFileError: if the file is missing, closed to the user, cut short, not in this layout, too
            large, or has numbers that are not finite.
    """
    path = Path(path)
    try:
        if not path.is_file():
            problem = "is a folder" if path.is_dir() else "does not exist"
            remedy = "make it with: physmix-simulate flow=NAME, or give the path of your own file"
            raise FlowFileError(path, problem, remedy)
        with h5py.File(path, "r") as file:
            return _Reader(path, file).flow()
    except PermissionError as error:
        remedy = "give yourself that permission on the file and its folders, or copy it to a place of yours"
        raise FlowFileError(path, "you have no permission to read it", remedy) from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        problem = f"cannot be read as HDF5; it may be cut short ({error})"
        raise FlowFileError(path, problem, "copy or make the file again") from error


class _Reader:
    """Reads one open file, and counts what it reads."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file, self.bytes = path, file, 0

    def flow(self) -> Flow:
        for name in _GROUPS:
            self.group(name)
        fields = [
            {name: self.numbers(f"t{order}_fields/{name}") for name in self.names(f"t{order}_fields")}
            for order in (0, 1)
        ]
        parameters = {}
        for name in self.names("scalars"):
            value = self.numbers(f"scalars/{name}")
            if value.shape == ():  # one that varies is no parameter of the whole flow
                parameters[name] = float(value)
        axes = self.names("dimensions", "spatial_dims")
        flow = Flow(
            name=_text(self.file.attrs.get("dataset_name", self.path.stem)),
            time=self.numbers("dimensions/time"),
            axes={name: self.numbers(f"dimensions/{name}") for name in axes},
            scalars=fields[0],
            vectors=fields[1],
            parameters=parameters,
            boundary=self.boundary(),
            provenance={
                key.removeprefix(_PROVENANCE): _text(value)
                for key, value in self.file.attrs.items()
                if key.startswith(_PROVENANCE)
            },
        )
        check_flow(self.path, flow)
        return replace(flow, solid=self.solid(flow.grid))

    def item(self, name: str) -> h5py.Group | h5py.Dataset | None:
        """What stands under a name in this very file, or None."""
        for depth in range(1, name.count("/") + 2):
            part = "/".join(name.split("/")[:depth])
            if isinstance(self.file.get(part, getlink=True), h5py.ExternalLink):
                raise FlowFileError(
                    self.path, f"/{part} is a link to another file", "store the data in the file itself"
                )
        item = self.file.get(name)
        if item is not None and item.file.filename != self.file.filename:
            raise FlowFileError(
                self.path, f"/{name} is a link to another file", "store the data in the file itself"
            )
        return item

    def group(self, name: str) -> h5py.Group:
        item = self.item(name)
        if not isinstance(item, h5py.Group):
            raise refusal(self.path, f"has no group /{name}")
        return item

    def names(self, group: str, attribute: str = "field_names") -> list[str]:
        attributes = self.group(group).attrs
        if attribute not in attributes:
            raise refusal(self.path, f"has no attribute {attribute} on /{group}")
        names = [_text(name) for name in np.atleast_1d(attributes[attribute])]
        check_names(self.path, f"{attribute} of /{group}", names)
        return names

    def boundary(self) -> dict[str, str]:
        """Types of boundary by dimension."""
        return {
            axis: kind
            for _, kind, axes in self.conditions()
            for axis in axes
            if kind != "WALL" or len(axes) == 1
        }

    def solid(self, grid: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """The points of all bodies: walls with a mask over the whole grid."""
        found = None
        for name, kind, axes in self.conditions():
            if kind != "WALL" or len(axes) == 1:
                continue
            data = self.item(f"{name}/mask")
            if not isinstance(data, h5py.Dataset):
                raise refusal(self.path, f"has no dataset /{name}/mask")
            check_solid(self.path, f"/{name}", data, grid)
            self.local(f"{name}/mask", data)
            mask = np.asarray(data[()], bool)
            found = mask if found is None else found | mask
        return found

    def conditions(self) -> list[tuple[str, str, list[str]]]:
        """Group, type and dimensions of each boundary condition."""
        found = []
        for key in self.group("boundary_conditions"):
            name = f"boundary_conditions/{key}"
            attributes = self.group(name).attrs
            axes = [_text(axis) for axis in np.atleast_1d(attributes.get("associated_dims", ()))]
            found.append((name, _text(attributes.get("bc_type", "")).upper(), axes))
        return found

    def local(self, name: str, data: h5py.Dataset) -> None:
        """Count the size of a dataset before it is read; it must be stored in this file."""
        if data.is_virtual or data.external:
            raise FlowFileError(
                self.path, f"/{name} is kept in another file", "store the data in the file itself"
            )
        self.bytes += data.nbytes
        if self.bytes > _LARGEST:
            raise FlowFileError(
                self.path,
                f"has {self.bytes} bytes and more",
                f"split it; at most {_LARGEST} are read at once",
            )

    def numbers(self, name: str) -> NDArray[np.floating]:
        data = self.item(name)
        if not isinstance(data, h5py.Dataset):
            there = listing(self.group(name.rpartition("/")[0]))
            raise refusal(self.path, f"has no dataset /{name}; there are {there}")
        check_numbers(self.path, f"/{name}", data)
        self.local(name, data)
        return np.asarray(data[()], np.float32 if data.dtype.itemsize <= 4 else np.float64)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
