"""Fields for ParaView, and meshes with fields from any program: by meshio and pyevtk (extra `vtk`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physmix.errors import MeshFileError, MissingPackageError, ShapeError
from physmix.files import whole_file

Array = NDArray[np.float64]
Cells = NDArray[np.integer]


@dataclass(frozen=True)
class Mesh:
    """Points, the cells between them, and fields at the points.

    Attributes:
        points: (point, dimension).
        cells: by type of meshio, such as "triangle" or "quad": (cell, corner); none for loose points.
        fields: (point) or, of a vector, (point, component), by name.
        groups: named groups of cells, such as physical groups of Gmsh: by type, the places among `cells`.
    """

    points: Array
    cells: Mapping[str, Cells] = field(default_factory=dict)
    fields: Mapping[str, Array] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Cells]] = field(default_factory=dict)


def write_vtu(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh or loose points with their fields as VTU; the file appears whole or not at all.

    Vectors get three components, as ParaView wants them.

    Raises:
        MissingPackageError: if meshio is not installed.
        ShapeError: if a field has not one value, or vector, for each point.
        MeshFileError: if the file cannot be written.
    """
    meshio, path = _meshio(), Path(path)
    count = len(mesh.points)
    for name, values in mesh.fields.items():
        if values.ndim not in (1, 2) or len(values) != count:
            raise ShapeError(f"the field {name}", values.shape, f"({count},) or ({count}, components)")
    cells = dict(mesh.cells) or {"vertex": np.arange(count)[:, None]}
    whole = meshio.Mesh(
        _three(mesh.points),
        list(cells.items()),
        point_data={k: v if v.ndim == 1 else _three(v) for k, v in mesh.fields.items()},
    )
    try:
        with whole_file(path) as part:
            meshio.write(part, whole, file_format="vtu")
    except OSError as error:
        raise MeshFileError(
            path, f"cannot be written ({error})", "free space or choose another path"
        ) from error


def write_vtu_series(path: str | Path, times: Sequence[float], meshes: Sequence[Mesh]) -> None:
    """Write meshes of several times: PATH.pvd, which ParaView opens as a film, and a folder of VTU files.

    Args:
        path: ends in .pvd; the folder beside it has the same name without that.
        times: of the meshes.
        meshes: see `write_vtu`.

    Raises:
        MissingPackageError: if meshio or pyevtk is not installed.
        ShapeError, MeshFileError: see `write_vtu`.
    """
    try:
        from pyevtk.vtk import VtkGroup  # noqa: PLC0415  optional
    except ImportError as error:
        raise MissingPackageError("pyevtk", "vtk") from error
    path = Path(path)
    files = [path.with_suffix("") / f"{number:04d}.vtu" for number in range(len(times))]
    for file, mesh in zip(files, meshes, strict=True):
        write_vtu(file, mesh)
    with whole_file(path) as part:
        made = part.with_name(f"{part.name}.pvd")  # it adds the suffix by itself
        try:
            series = VtkGroup(str(part))
            for file, time in zip(files, times, strict=True):
                series.addFile(str(file), float(time))
            series.save()
            made.replace(part)
        finally:
            made.unlink(missing_ok=True)


def write_vti(path: str | Path, axes: Mapping[str, Array], fields: Mapping[str, Array]) -> None:
    """Write fields on an even grid as VTI; the file appears whole or not at all.

    Args:
        path: ends in .vti.
        axes: coordinates along each of two or three dimensions, evenly spaced.
        fields: (*grid) or, of a vector, (*grid, component), by name.

    Raises:
        MissingPackageError: if pyevtk is not installed.
        ShapeError: if a field does not fit the grid.
        MeshFileError: if the grid is not even, or the file cannot be written.
    """
    try:
        from pyevtk.hl import imageToVTK  # noqa: PLC0415  optional
    except ImportError as error:
        raise MissingPackageError("pyevtk", "vtk") from error
    path = Path(path)
    grid = tuple(len(axis) for axis in axes.values())
    steps = [np.diff(axis) for axis in axes.values()]
    if path.suffix != ".vti" or not all(len(s) and np.allclose(s, s[0], rtol=1e-6, atol=0) for s in steps):
        problem = "it has no suffix .vti, or an axis of its grid is not evenly spaced"
        raise MeshFileError(path, problem, "correct that, or write its points with write_vtu")
    flat = (1,) * (3 - len(grid))
    data = {}
    for name, values in fields.items():
        if values.shape[: len(grid)] != grid or values.ndim > len(grid) + 1:
            raise ShapeError(f"the field {name}", values.shape, f"{grid}, or with components after it")
        parts = _three(values).reshape(-1, 3).T if values.ndim > len(grid) else values.reshape(1, -1)
        shaped = tuple(np.asfortranarray(p.reshape(*grid, *flat), np.float64) for p in parts)
        data[name] = shaped if len(shaped) > 1 else shaped[0]
    origin = [float(axis[0]) for axis in axes.values()] + [0.0] * len(flat)
    spacing = [float(step[0]) for step in steps] + [1.0] * len(flat)
    try:
        with whole_file(path) as part:
            made = part.with_name(f"{part.name}.vti")  # it adds the suffix by itself
            try:
                imageToVTK(str(part), tuple(origin), tuple(spacing), pointData=data)
                made.replace(part)
            finally:
                made.unlink(missing_ok=True)
    except OSError as error:
        raise MeshFileError(
            path, f"cannot be written ({error})", "free space or choose another path"
        ) from error


def read_mesh(path: str | Path) -> Mesh:
    """Read a mesh and its fields at points from any format that meshio knows: VTU, Gmsh, XDMF, ...

    A flat mesh keeps two dimensions.

    Raises:
        MissingPackageError: if meshio is not installed.
        MeshFileError: if the file is missing, of no known format, cut short, or has numbers that are not
            finite.
    """
    meshio, path = _meshio(), Path(path)
    if not path.is_file():
        raise MeshFileError(path, "does not exist", "give the path of a mesh")
    try:
        found = meshio.read(path)
    except (Exception, SystemExit) as error:  # each format fails in its own way
        problem = (
            f"cannot be read; it may be cut short, or of a format that its suffix does not say ({error})"
        )
        raise MeshFileError(path, problem, "copy or make the file again") from error
    fields = {name: np.asarray(values, np.float64) for name, values in found.point_data.items()}
    points = np.asarray(found.points, np.float64)
    for name, values in {"points": points, **fields}.items():
        if bad := int((~np.isfinite(values)).sum()):
            raise MeshFileError(path, f"{name} has {bad} numbers that are NaN or infinite", "repair them")
    flat = points.shape[1] == 3 and not points[:, 2].any()
    cells: dict[str, list[Cells]] = {}
    for block in found.cells:
        cells.setdefault(block.type, []).append(np.asarray(block.data))
    joined = {kind: np.concatenate(blocks) for kind, blocks in cells.items()}
    return Mesh(points[:, :2] if flat else points, joined, fields, _groups(found))


def _groups(found: Any) -> dict[str, dict[str, Cells]]:
    """Sets of cells by name; where there are none, cells with the same number in a field of the file.

    Gmsh names its physical groups; a format without names keeps their numbers, as "gmsh:physical 2".
    """
    offsets: dict[str, int] = {}
    members: dict[str, dict[str, list[Cells]]] = {}
    numbers = found.cell_data.get("gmsh:physical")
    named = {int(tag): name for name, (tag, _) in getattr(found, "field_data", {}).items()}
    for i, block in enumerate(found.cells):
        start = offsets.get(block.type, 0)
        offsets[block.type] = start + len(block.data)
        own = {
            name: np.asarray(sets[i], np.int64)
            for name, sets in found.cell_sets.items()
            if not name.startswith("gmsh:") and sets[i] is not None
        }
        if not own and numbers is not None:
            tags = np.asarray(numbers[i])
            own = {
                named.get(int(tag), f"gmsh:physical {int(tag)}"): np.flatnonzero(tags == tag)
                for tag in np.unique(tags)
            }
        for name, places in own.items():
            if len(places):
                members.setdefault(name, {}).setdefault(block.type, []).append(start + places)
    return {name: {k: np.concatenate(p) for k, p in kinds.items()} for name, kinds in members.items()}


def _three(values: Array) -> Array:
    """Two components or coordinates become three."""
    missing = 3 - values.shape[-1]
    widths = [(0, 0)] * (values.ndim - 1) + [(0, max(0, missing))]
    return np.pad(values, widths)


def _meshio() -> ModuleType:
    try:
        import meshio  # noqa: PLC0415  optional
    except ImportError as error:
        raise MissingPackageError("meshio", "vtk") from error
    return meshio
