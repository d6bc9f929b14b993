"""The layout of PDEArena (Gupta and Brandstetter, TMLR 2023): smoke in a closed box, incompressible.

    train | valid | test    u, vx, vy    [trajectory, time, x, y], float64
                            t [trajectory, time]; x, y [trajectory, point]

`vx` and `vy` are values at the lower faces of the cells across x and across y; those at the upper walls,
which are zero, are left out. Stored coordinates run from wall to wall: cells share that length evenly.
"""

from __future__ import annotations

import numpy as np

from physmix.errors import FlowFileError, listing
from physmix.flows.layout import refusal
from physmix.flows.layouts.piece import Piece, precision_of
from physmix.flows.metadata import Field, Metadata
from physmix.flows.untrusted import UntrustedFile

_SPLITS = ("train", "valid", "test")
_AXES = "xy"


def is_pdearena(file: UntrustedFile) -> bool:
    """Whether the file has a group of this layout."""
    return any(name in file.file for name in _SPLITS)


def describe(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    """What the file holds, and where.

    Raises:
        FlowFileError: if it is not in this layout, or holds more than one split.
    """
    splits = [name for name in _SPLITS if name in file.file]
    if len(splits) > 1:
        problem = f"holds {listing(splits)} together"
        raise FlowFileError(file.path, problem, "give a file of one split")
    (split,) = splits
    shape = file.floats(f"{split}/u").shape
    if len(shape) != 2 + len(_AXES):
        raise refusal(file.path, f"has u of shape {shape}, expected (trajectory, time, x, y)")
    pieces = [Piece((f"{split}/{name}",)) for name in ("u", "vx", "vy")]
    axes = {}
    for name, points in zip(_AXES, shape[2:], strict=True):
        ends = _of_all(file, f"{split}/{name}", points)
        axes[name] = ends[0] + (np.arange(points) + 0.5) * (ends[-1] - ends[0]) / points
    metadata = Metadata(
        name=file.path.stem,
        fields=(Field("u"), Field("v", 1, staggered=True)),
        time=_of_all(file, f"{split}/t", shape[1]),
        axes=axes,
        trajectories=shape[0],
        precision=precision_of(file, pieces),
        boundary=dict.fromkeys(axes, "WALL"),
        provenance={
            "layout": "PDEArena",
            "values": "u at cell centres, v at lower faces; those at the upper walls are zero",
        },
    )
    return metadata, pieces


def _of_all(file: UntrustedFile, name: str, count: int) -> np.ndarray:
    """Coordinates that all trajectories share."""
    values = file.numbers(name)
    if values.ndim != 2 or values.shape[1] != count:
        raise refusal(file.path, f"has /{name} of shape {values.shape}, expected (trajectory, {count})")
    if not np.allclose(values, values[:1], rtol=1e-6, atol=0):
        raise FlowFileError(file.path, f"has trajectories of different {name}", "split it by them")
    return values[0]
