"""Triangles, tetrahedra and their facets: sizes, normals, points in them, and what they enclose."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from physmix.flows import Mesh

_SPLIT: dict[
    str, list[tuple[int, ...]]
] = {  # into simplices, by type of meshio; corners of curved cells come first
    "triangle": [(0, 1, 2)],
    "quad": [(0, 1, 2), (0, 2, 3)],
    "tetra": [(0, 1, 2, 3)],
    "line": [(0, 1)],
}
_CURVED = {"triangle6": "triangle", "quad8": "quad", "quad9": "quad", "tetra10": "tetra", "line3": "line"}
_CHUNK = 2**22

Vertices = Float[Tensor, "vertex dimension"]
Simplices = Int[Tensor, "simplex corner"]


def simplices_of(mesh: Mesh) -> tuple[Simplices | None, dict[str, Int[Tensor, "_ _"]]]:
    """The cells of a mesh as simplices of its highest dimension, and its named groups of facets.

    Sides of curved cells become straight, quads become two triangles.
    """
    split = {kind: _split(kind, np.asarray(cells)) for kind, cells in mesh.cells.items()}
    found = [one for one in split.values() if one is not None]
    highest = max((one.shape[1] for one in found), default=0)
    if highest < 3:
        return None, {}
    cells = torch.cat([one for one in found if one.shape[1] == highest])
    groups: dict[str, list[Tensor]] = {}
    for name, kinds in mesh.groups.items():
        for kind, members in kinds.items():
            some = _split(kind, np.asarray(mesh.cells[kind])[members])
            if some is not None and some.shape[1] == highest - 1:
                groups.setdefault(name, []).append(some)
    return cells, {name: torch.cat(some) for name, some in groups.items()}


def _split(kind: str, cells: NDArray[np.integer]) -> Tensor | None:
    pieces = _SPLIT.get(_CURVED.get(kind, kind))
    if pieces is None:
        return None
    whole = torch.from_numpy(np.ascontiguousarray(cells, np.int64))
    return torch.stack([whole[:, list(piece)] for piece in pieces], 1).flatten(0, 1)


def boundary_of(cells: Simplices) -> Int[Tensor, "facet end"]:
    """The facets that belong to one cell only."""
    corners = cells.shape[1]
    facets = torch.cat([cells[:, list(kept)] for kept in itertools.combinations(range(corners), corners - 1)])
    unique, count = facets.sort(1).values.unique(dim=0, return_counts=True)
    return unique[count == 1]


def sizes_of(vertices: Vertices, simplices: Simplices) -> Float[Tensor, " simplex"]:
    """Length, area or volume."""
    edges = vertices[simplices[:, 1:]] - vertices[simplices[:, :1]]
    gram = edges @ edges.transpose(1, 2)
    return torch.linalg.det(gram).clamp(min=0).sqrt() / math.factorial(edges.shape[1])


def facet_normals(
    vertices: Vertices, facets: Int[Tensor, "facet end"], cells: Simplices
) -> Float[Tensor, "facet dimension"]:
    """Unit normals of facets, out of the cells that they bound."""
    edges = vertices[facets[:, 1:]] - vertices[facets[:, :1]]
    if edges.shape[1] == 1:
        normal = torch.stack([edges[:, 0, 1], -edges[:, 0, 0]], 1)
    else:
        normal = torch.linalg.cross(edges[:, 0], edges[:, 1])
    normal = normal / normal.norm(dim=1, keepdim=True)
    middle = {
        tuple(sorted(kept)): sum(cell) - sum(kept)
        for cell in cells.tolist()
        for kept in itertools.combinations(cell, len(cell) - 1)
    }
    across = vertices[torch.tensor([middle[tuple(sorted(one))] for one in facets.tolist()])]
    outward = ((vertices[facets[:, 0]] - across) * normal).sum(1, keepdim=True)
    return normal * outward.sign()


def placed(
    vertices: Vertices,
    simplices: Simplices,
    chance: Float[Tensor, " simplex"],
    unit: Float[Tensor, "point axis"],
) -> tuple[Int[Tensor, " point"], Float[Tensor, "point dimension"]]:
    """Points in simplices, each with a given chance, from those of the unit cube.

    The first number chooses the simplex, and what it leaves within its share is used again.
    """
    ends = (chance / chance.sum()).cumsum(0)
    which = torch.searchsorted(ends, unit[:, 0].contiguous()).clamp(max=len(ends) - 1)
    start = torch.cat([ends.new_zeros(1), ends])[which]
    first = ((unit[:, 0] - start) / (ends[which] - start)).clamp(0, 1)
    along = torch.cat([first[:, None], unit[:, 1:]], 1).sort(1).values
    # The gaps between sorted even numbers are even on the simplex.
    zero, one = torch.zeros_like(first)[:, None], torch.ones_like(first)[:, None]
    share = torch.cat([zero, along, one], 1).diff(dim=1)
    return which, (share[:, :, None] * vertices[simplices[which]]).sum(1)


def folded(
    unit: Float[Tensor, "point axis"],
) -> tuple[Float[Tensor, "point corner"], Float[Tensor, " point"]]:
    """Barycentric coordinates from the unit cube, and the volumes that they stand for (Duffy, 1982)."""
    left, size, shares = torch.ones_like(unit[:, 0]), torch.ones_like(unit[:, 0]), []
    axes = unit.shape[1]
    for i in range(axes):
        size = size * (axes - i) * (1 - unit[:, i]) ** (axes - 1 - i)
        shares.append(left * unit[:, i])
        left = left * (1 - unit[:, i])
    return torch.stack([*shares, left], 1), size


def winding(
    vertices: Vertices,
    facets: Int[Tensor, "facet end"],
    normals: Float[Tensor, "facet dimension"],
    points: Float[Tensor, "point dimension"],
) -> Bool[Tensor, " point"]:
    """Whether points are enclosed by facets: the angles under which they are seen sum to a whole turn."""
    corners = vertices[facets]
    d = points.shape[1]
    found = [
        _angles(corners, normals, some).sum(1) > (math.pi if d == 2 else 2 * math.pi)
        for some in points.split(max(1, _CHUNK // (len(facets) * d * d)))
    ]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.bool)


def _angles(corners: Tensor, normals: Tensor, points: Tensor) -> Tensor:
    """The angles or solid angles under which points see facets, positive from inside."""
    to = corners[None] - points[:, None, None]
    sign = (to[:, :, 0] * normals).sum(2).sign()
    if points.shape[1] == 2:
        a, b = to.unbind(2)
        return sign * torch.atan2((a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).abs(), (a * b).sum(2))
    # Van Oosterom and Strackee, IEEE Trans. Biomed. Eng. 30, 1983, equation 8.
    a, b, c = to.unbind(2)
    x, y, z = (part.norm(dim=2) for part in (a, b, c))
    triple = (a * torch.linalg.cross(b, c)).sum(2).abs()
    below = x * y * z + (a * b).sum(2) * z + (b * c).sum(2) * x + (c * a).sum(2) * y
    return sign * 2 * torch.atan2(triple, below)
