"""The Well's layout, as `write_flow` writes it and as its authors publish it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physmix.errors import listing
from physmix.flows.layout import check_solid, refusal
from physmix.flows.layouts.piece import Piece, precision_of
from physmix.flows.metadata import Field, Metadata
from physmix.flows.untrusted import UntrustedFile, text

PROVENANCE = "provenance_"
GROUPS = ("dimensions", "t0_fields", "t1_fields", "t2_fields", "scalars", "boundary_conditions")


def describe(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    """What the file holds, and where.

    Raises:
        FlowFileError: if it is not in this layout.
    """
    for name in GROUPS:
        file.group(name)
    axes = {name: file.numbers(f"dimensions/{name}") for name in file.names("dimensions", "spatial_dims")}
    grid = tuple(axis.size for axis in axes.values())
    fields, pieces, counts = [], [], set()
    for order in range(3):
        for name in file.names(f"t{order}_fields"):
            data = file.floats(f"t{order}_fields/{name}")
            sampled, timed = (bool(data.attrs.get(f"{key}_varying", True)) for key in ("sample", "time"))
            spread = tuple(bool(has) for has in np.atleast_1d(data.attrs.get("dim_varying", ())))
            if len(spread) not in (0, len(axes)):
                raise refusal(file.path, f"has a field {name} whose dim_varying is not of {listing(axes)}")
            staggered = bool(data.attrs.get("staggered", False))
            fields.append(Field(name, order, text(data.attrs.get("unit", "")), staggered))
            pieces.append(
                Piece(
                    (f"t{order}_fields/{name}",),
                    len(axes) ** order,
                    sampled=sampled,
                    timed=timed,
                    spread=spread,
                    components=(len(axes),) * order,
                )
            )
            counts |= {data.shape[0] if data.shape else 0} if sampled else set()
    if len(counts) > 1 or counts == {0}:
        raise refusal(file.path, f"has fields of {listing(sorted(counts))} trajectories")
    metadata = Metadata(
        name=text(file.file.attrs.get("dataset_name", file.path.stem)),
        fields=tuple(fields),
        time=file.numbers("dimensions/time"),
        axes=axes,
        trajectories=counts.pop() if counts else 1,
        precision=precision_of(file, pieces),
        boundary=_boundary(file),
        parameters=_parameters(file),
        provenance={
            key.removeprefix(PROVENANCE): text(value)
            for key, value in file.file.attrs.items()
            if key.startswith(PROVENANCE)
        },
        solid=_solid(file, grid),
    )
    return metadata, pieces


def _parameters(file: UntrustedFile) -> dict[str, float]:
    """Constants of the whole file; a scalar that varies is none."""
    found = {}
    for name in file.names("scalars"):
        data = file.floats(f"scalars/{name}")
        if data.shape == ():
            found[name] = float(data[()])
    return found


def _conditions(file: UntrustedFile) -> list[tuple[str, str, list[str]]]:
    """Group, type and dimensions of each boundary condition."""
    found = []
    for key in file.group("boundary_conditions"):
        name = f"boundary_conditions/{key}"
        attributes = file.group(name).attrs
        axes = [text(axis) for axis in np.atleast_1d(attributes.get("associated_dims", ()))]
        found.append((name, text(attributes.get("bc_type", "")).upper(), axes))
    return found


def _boundary(file: UntrustedFile) -> dict[str, str]:
    """Types of boundary by dimension."""
    return {
        axis: kind for _, kind, axes in _conditions(file) for axis in axes if kind != "WALL" or len(axes) == 1
    }


def _solid(file: UntrustedFile, grid: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """The points of all bodies: walls with a mask over the whole grid."""
    found = None
    for name, kind, axes in _conditions(file):
        if kind != "WALL" or len(axes) == 1:
            continue
        data = file.dataset(f"{name}/mask")
        check_solid(file.path, f"/{name}", data, grid)
        file.check_size(f"{name}/mask", float(np.prod(grid, dtype=float)))
        mask = np.asarray(data[()], bool)
        found = mask if found is None else found | mask
    return found
