"""Two shear layers that roll up in a periodic square, marched beside the spectral method."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from physmix.benchmarks.row import Case, Row, ours
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows.record import Record
from physmix.flows.simulation.shear_layer import shear_layers, solve_shear_layer
from physmix.mixing.waves import wave_vectors
from physmix.problems import Condition, NavierStokes, Problem, Region
from physmix.training import March, march

POINTS = 2000  # at each time at which errors are measured
_FIELDS = {"ux": "velocity_x", "uy": "velocity_y"}


@dataclass(frozen=True)
class ShearLayers:
    """How the layers are solved.

    Attributes:
        waves: the largest numbers along x and y.
        copies: of each wave, for its change in time; two less cost two digits.
        windows: of time.
        points: in each window, over the number of features.
        reynolds: of the side and the velocity of the streams.
        duration: of the flow.
        steepness: inverse thickness of the layers.
    """

    waves: tuple[int, int] = (12, 26)
    copies: int = 6
    windows: int = 10
    points: float = 1.5
    reynolds: float = 1000.0
    duration: float = 1.0
    steepness: float = 30.0

    @property
    def features(self) -> int:
        """Two phases of each copy."""
        return 2 * self.copies * len(wave_vectors(self.waves))

    def march(self) -> March:
        """The flow; without its pressure, whose curl is zero."""
        region = Region(t=(0.0, self.duration), x=(0.0, 1.0), y=(0.0, 1.0)).periodic("x", "y")
        start = Condition(
            region.start, {"ux": self._start(0), "uy": self._start(1)}, points=self.features // 3
        )
        equations = NavierStokes("txy", 1 / self.reynolds, pressure=False)
        problem = Problem(region, equations, [start], points=int(self.points * self.features))
        return march(
            problem, self.windows, steps=3, features=self.features, slope=[1.0, *map(float, self.waves)]
        )

    def _start(self, place: int) -> Callable[[Tensor], Tensor]:
        return lambda points: shear_layers(points[:, 1:], steepness=self.steepness)[place]

    def reference(self, **settings: Any) -> Record:
        """The same flow by the spectral method; see `solve_shear_layer`."""
        return solve_shear_layer(
            reynolds=self.reynolds, duration=self.duration, steepness=self.steepness, **settings
        )


def errors(found: March, record: Record) -> Tensor:
    """Relative L2 errors of the velocities, (time, field), at the stored times."""
    rows = []
    for number, when in enumerate(record.times.tolist()):
        generator = torch.Generator().manual_seed(number)
        points = torch.rand(POINTS, 3, dtype=torch.float64, generator=generator)
        points[:, 0] = when
        state, true = found.at(points), record.states[number].fields(points[:, 1:])
        rows.append([float((state[a] - true[b]).norm() / true[b].norm()) for a, b in _FIELDS.items()])
    return torch.tensor(rows)


def shear_layer_case(layers: ShearLayers) -> Case:
    """The errors at the end and over all stored times, the seconds, and the violation over its bound."""

    def run(case: str) -> list[Row]:
        began = time.perf_counter()
        found = layers.march()
        seconds = time.perf_counter() - began
        missed = errors(found, layers.reference())
        findings = [one for window in found.windows for one in window.judge(points=32, boxes=1)]
        return [
            ours(case, "mean relative error at the end", float(missed[-1].mean()), target="<= 1e-4"),
            *(
                ours(case, f"relative error of {a} at the end", float(missed[-1, i]))
                for i, a in enumerate(_FIELDS)
            ),
            ours(case, "mean relative error over all times", float(missed.mean())),
            ours(case, "seconds", seconds, "s", target="<= 1200"),
            ours(case, "steps", sum(len(window.trace.steps) for window in found.windows)),
            ours(case, OVER, max(over_bound(one) for one in findings if one.method == "nested autograd")),
        ]

    return run
