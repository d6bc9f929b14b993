"""The mesh around a cylinder in a channel; lengths in metres, as in `cylinder`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physmix.flows.simulation.finite_elements import Array, finite_elements

LENGTH, HEIGHT, RADIUS = 2.2, 0.41, 0.05
CENTRE = (0.2, 0.2)
_BOX = 0.4  # the cells around the cylinder end here along x


def channel(cells: int) -> Any:
    """The mesh: rays from the cylinder to a box around it, and a rectangle behind the box.

    Cells become narrower towards the cylinder; those that touch it have a curved side.

    Args:
        cells: from wall to wall, and along each side of the box.
    """
    fem = finite_elements()
    side = np.linspace(0, 1, cells + 1)[:-1]
    corners = np.array([[0, 0], [_BOX, 0], [_BOX, HEIGHT], [0, HEIGHT], [0, 0]])
    box = np.concatenate([a + side[:, None] * (b - a) for a, b in pairwise(corners)])
    ray = box - CENTRE
    circle = CENTRE + RADIUS * ray / np.linalg.norm(ray, axis=1, keepdims=True)
    growth = np.exp(np.linspace(0, 2.0, cells + 1))
    share = (growth - 1) / (growth[-1] - 1)
    rings = circle + share[:, None, None] * (box - circle)  # (layer, around, 2)
    index = np.arange(rings[..., 0].size).reshape(len(rings), -1)
    following = np.roll(index, -1, 1)
    # Sides that two cells share must run the same way in both: up where the box meets the rectangle.
    annulus = np.stack([index[:-1], following[:-1], following[1:], index[1:]]).reshape(4, -1)

    columns = 3 * cells
    growth = np.exp(np.linspace(0, 1.2, columns + 1))
    x = _BOX + (LENGTH - _BOX) * (growth - 1) / (growth[-1] - 1)
    y = np.linspace(0, HEIGHT, cells + 1)
    behind = fem.MeshQuad.init_tensor(x, y)
    merged = fem.MeshQuad(rings.reshape(-1, 2).T, annulus) + behind
    return _curved(merged)


def _curved(mesh: Any) -> Any:
    """The mesh with its sides on the cylinder bent onto it, and names for its boundaries."""
    fem = finite_elements()

    def on_cylinder(x: Array) -> NDArray[np.bool_]:
        return np.asarray(np.hypot(x[0] - CENTRE[0], x[1] - CENTRE[1]) < RADIUS * (1 + 1e-9))

    names = {
        "wall": lambda x: np.isclose(x[1], 0) | np.isclose(x[1], HEIGHT),
        "inlet": lambda x: np.isclose(x[0], 0),
        "outlet": lambda x: np.isclose(x[0], LENGTH),
        "cylinder": on_cylinder,
    }
    mesh = fem.MeshQuad2.from_mesh(mesh)
    facets = mesh.facets_satisfying(on_cylinder, boundaries_only=True)
    middle, inner = mesh.dofs.facet_dofs[0, facets], mesh.dofs.interior_dofs[0, mesh.f2t[0, facets]]
    places = mesh.doflocs.copy()
    ray = places[:, middle] - np.array(CENTRE)[:, None]
    bend = (RADIUS / np.linalg.norm(ray, axis=0) - 1) * ray
    places[:, middle] += bend
    places[:, inner] += bend / 2
    return type(mesh)(places, mesh.t).with_boundaries(names)
