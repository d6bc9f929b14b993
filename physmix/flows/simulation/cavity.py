"""The cavity under a lid that moves: steady, incompressible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from physmix.errors import SettingsError, listing, suggestion
from physmix.flows.checks import at_least, positive
from physmix.flows.flow import Flow
from physmix.flows.simulation.continuation import steady
from physmix.flows.simulation.finite_element_flow import FiniteElementFlow
from physmix.flows.simulation.finite_elements import PACKAGE, Array, finite_elements
from physmix.flows.simulation.provenance import made_by
from physmix.flows.simulation.taylor_hood import TaylorHood

LIDS: dict[str, Callable[[Array], Array]] = {
    "uniform": np.ones_like,
    "parabolic": lambda x: 4 * x * (1 - x),
    "smooth": lambda x: 16 * x**2 * (1 - x) ** 2,
}
"""The velocity of the lid along x, from the place along it; the largest is 1."""


def solve_cavity(
    *, reynolds: float, lid: str = "uniform", cells: int = 12, degree: int = 6
) -> FiniteElementFlow:
    """The steady flow in the unit square under a lid at y = 1, at any point.

    Lengths are in sides of the square, velocities in the largest of the lid, the pressure is over the
    density and of mean zero. Cells become narrower towards the walls, as the zeros of Chebyshev's
    polynomials do. At Re 100 under the smooth lid the defaults are within 2e-7 (velocity) and 2e-6 (pressure)
    of finer ones, relative L2. Under the uniform lid the velocity jumps in both corners and the pressure
    grows without bound.

    Args:
        reynolds: of the side and the largest velocity of the lid.
        lid: uniform (1), parabolic (4 x (1 - x)) or smooth (16 x^2 (1 - x)^2).
        cells: along each side.
        degree: of the velocity in each direction; the pressure has one less.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the numbers make no flow, or none is found.
    """
    positive("the cavity", reynolds=reynolds)
    at_least(2, cells=cells)
    if lid not in LIDS:
        raise SettingsError(
            "the flow", f"there is no lid {lid!r}{suggestion(lid, LIDS)}", f"choose from {listing(LIDS)}"
        )
    sides = (1 - np.cos(np.pi * np.linspace(0, 1, cells + 1))) / 2
    mesh = finite_elements().MeshQuad.init_tensor(sides, sides)
    mesh = mesh.with_boundaries({"lid": lambda x: x[1] == 1, "wall": lambda x: x[1] < 1})
    velocity = LIDS[lid]
    space = TaylorHood(mesh, degree, {"lid": lambda x: (velocity(x[0]), 0.0), "wall": lambda _: (0.0, 0.0)})
    return FiniteElementFlow(space, steady(space, reynolds, 1.0))


def simulate_cavity(
    *,
    name: str,
    reynolds: float,
    lid: str,
    points: int,
    cells: int,
    degree: int,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """The steady flow of `solve_cavity`, with its values at the centres of points x points even cells.

    Args:
        name: of the data set.
        reynolds: of the side and the largest velocity of the lid.
        lid: uniform, parabolic or smooth.
        points: stored points along each side.
        cells: of the solver along each side.
        degree: of the velocity in each direction.
        progress: is not called, since the flow is steady.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the numbers make no flow, or none is found.
    """
    settings = dict(locals())
    at_least(2, points=points)
    flow = solve_cavity(reynolds=reynolds, lid=lid, cells=cells, degree=degree)
    axis = (np.arange(points) + 0.5) / points
    return flow.on_grid(
        name,
        {"x": axis, "y": axis.copy()},
        boundary={"x": "WALL", "y": "WALL"},
        parameters={"reynolds": reynolds, "viscosity": 1 / reynolds},
        provenance=made_by(
            PACKAGE, f"Taylor-Hood Q{degree}-Q{degree - 1}, Newton", settings, values="point values"
        ),
    )
