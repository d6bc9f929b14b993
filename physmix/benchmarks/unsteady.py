"""Two shear layers that roll up in a periodic square, marched beside the spectral method.

The layers are the same turned by half a circle about the middle of one of them, and their own mirror image
half a period on; see `SYMMETRIES`. Features that have both are a quarter as many, and least squares a
sixty-fourth of the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from physmix.benchmarks.row import Case, Row, ours
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows.record import Record
from physmix.flows.simulation.shear_layer import shear_layers, solve_shear_layer
from physmix.mixing.symmetry import Symmetry
from physmix.mixing.waves import wave_vectors
from physmix.problems import Condition, NavierStokes, Problem, Region, Sample
from physmix.training import March, march

POINTS = 2000  # at each time at which errors are measured
SYMMETRIES = (
    Symmetry({"x": 0.0, "y": 0.25}, odd=("ux", "uy")),
    Symmetry({"y": 0.0}, {"x": 0.5}, odd=("uy",)),
)
_ROOM = 0.8  # of a copy with one phase: less than makes another copy
_FIELDS = {"ux": "velocity_x", "uy": "velocity_y"}


@dataclass(frozen=True)
class ShearLayers:
    """How the layers are solved.

    Attributes:
        waves: the largest numbers along x and y: as many as the layers need at the end along x, and at the
            start along y.
        copies: of each wave, for its change in time.
        windows: of time.
        slope: of the features in time, over half a window.
        reynolds: of the side and the velocity of the streams.
        duration: of the flow.
        steepness: inverse thickness of the layers.
    """

    waves: tuple[int, int] = (16, 34)
    copies: int = 5
    windows: int = 10
    slope: float = 0.4
    reynolds: float = 1000.0
    duration: float = 1.0
    steepness: float = 30.0

    @property
    def features(self) -> int:
        """Two phases of each copy over the four members of the group, and room for those of few images."""
        return int((2 * self.copies + _ROOM) * len(wave_vectors(self.waves)) / 4)

    def march(self) -> March:
        """The flow; without its pressure, whose curl is zero."""
        region = Region(t=(0.0, self.duration), x=(0.0, 1.0), y=(0.0, 1.0)).periodic("x", "y")
        given = {"ux": self._start(0), "uy": self._start(1)}
        start = Condition(region.start, given, points=self._places())
        equations = NavierStokes("txy", 1 / self.reynolds, pressure=False)
        problem = Problem(region, equations, [start], points=self._points())
        return march(
            problem,
            self.windows,
            steps=3,
            features=self.features,
            slope=[self.slope, *map(float, self.waves)],
            symmetries=SYMMETRIES,
        )

    def _places(self) -> Tensor:
        """Even ones in a quarter of the square, whose images are a grid that tells all waves apart."""
        along = [(torch.arange(most + 1, dtype=torch.float64) + 0.5) / (2 * most + 2) for most in self.waves]
        return torch.cartesian_prod(*along)

    def _points(self) -> Sample:
        """The same at Gauss's times of each window, of which one less than copies are exact at its end."""
        places, length = self._places(), self.duration / self.windows
        nodes, weights = (torch.from_numpy(one) for one in leggauss(self.copies - 1))
        times = (torch.arange(self.windows)[:, None] + (nodes + 1) / 2).flatten() * length
        points = torch.cat([times.repeat_interleave(len(places))[:, None], places.repeat(len(times), 1)], 1)
        return Sample.of(points, weights.repeat(self.windows).repeat_interleave(len(places)))

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
        findings = found.judge(points=32, boxes=1)
        return [
            ours(case, "mean relative error at the end", float(missed[-1].mean()), target="<= 1e-4"),
            *(
                ours(case, f"relative error of {a} at the end", float(missed[-1, i]))
                for i, a in enumerate(_FIELDS)
            ),
            ours(case, "mean relative error over all times", float(missed.mean())),
            ours(case, "seconds", seconds, "s", target="<= 900"),
            ours(case, "steps", sum(len(window.trace.steps) for window in found.windows)),
            ours(case, OVER, max(over_bound(one) for one in findings if one.method == "nested autograd")),
        ]

    return run
