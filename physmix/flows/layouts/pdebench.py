"""The layouts of PDEBench (Takamoto et al., NeurIPS 2022), as published.

    compressible     density, pressure, Vx, Vy, Vz    [trajectory, time, x, y, z], primitive
                     x-coordinate, ...; t-coordinate, of as many times or one more
    scalar           tensor                           [trajectory, time, x, ...], and the same coordinates
    incompressible   velocity, particles              [trajectory, time, x, y, channel]; t [trajectory, time]
    by seed          0000/data, ...                   [time, x, ..., channel]; 0000/grid/x, ..., 0000/grid/t

Numbers are float32. What a file does not say is taken from the published configurations, and told in the
provenance: gamma = 5/3; boundaries from the name of the file (`periodic`, `trans`); walls and a unit square
for incompressible flow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from physmix.errors import FlowFileError
from physmix.flows.layout import refusal
from physmix.flows.layouts.piece import Piece, precision_of
from physmix.flows.metadata import Field, Metadata
from physmix.flows.on_grid import Array
from physmix.flows.untrusted import UntrustedFile

_AXES = "xyz"
_GAMMA = 5 / 3
_BOUNDARIES = {"periodic": "PERIODIC", "trans": "OPEN"}


def is_pdebench(file: UntrustedFile) -> bool:
    """Whether the file has the datasets of one of these layouts."""
    names = set(file.file)
    return bool(names & {"density", "tensor", "velocity"}) or any(_is_seed(name) for name in names)


def describe(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    """What the file holds, and where.

    Raises:
        FlowFileError: if it is not in one of these layouts.
    """
    names = set(file.file)
    if "density" in names:
        return _compressible(file)
    if "tensor" in names:
        return _scalar(file)
    if "velocity" in names:
        return _incompressible(file)
    return _by_seed(file)


def _compressible(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    shape = file.floats("density").shape
    axes = _coordinates(file, len(shape) - 2)
    pieces = [Piece((name,)) for name in ("density", "pressure", *(f"V{axis}" for axis in axes))]
    attributes = file.file.attrs
    parameters = {
        key: float(attributes[key]) for key in ("eta", "zeta", "M") if np.isscalar(attributes.get(key))
    }
    return _metadata(
        file,
        (Field("density"), Field("pressure"), Field("velocity", 1)),
        pieces,
        axes,
        _times(file, "t-coordinate", shape[1]),
        shape[0],
        {"gamma": _GAMMA} | parameters,
        {"gamma": "5/3, of PDEBench's configuration; the file does not tell it"},
    )


def _scalar(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    shape = file.floats("tensor").shape
    axes = _coordinates(file, len(shape) - 2)
    time = _times(file, "t-coordinate", shape[1]) if "t-coordinate" in file.file else np.arange(1.0)
    return _metadata(file, (Field("u"),), [Piece(("tensor",))], axes, time, shape[0])


def _incompressible(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    shape = file.floats("velocity").shape
    if len(shape) < 4 or shape[-1] != len(shape) - 3:
        raise refusal(
            file.path, f"has a velocity of shape {shape}, expected trajectory, time, x, y, component"
        )
    dimensions = shape[-1]
    axes = {name: (np.arange(side) + 0.5) / side for name, side in zip(_AXES, shape[2:-1], strict=False)}
    fields, pieces = [], []
    if "particles" in file.file:
        fields.append(Field("particles"))
        pieces.append(Piece(("particles",), components=(1,)))
    fields.append(Field("velocity", 1))
    pieces.append(Piece(("velocity",), dimensions, components=(dimensions,)))
    return _metadata(
        file,
        tuple(fields),
        pieces,
        axes,
        _times(file, "t", shape[1]),
        shape[0],
        told={
            "axes": "cell centres of the unit square, and walls, of PDEBench's configuration",
            "values": "velocity was resampled from faces, and its divergence on the grid is not zero",
        },
        boundary=dict.fromkeys(axes, "WALL"),
    )


def _by_seed(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    seeds = sorted(name for name in file.file if _is_seed(name))
    shape = file.floats(f"{seeds[0]}/data").shape
    axes = {
        name: file.numbers(f"{seeds[0]}/grid/{name}")
        for name in _AXES
        if name in file.group(f"{seeds[0]}/grid")
    }
    channels = shape[-1]
    names = ("u",) if channels == 1 else tuple(f"u{i}" for i in range(channels))
    time = _times(file, f"{seeds[0]}/grid/t", shape[0])
    datasets = tuple(f"{seed}/data" for seed in seeds)
    pieces = [Piece(datasets, channels, apart=True, components=(channels,))]
    return _metadata(file, tuple(map(Field, names)), pieces, axes, time, len(seeds))


def _is_seed(name: str) -> bool:
    return len(name) == 4 and name.isascii() and name.isdigit()


def _coordinates(file: UntrustedFile, dimensions: int) -> dict[str, Array]:
    if not 1 <= dimensions <= 3:
        raise refusal(file.path, f"has fields of {dimensions} dimensions in space, expected 1 to 3")
    return {name: file.numbers(f"{name}-coordinate") for name in _AXES[:dimensions]}


def _times(file: UntrustedFile, name: str, count: int) -> Array:
    """The times of the states: published coordinates are of as many, or one more, which has no state."""
    time = file.numbers(name)
    if time.ndim == 2:  # of each trajectory
        if not np.allclose(time, time[:1], rtol=1e-6, atol=0):
            problem = "has trajectories of different times"
            raise FlowFileError(file.path, problem, "split it into files of equal times")
        time = time[0]
    if time.ndim != 1 or len(time) not in (count, count + 1):
        raise refusal(file.path, f"has {time.size} times in /{name}, expected {count} or {count + 1}")
    return time[:count]


def _metadata(
    file: UntrustedFile,
    fields: tuple[Field, ...],
    pieces: list[Piece],
    axes: Mapping[str, Array],
    time: Array,
    trajectories: int,
    parameters: Mapping[str, float] | None = None,
    told: Mapping[str, str] | None = None,
    boundary: Mapping[str, str] | None = None,
) -> tuple[Metadata, list[Piece]]:
    """The description, with what is alike in all of these layouts."""
    name = file.path.stem.lower()
    kinds = {kind for part, kind in _BOUNDARIES.items() if part in name}
    if boundary is None:
        boundary = dict.fromkeys(axes, kinds.pop()) if len(kinds) == 1 else {}
    metadata = Metadata(
        name=file.path.stem,
        fields=fields,
        time=time,
        axes=axes,
        trajectories=trajectories,
        precision=precision_of(file, pieces),
        boundary=boundary,
        parameters=parameters or {},
        provenance={"layout": "PDEBench", **(told or {})},
    )
    return metadata, pieces
