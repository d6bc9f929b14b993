"""Regions of meshes: points in cells by their volumes, and on named facets of the boundary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from physmix.errors import MeshFileError, SettingsError, listing
from physmix.flows import read_mesh
from physmix.problems.parts import Part, Side, volume
from physmix.problems.points import Points, drawn
from physmix.problems.regions import Region
from physmix.problems.rules import gauss, holding
from physmix.problems.samples import Sample
from physmix.problems.simplices import (
    boundary_of,
    facet_normals,
    folded,
    placed,
    simplices_of,
    sizes_of,
    winding,
)

_NODES = 3  # of Gauss's rule in each cell, at least
_REST = "boundary"


class MeshRegion(Region):
    """A region of triangles, quads or tetrahedra, with a part for each named group of its boundary.

        body = Region.from_mesh("body.msh")
        Condition(body.part("wall"), {"ux": 0.0, "uy": 0.0})

    Facets without a name are the part "boundary". Balls and limits cut it as they do a box.

    Args:
        vertices: (vertex, dimension).
        cells: simplices, (cell, dimension + 1).
        groups: facets by name, (facet, dimension).
        graded: whether points are as dense as the cells, and not even.
        box: further coordinates, before those of space, such as t=(0, 1).
    """

    vertices: Float[Tensor, "vertex dimension"]
    cells: Int[Tensor, "cell corner"]
    groups: Mapping[str, Int[Tensor, "facet end"]]
    by_cells: bool

    def __init__(
        self,
        vertices: Float[Tensor, "vertex dimension"],
        cells: Int[Tensor, "cell corner"],
        groups: Mapping[str, Int[Tensor, "facet end"]] | None = None,
        *,
        graded: bool = False,
        **box: tuple[float, float],
    ) -> None:
        used = vertices[cells.unique()]
        names = "xyz"[: vertices.shape[1]]
        ends = zip(used.min(0).values.tolist(), used.max(0).values.tolist(), strict=True)
        super().__init__(**box, **dict(zip(names, ends, strict=True)))
        facets = boundary_of(cells)
        known = {tuple(sorted(one)): i for i, one in enumerate(facets.tolist())}
        found: dict[str, Tensor] = {}
        left = torch.ones(len(facets), dtype=torch.bool)
        for name, some in (groups or {}).items():
            # A group may hold facets inside of the mesh as well: they bound nothing.
            places = [known[key] for one in some.tolist() if (key := tuple(sorted(one))) in known]
            if places:
                found[name] = facets[sorted(set(places))]
                left[places] = False
        if bool(left.any()):
            found[_REST] = facets[left]
        self._set(vertices=vertices, cells=cells, groups=found, by_cells=graded)

    @staticmethod
    def read(path: str | Path, *, graded: bool = False, **box: tuple[float, float]) -> MeshRegion:
        """The region of a mesh file; see `Region.from_mesh`."""
        mesh = read_mesh(path)
        cells, groups = simplices_of(mesh)
        if cells is None:
            problem = f"has no triangles, quads or tetrahedra; its cells are {listing(mesh.cells)}"
            raise MeshFileError(path, problem, "export the cells of the fluid, in two or three dimensions")
        vertices = torch.from_numpy(np.ascontiguousarray(mesh.points, np.float64))
        if vertices.shape[1] != cells.shape[1] - 1:
            problem = "has triangles that do not lie in the plane z = 0"
            raise MeshFileError(path, problem, "export a flat mesh, or one with tetrahedra")
        if not bool((sizes_of(vertices, cells) > 0).all()):
            raise MeshFileError(path, "has cells without a volume", "repair them in the mesh generator")
        return MeshRegion(vertices, cells, groups, graded=graded, **box)

    def even(self) -> MeshRegion:
        """The region without grading."""
        made = self._with(grading={}, by_cells=False)
        assert isinstance(made, MeshRegion)
        return made

    @property
    def convex(self) -> bool:
        """Whether it is a whole box: of a mesh it is not known."""
        return False

    @property
    def dimension(self) -> int:
        """Of space."""
        return int(self.vertices.shape[1])

    def contains(self, points: Float[Tensor, "point coordinate"]) -> Bool[Tensor, " point"]:
        """Which points are in the region; on its boundary to round-off."""
        inside = super().contains(points)
        inside[inside.clone()] &= self._within(points[inside][:, -self.dimension :])
        return inside

    def _within(self, places: Tensor) -> Tensor:
        facets = torch.cat(list(self.groups.values()))
        normals = facet_normals(self.vertices, facets, self.cells)
        return winding(self.vertices, facets, normals, places)

    def cut(self, points: Float[Tensor, "point coordinate"]) -> Bool[Tensor, " point"]:
        """Which points of the mesh are left by balls and limits."""
        return super().contains(points)

    def periodic(self, *names: str) -> Region:
        """The region closed upon itself along coordinates beside those of the mesh; see `Region.periodic`."""
        if strange := [name for name in names if name in self.coordinates[-self.dimension :]]:
            problem = f"{listing(strange)} cannot close, as it is one of the mesh"
            raise SettingsError("a periodic region", problem, "give a box, Region(x=(low, high), ...)")
        return super().periodic(*names)

    def points(self, count: int, seed: int = 0) -> Points:
        """Quasi-random points inside (Sobol, scrambled), even or as dense as the cells."""
        return drawn(self.place, self.cut, len(self.box), count, seed)

    def place(self, unit: Float[Tensor, "point coordinate"]) -> Sample:
        """Points of the mesh from those of the unit cube."""
        sample = super().place(unit)
        size = sizes_of(self.vertices, self.cells)
        chance = torch.ones_like(size) if self.by_cells else size
        cell, inside = placed(self.vertices, self.cells, chance, unit[:, -self.dimension :])
        sample.points[:, -self.dimension :] = inside
        share = size / chance * chance.sum() / size.sum()
        return Sample(sample.points, sample.normals, sample.share * share[cell])

    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """Gauss's rule in each cell."""
        return _in_cells(self, self.cells, None, nodes, fixed)

    @property
    def parts(self) -> dict[str, Part]:
        """Each group of facets, each end of further coordinates, holes and limits."""
        space = self.coordinates[-self.dimension :]
        kept = {
            name: part
            for name, part in super().parts.items()
            if not (isinstance(part, Side) and part.axis in space)
        }
        return {**{name: Facets(self, name, facets) for name, facets in self.groups.items()}, **kept}


@dataclass(frozen=True)
class Facets(Part):
    """Facets of the boundary of a mesh.

    Attributes:
        facets: by their vertices.
    """

    facets: Int[Tensor, "facet end"]

    def _mesh(self) -> MeshRegion:
        assert isinstance(self.region, MeshRegion)
        return self.region

    def sample(self, count: int, seed: int = 0) -> Sample:
        """Quasi-random points on it (Sobol, scrambled), with outward normals."""
        points = drawn(self.place, self._mesh().cut, len(self.region.box) - 1, count, seed)
        return points.held().first(count)

    def place(self, unit: Float[Tensor, "point free"]) -> Sample:
        """Points on it from those of the unit cube of one dimension less."""
        mesh = self._mesh()
        d = mesh.dimension
        size = sizes_of(mesh.vertices, self.facets)
        facet, inside = placed(mesh.vertices, self.facets, size, unit[:, unit.shape[1] - (d - 1) :])
        sample = Region.place(
            mesh, torch.cat([unit[:, : unit.shape[1] - (d - 1)], torch.zeros(len(unit), d)], 1)
        )
        sample.points[:, -d:] = inside
        sample.normals[:, -d:] = facet_normals(mesh.vertices, self.facets, mesh.cells)[facet]
        return sample

    def quadrature(self, nodes: int, fixed: Mapping[str, float]) -> tuple[Sample, Float[Tensor, " point"]]:
        """Gauss's rule on each facet."""
        mesh = self._mesh()
        normals = facet_normals(mesh.vertices, self.facets, mesh.cells)
        return _in_cells(mesh, self.facets, normals, nodes, fixed)


def _in_cells(
    region: MeshRegion, simplices: Tensor, normals: Tensor | None, nodes: int, fixed: Mapping[str, float]
) -> tuple[Sample, Tensor]:
    """Gauss's rule, folded into each simplex, and along further coordinates."""
    names, d = region.coordinates, region.dimension
    corners = simplices.shape[1]
    each = max(_NODES, math.ceil(nodes / len(simplices) ** (1 / (corners - 1))))
    unit, weights = gauss([False] * (corners - 1), each)
    shares, stretch = folded(unit)
    places = torch.einsum("nc,scd->snd", shares, region.vertices[simplices]).flatten(0, 1)
    size = (sizes_of(region.vertices, simplices)[:, None] * weights * stretch).flatten()
    rest, outer = gauss([name in fixed for name in names[:-d]], nodes)
    full = torch.cat([rest.repeat_interleave(len(places), 0), rest.new_zeros(len(rest) * len(places), d)], 1)
    sample = holding(lambda cube: Region.place(region.even(), cube), names, fixed)(full)
    for name in fixed:
        if name in names[-d:]:
            problem = f"{name} cannot be held in a mesh"
            raise SettingsError("an integral", problem, "take a part of its boundary")
    sample.points[:, -d:] = places.repeat(len(rest), 1)
    if normals is not None:
        sample.normals[:, -d:] = normals.repeat_interleave(len(unit), 0).repeat(len(rest), 1)
    length = volume(region.box, {*fixed, *names[-d:]})
    weights = length * outer.repeat_interleave(len(places)) * size.repeat(len(rest))
    return sample, weights * region.cut(sample.points)
