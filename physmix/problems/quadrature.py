"""Integrals over regions and parts of their boundary."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.problems.parts import Part
from physmix.problems.regions import Region
from physmix.problems.samples import Sample


def quadrature(where: Region | Part, nodes: int, **fixed: float) -> tuple[Sample, Float[Tensor, " point"]]:
    """Points with outward normals, and weights that sum to the volume, area or length.

    Gauss-Legendre along coordinates, on the pieces that are inside; even around circles. Where a line
    only just enters a hole, the error falls as a power of the nodes; elsewhere it falls faster.

    Args:
        where: a region, or a part of its boundary.
        nodes: along each coordinate.
        fixed: coordinates that are held at a value, such as t=1.0.

    Raises:
        SettingsError: for a sphere, or a coordinate that the region does not have.
    """
    box = where.box if isinstance(where, Region) else where.region.box
    if strange := [name for name in fixed if name not in box]:
        raise SettingsError("an integral", f"there is no {listing(strange)}", f"choose from {listing(box)}")
    return where.quadrature(nodes, fixed)
