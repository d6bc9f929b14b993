"""Vortices shed by a cylinder in a channel at Re 100, marched through a period from one instant.

Case 2D-2 of Schaefer and Turek, "Benchmark computations of laminar flow around a cylinder", Notes on
Numerical Fluid Mechanics 52, 1996, pages 547-566, in a channel that ends 8 diameters behind the cylinder,
where nothing acts. The instant is one of finite elements in the whole channel, whose flow after it is what
ours is held against. The frequency is that of our lift, after a time in which the start is forgotten.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import curve_fit
from torch import Tensor

from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows.simulation.channel import CENTRE, HEIGHT, RADIUS
from physmix.flows.simulation.cylinder import VISCOSITY, mean_velocity
from physmix.flows.simulation.wake import Wake, solve_wake
from physmix.problems import Condition, NavierStokes, Problem, Region, State
from physmix.training import March, march

ALONG = (0.09, 0.15, 0.2, 0.25, 0.33, 0.44, 0.58, 0.74, 0.9)
UP = (0.14, 0.2, 0.26)
_CYLINDER = dict(zip("xy", CENTRE, strict=True))
_FIELDS = {"ux": "velocity_x", "uy": "velocity_y"}
_NODES, _EACH = 150, 4  # around the cylinder, and times in each window at which its force is taken
_POINTS = 3000  # at which errors are measured
_BEFORE = 0.8  # of the channel: what its early end changes is behind that
_FORGOTTEN = 0.12  # seconds, after which the frequency is measured
_ABOUT = 3.5  # the frequency from which its fit starts


@dataclass(frozen=True)
class Shedding:
    """How the flow is solved.

    Attributes:
        features: of each subdomain; each has a stream function and a pressure.
        windows: of time.
        length: of a window, in seconds; a period is about 0.33.
        slope: of the features in time, over half a window, and in space, over half a subdomain.
        points: of each window, over the features.
        end: of the channel.
        along: where subdomains meet along it.
        up: the same from wall to wall.
        reynolds: of the mean velocity and the diameter.
    """

    features: int = 110
    windows: int = 24
    length: float = 0.02
    slope: tuple[float, float] = (0.3, 1.5)
    points: float = 1.3
    end: float = 1.04
    along: tuple[float, ...] = ALONG
    up: tuple[float, ...] = UP
    reynolds: float = 100.0

    @property
    def duration(self) -> float:
        """Of the march."""
        return self.windows * self.length

    @property
    def speed(self) -> float:
        """The mean velocity at the inlet."""
        return mean_velocity(self.reynolds)

    def problem(self, wake: Wake) -> Problem:
        """The flow from the first stored time of a wake on."""
        channel = Region(t=(0.0, self.duration), x=(0.0, self.end), y=(0.0, HEIGHT))
        region = channel.graded(x=self.along, y=self.up).without(_CYLINDER, RADIUS)
        columns = self.features * (len(self.along) + 1) * (len(self.up) + 1)
        still = {"ux": 0.0, "uy": 0.0}
        walls = [region.part("y=low"), region.part("y=high")]
        return Problem(
            region,
            NavierStokes("txy", VISCOSITY),
            [
                Condition(region.start, _instant(wake), points=int(1.14 * columns)),
                Condition(region.part("hole 1"), still, points=600),
                Condition(walls, still, points=400),
                Condition(region.part("x=low"), {"ux": self._inflow, "uy": 0.0}, points=150),
                Condition(region.part("x=high"), residual=_outflow, points=150),
            ],
            points=int(self.points * columns),
        )

    def _inflow(self, points: Tensor) -> Tensor:
        y = points[:, 2]
        return 6 * self.speed * y * (HEIGHT - y) / HEIGHT**2

    def march(
        self, wake: Wake, *, state: Path | None = None, progress: Callable[[int], None] | None = None
    ) -> March:
        """Through all windows, with one step of Gauss and Newton in each but the first ones.

        Args:
            wake: starts it.
            state: see `march`.
            progress: called with the window's number after each step.
        """
        return march(
            self.problem(wake),
            self.windows,
            steps=(3, 1),
            ahead=2,
            state=state,
            progress=(lambda number, _: progress(number)) if progress else None,
            features=self.features,
            slope=[self.slope[0], self.slope[1], self.slope[1]],
            subdomains=(1, self.along, self.up),
        )


def _instant(wake: Wake) -> dict[str, Callable[[Tensor], Tensor]]:
    """The velocities of the first stored time."""

    def value(name: str) -> Callable[[Tensor], Tensor]:
        return lambda points: wake.states[0].fields(points[:, 1:])[name]

    return {own: value(name) for own, name in _FIELDS.items()}


def _outflow(y: State) -> dict[str, Tensor]:
    """Nothing acts, as in finite elements: viscosity du/dn = p n."""
    return {"force": VISCOSITY * y.d("ux", "x") - y["p"], "across": VISCOSITY * y.d("uy", "x")}


def coefficients(found: March, speed: float) -> tuple[Tensor, Tensor, Tensor]:
    """Times in the windows, and the drag and lift coefficients then, 2 F / (U^2 D), by the stress."""
    times, forces = [], []
    scale = 2 / (speed**2 * 2 * RADIUS)
    for window in found.windows:
        low, high = window.problem.region.box["t"]
        part = window.problem.region.part("hole 1")
        for share in range(1, _EACH + 1):
            when = low + (high - low) * share / _EACH
            force = [window.integral(part, _push(axis), nodes=_NODES, t=when) for axis in "xy"]
            times.append(when)
            forces.append([scale * one for one in force])
    drag, lift = torch.tensor(forces, dtype=torch.float64).unbind(1)
    return torch.tensor(times, dtype=torch.float64), drag, lift


def _push(axis: str) -> Callable[[State], Tensor]:
    """Of the fluid along an axis on a wall at rest."""
    across, up = ("sxx", "sxy") if axis == "x" else ("sxy", "syy")
    return lambda y: y[across] * y["nx"] + y[up] * y["ny"]


def sinusoid(times: Tensor, values: Tensor, about: float) -> tuple[float, float]:
    """The frequency and the amplitude of the sinusoid beside a mean that fits best.

    On a record of finite elements, from a period up, its frequency is within 0.1 % of that of many periods.

    Args:
        times: of most of a period, or more.
        values: then.
        about: the frequency from which the fit starts.
    """

    def wave(t: Any, often: float, mean: float, first: float, second: float) -> Any:
        return mean + first * np.cos(2 * np.pi * often * t) + second * np.sin(2 * np.pi * often * t)

    start = [about, float(values.mean()), float(values.std()), float(values.std())]
    (often, _, first, second), _ = curve_fit(wave, times.numpy(), values.numpy(), p0=start)
    return abs(float(often)), math.hypot(first, second)


def errors(found: March, wake: Wake, before: float = _BEFORE) -> dict[str, float]:
    """Relative L2 errors of the velocities at the last stored time, in the channel before a place."""
    places = Region(x=(0.0, before), y=(0.0, HEIGHT)).without(_CYLINDER, RADIUS)
    points = places.sample(_POINTS, seed=12345).points
    when = points.new_full((len(points), 1), float(wake.times[-1]))
    state, true = found.at(torch.cat([when, points], 1)), wake.states[-1].fields(points)
    return {own: float((state[own] - true[name]).norm() / true[name].norm()) for own, name in _FIELDS.items()}


def shedding_case(shedding: Shedding) -> Case:
    """The Strouhal number and the forces beside those of the benchmark and of finite elements."""

    def run(case: str) -> list[Row]:
        wake = solve_wake(reynolds=shedding.reynolds, duration=shedding.duration, snapshots=2)
        began = time.perf_counter()
        found = shedding.march(wake)
        seconds = time.perf_counter() - began
        when, drag, lift = coefficients(found, shedding.speed)
        unit = 2 * RADIUS / shedding.speed  # of time
        late, steps = when > _FORGOTTEN, torch.from_numpy(wake.steps)
        often, swing = sinusoid(when[late], lift[late], _ABOUT)
        strouhal, known = unit * often, steps > _FORGOTTEN
        other, its = sinusoid(steps[known], torch.from_numpy(wake.lift)[known], _ABOUT)
        findings = [one for window in found.windows for one in window.judge(points=32, boxes=1)]
        return [
            ours(case, "Strouhal number", strouhal),
            ours(case, "Strouhal number off 0.3, relative", abs(strouhal / 0.3 - 1), target="<= 0.02"),
            ours(case, "amplitude of the lift coefficient", swing),
            ours(case, "largest drag coefficient", float(drag[late].max())),
            peer(case, "scikit-fem", "Strouhal number", unit * other),
            peer(case, "scikit-fem", "amplitude of the lift coefficient", its),
            peer(case, "scikit-fem", "largest drag coefficient", float(wake.drag.max())),
            *(
                ours(case, f"relative difference of {name} at the end from scikit-fem", error)
                for name, error in errors(found, wake).items()
            ),
            ours(case, "seconds", seconds, "s", target="<= 900"),
            ours(case, "steps", sum(len(window.trace.steps) for window in found.windows)),
            ours(case, OVER, max(over_bound(one) for one in findings if one.method == "nested autograd")),
        ]

    return run
