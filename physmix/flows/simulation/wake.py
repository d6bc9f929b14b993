"""Vortices shed by a cylinder in a channel: case 2D-2 of Schaefer and Turek 1996, see `cylinder`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from physmix.errors import SettingsError
from physmix.flows.checks import at_least, positive
from physmix.flows.flow import Flow
from physmix.flows.record import Record
from physmix.flows.simulation.channel import RADIUS
from physmix.flows.simulation.cylinder import (
    VISCOSITY,
    CylinderFlow,
    in_channel,
    mean_velocity,
    past_cylinder,
)
from physmix.flows.simulation.finite_elements import PACKAGE, Array
from physmix.flows.simulation.provenance import made_by


@dataclass(frozen=True, eq=False)
class Wake(Record):
    """The flow past the cylinder at stored times, and the force on it at every step.

    Attributes:
        steps: times of the steps since the first stored time.
        drag, lift: coefficients at the steps.
        reynolds: of the mean velocity at the inlet and the diameter.
    """

    steps: Array
    drag: Array
    lift: Array
    reynolds: float

    @property
    def strouhal(self) -> float | None:
        """D / (U T), T the mean time from one rise of the lift through its mean to the next; or None."""
        lift = self.lift - self.lift.mean()
        before = np.flatnonzero((lift[:-1] < 0) & (lift[1:] >= 0))
        if len(before) < 2:
            return None
        share = lift[before] / (lift[before] - lift[before + 1])
        rises = self.steps[before] + share * (self.steps[before + 1] - self.steps[before])
        return float(2 * RADIUS / mean_velocity(self.reynolds) / np.diff(rises).mean())


def solve_wake(
    *,
    reynolds: float = 100.0,
    spin_up: float = 4.0,
    duration: float = 1.0,
    snapshots: int = 21,
    step: float = 0.005,
    cells: int = 6,
    degree: int = 3,
    progress: Callable[[float], None] | None = None,
) -> Wake:
    """The flow past the cylinder from its flow without inertia, of second order in time.

    Args:
        reynolds: of the mean velocity at the inlet and the diameter; vortices are shed above about 48.
        spin_up: seconds before the first stored time, which is called 0. At Re 100 four are enough for
            regular shedding.
        duration: the last stored time, in seconds.
        snapshots: the number of stored times, evenly spaced.
        step: the largest in time, in seconds.
        cells: from wall to wall, and along each side of a box around the cylinder.
        degree: of the velocity in each direction; the pressure has one less.
        progress: called with the stored time after each step.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the numbers make no simulation, or the flow is lost on the way.
    """
    positive("the flow", duration=duration, step=step)
    at_least(2, snapshots=snapshots)
    at_least(0, spin_up=spin_up)
    apart = duration / (snapshots - 1)
    between = max(1, round(np.ceil(apart / step - 1e-9)))
    step = apart / between
    space = past_cylinder(reynolds, cells, degree)
    early = max(1, round(spin_up / step))
    states, steps, forces = [], [], []
    marched = space.march(space.stokes(VISCOSITY), VISCOSITY, step)
    for number, (state, residual) in enumerate(marched, start=1 - early):
        if not np.isfinite(state).all():
            raise SettingsError("the flow", f"step={step:g} loses the flow", "give a shorter step")
        if number < 0:
            continue
        flow = CylinderFlow(space, state, number * step, reynolds, residual)
        steps.append(flow.time)
        forces.append(flow.drag_and_lift)
        if number % between == 0:
            states.append(flow)
        if progress is not None:
            progress(flow.time)
        if len(states) == snapshots:
            break
    drag, lift = np.array(forces).T
    return Wake(np.linspace(0.0, duration, snapshots), states, np.array(steps), drag, lift, reynolds)


def simulate_wake(
    *,
    name: str,
    reynolds: float,
    spin_up: float,
    duration: float,
    snapshots: int,
    step: float,
    points: int,
    cells: int,
    degree: int,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """The flow of `solve_wake`, with its values on even cells; those within the cylinder are solid.

    Args:
        name: of the data set.
        reynolds: of the mean velocity at the inlet and the diameter.
        spin_up: seconds before the first stored time.
        duration: the last stored time, in seconds.
        snapshots: the number of stored times, evenly spaced.
        step: the largest in time, in seconds.
        points: stored points from wall to wall.
        cells: of the solver from wall to wall, and along each side of a box around the cylinder.
        degree: of the velocity in each direction.
        progress: called with the stored time after each step.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the numbers make no simulation, or the flow is lost on the way.
    """
    settings = dict(locals())
    at_least(8, points=points)
    wake = solve_wake(
        reynolds=reynolds,
        spin_up=spin_up,
        duration=duration,
        snapshots=snapshots,
        step=step,
        cells=cells,
        degree=degree,
        progress=progress,
    )
    told = {
        "largest_drag": wake.drag.max(),
        "least_lift": wake.lift.min(),
        "largest_lift": wake.lift.max(),
        "strouhal": wake.strouhal,
    }
    solver = f"Taylor-Hood Q{degree}-Q{degree - 1}, linearly extrapolated BDF2"
    provenance = made_by(PACKAGE, solver, settings, coefficients=told)
    return in_channel(wake, name, points, reynolds, provenance, wake.times)
