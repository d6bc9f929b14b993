"""The two flows that every rival solves: the same equations, data, and points of comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from physmix.flows.analytic import Kovasznay, TaylorGreen
from physmix.flows.known import KnownFlow

Array = NDArray[np.float64]
FIELDS = ("ux", "uy", "p")
POINTS = 4000
_TIMES = 10
_SEED = 20_000  # of the points of comparison, which are the same for all


@dataclass(frozen=True)
class Case:
    """An incompressible flow whose velocity is given on the boundary, and at the start if it is unsteady.

    Attributes:
        flow: the solution, at the points of which velocities are given.
        box: lowest and highest value of each coordinate; time comes first.
        viscosity: of the equations that are solved; another one than the flow's makes a wrong problem.
    """

    flow: KnownFlow
    box: tuple[tuple[float, float], ...]
    viscosity: float

    @property
    def unsteady(self) -> bool:
        """Whether the first coordinate is time."""
        return self.flow.coordinates[0] == "t"

    def points(self) -> Array:
        """The points of comparison, (4000, coordinate): in an unsteady flow 400 at each of ten times."""
        drawn = np.random.default_rng(_SEED).random((POINTS, len(self.box)))
        if self.unsteady:
            drawn[:, 0] = np.repeat(np.arange(1, _TIMES + 1) / _TIMES, POINTS // _TIMES)
        low, high = np.array(self.box).T
        return low + (high - low) * drawn

    def velocity(self, points: Array) -> Array:
        """The velocity of the flow at points, (point, 2)."""
        return self._fields(points)[:, :2]

    def errors(self, found: Array) -> dict[str, float]:
        """Relative L2 errors of ux, uy and p, given them at the points of comparison, (4000, 3).

        The pressure is known up to a constant, so its mean is taken off, at each time.
        """
        true, found = self._fields(self.points()), found.copy()
        for fields in (true, found):
            pressure = fields[:, 2].reshape(_TIMES if self.unsteady else 1, -1)
            fields[:, 2] = (pressure - pressure.mean(1, keepdims=True)).ravel()
        norms = np.linalg.norm(found - true, axis=0) / np.linalg.norm(true, axis=0)
        return dict(zip(FIELDS, norms.tolist(), strict=True))

    def _fields(self, points: Array) -> Array:
        fields = self.flow.fields(torch.from_numpy(np.ascontiguousarray(points)))
        return torch.stack(list(fields.values()), 1).numpy()


KOVASZNAY = Case(Kovasznay(40.0), ((-0.5, 1.0), (-0.5, 1.5)), 1 / 40)
TAYLOR_GREEN = Case(TaylorGreen(100.0), ((0.0, 1.0), (0.0, 2 * math.pi), (0.0, 2 * math.pi)), 1 / 100)
CASES = {"Kovasznay": KOVASZNAY, "Taylor-Green": TAYLOR_GREEN}
