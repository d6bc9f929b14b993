"""The flow past a cylinder in a channel: incompressible, steady or shedding vortices.

The benchmark of Schaefer and Turek, "Benchmark computations of laminar flow around a cylinder", Notes on
Numerical Fluid Mechanics 52, 1996, pages 547-566: cases 2D-1 (Re 20) and 2D-2 (Re 100). Lengths are in
metres, velocities in metres a second, the pressure is over the density.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from physmix.flows.checks import at_least, positive
from physmix.flows.flow import Flow
from physmix.flows.simulation.channel import CENTRE, HEIGHT, LENGTH, RADIUS, channel
from physmix.flows.simulation.continuation import steady
from physmix.flows.simulation.finite_element_flow import FiniteElementFlow
from physmix.flows.simulation.finite_elements import PACKAGE, Array
from physmix.flows.simulation.provenance import made_by
from physmix.flows.simulation.taylor_hood import TaylorHood
from physmix.flows.solution import Solution

VISCOSITY = 1e-3
_FRONT, _BACK = (0.15, 0.2), (0.25, 0.2)


@dataclass(frozen=True, eq=False)
class CylinderFlow(FiniteElementFlow):
    """The flow at one time, at any point of the channel outside the cylinder.

    Attributes:
        time: in seconds.
        reynolds: of the mean velocity at the inlet and the diameter.
        residual: of the momentum equations, tested with each basis function.
    """

    time: float
    reynolds: float
    residual: Array

    @property
    def drag_and_lift(self) -> tuple[float, float]:
        """The coefficients 2 F / (U^2 D) of the force on the cylinder; 5.5795 and 0.010619 at Re 20."""
        scale = 2 / (mean_velocity(self.reynolds) ** 2 * 2 * RADIUS)
        x, y = self.space.force(self.residual, "cylinder")
        return scale * x, scale * y

    @property
    def pressure_difference(self) -> float:
        """The pressure in front of the cylinder less that behind it; 0.11752 at Re 20."""
        front, back = self.fields(torch.tensor([_FRONT, _BACK], dtype=torch.float64))["pressure"].tolist()
        return front - back


def mean_velocity(reynolds: float) -> float:
    """The mean velocity at the inlet, from Re = U D / viscosity."""
    return reynolds * VISCOSITY / (2 * RADIUS)


def past_cylinder(reynolds: float, cells: int, degree: int) -> TaylorHood:
    """The equations: a parabola at the inlet, walls and cylinder at rest, an outlet where nothing acts."""
    positive("the cylinder", reynolds=reynolds)
    at_least(3, cells=cells)
    largest = 1.5 * mean_velocity(reynolds)
    return TaylorHood(
        channel(cells),
        degree,
        {
            "inlet": lambda x: (4 * largest * x[1] * (HEIGHT - x[1]) / HEIGHT**2, 0.0),
            "wall": lambda _: (0.0, 0.0),
            "cylinder": lambda _: (0.0, 0.0),
        },
    )


def solve_cylinder(*, reynolds: float = 20.0, cells: int = 8, degree: int = 3) -> CylinderFlow:
    """The steady flow past the cylinder, which is stable up to about Re 48.

    Args:
        reynolds: of the mean velocity at the inlet and the diameter.
        cells: from wall to wall, and along each side of a box around the cylinder.
        degree: of the velocity in each direction; the pressure has one less.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the numbers make no flow, or none is found.
    """
    space = past_cylinder(reynolds, cells, degree)
    state = steady(space, reynolds, VISCOSITY * reynolds)
    return CylinderFlow(space, state, 0.0, reynolds, space.residual(state, VISCOSITY))


def simulate_cylinder(
    *,
    name: str,
    reynolds: float,
    points: int,
    cells: int,
    degree: int,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """The flow of `solve_cylinder`, with its values on even cells; those within the cylinder are solid.

    Args:
        name: of the data set.
        reynolds: of the mean velocity at the inlet and the diameter.
        points: stored points from wall to wall.
        cells: of the solver from wall to wall, and along each side of a box around the cylinder.
        degree: of the velocity in each direction.
        progress: is not called, since the flow is steady.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the numbers make no flow, or none is found.
    """
    settings = dict(locals())
    at_least(8, points=points)
    flow = solve_cylinder(reynolds=reynolds, cells=cells, degree=degree)
    drag, lift = flow.drag_and_lift
    told = {"drag": drag, "lift": lift, "pressure_difference": flow.pressure_difference}
    solver = f"Taylor-Hood Q{degree}-Q{degree - 1}, Newton"
    return in_channel(flow, name, points, reynolds, made_by(PACKAGE, solver, settings, coefficients=told))


def in_channel(
    flow: Solution,
    name: str,
    points: int,
    reynolds: float,
    provenance: Mapping[str, str],
    time: Array | None = None,
) -> Flow:
    """The flow with its values at the centres of even cells, `points` of them from wall to wall."""
    along = round(points * LENGTH / HEIGHT)
    x, y = (np.arange(along) + 0.5) * LENGTH / along, (np.arange(points) + 0.5) * HEIGHT / points
    return flow.on_grid(
        name,
        {"x": x, "y": y},
        time=time,
        boundary={"x": "OPEN", "y": "WALL"},
        parameters={"reynolds": reynolds, "viscosity": VISCOSITY, "mean_velocity": mean_velocity(reynolds)},
        provenance={**provenance, "values": "point values"},
        solid=np.hypot(x[:, None] - CENTRE[0], y[None] - CENTRE[1]) <= RADIUS,
    )
