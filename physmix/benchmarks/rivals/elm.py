"""Random features without laws: an extreme learning machine for each field, by Gauss-Newton collocation.

Dong and Li, "Local extreme learning machines and domain decomposition for solving linear and nonlinear
partial differential equations", Computer Methods in Applied Mechanics and Engineering 387, 2021, 114129,
on one domain. The features are ours, of `random_features`; the equations of mass and of momentum and the
given velocities are residuals alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from physmix.benchmarks.rivals.case import Array, Case
from physmix.mixing.features import random_features

_SLOPES: dict[str, float | tuple[float, ...]] = {"xy": 4.0, "txy": (0.05, 0.6, 0.6)}
_MOST = {"xy": 600, "txy": 1200}
"""Slopes, and the number of features beyond which errors no longer fall, by coordinates. Tried on these
flows: slopes of 3 to 6 with 300 to 900 features in the plane, and of 0.4 to 2 (along time 0.03 to 0.8)
with 400 to 900 in space and time."""
_COUNTS = (100, 150, 200, 300, 400, 600, 900, 1200)
_INSIDE, _GIVEN = 1.6, 0.8  # points per feature: of the equations, of the given velocity
_WEIGHT = 30.0  # of the given velocity; from 3 to 100 errors differ by a factor of 3
_DAMPING = 1e-16  # times the norm of the matrix; it only keeps the columns apart
_STEPS, _STALLED = 12, 0.9


def solver(case: Case, seed: int) -> Callable[[float], Callable[[Array], Array]]:
    """Prepare the solver; it takes the seconds it has, and returns the fields as a function of points.

    A small solve tells its time; from it follows the largest number of features that fits in the time that
    is left, since a step costs the cube of it; and so on. The smallest residual wins.
    """

    def solve(seconds: float) -> Callable[[Array], Array]:
        begin = time.perf_counter()
        best, counts = None, list(_COUNTS[:1])
        while counts:
            started = time.perf_counter()
            trial = Collocation(case, counts[-1], seed)
            trial.solve(begin + seconds)
            if best is None or trial.size < best.size:
                best = trial
            now = time.perf_counter()
            left, took = begin + seconds - now, now - started
            most = _MOST[case.flow.coordinates]
            counts = [n for n in _COUNTS if trial.count < n <= most and took * (n / trial.count) ** 3 < left]
        assert best is not None
        return best.fields

    return solve


@dataclass
class Collocation:
    """The residuals of a case on features of each field, as functions of their weights."""

    case: Case
    count: int
    seed: int
    weights: Array = field(init=False)
    size: float = field(init=False, default=math.inf)

    def __post_init__(self) -> None:
        case = self.case
        slope = _SLOPES[case.flow.coordinates]
        layer, _ = random_features(case.box, self.count, slope=slope, seed=self.seed).children()
        assert isinstance(layer, torch.nn.Linear)
        self.directions, self.shifts = layer.weight.numpy(), layer.bias.numpy()
        inside = _drawn(case.box, int(_INSIDE * self.count), self.seed)
        faces = [(axis, end) for axis, ends in enumerate(case.box) for end in ends]
        if case.unsteady:
            faces.remove((0, case.box[0][1]))
        some = int(_GIVEN * self.count / len(faces))
        parts = [_drawn(case.box, some, self.seed + i) for i in range(len(faces))]
        for part, (axis, end) in zip(parts, faces, strict=True):
            part[:, axis] = end
        given = np.concatenate(parts)
        self.values, self.slopes, self.laplacian = self._jets(inside)
        self.ends = self._jets(given)[0]
        self.wanted = case.velocity(given)
        self.weights = np.zeros((3, self.count))
        self.inside, self.outside = len(inside) ** -0.5, _WEIGHT * len(given) ** -0.5

    def _jets(self, points: Array) -> tuple[Array, Array, Array]:
        value = np.tanh(points @ self.directions.T + self.shifts)
        first = 1 - value**2
        curve = (self.directions[:, -2:] ** 2).sum(1)
        return value, np.stack([first * d for d in self.directions.T]), -2 * value * first * curve

    def fields(self, points: Array) -> Array:
        """The fields at points, (point, 3)."""
        return np.tanh(points @ self.directions.T + self.shifts) @ self.weights.T

    def solve(self, deadline: float) -> None:
        """Gauss-Newton, until residuals no longer fall or the next step would be too late."""
        for step in range(_STEPS):
            began = time.perf_counter()
            matrix, residual = self.system()
            size = float(np.linalg.norm(residual))
            if step > 3 and size > _STALLED * self.size:
                break
            self.size = size
            ridge = _DAMPING * np.linalg.norm(matrix) * np.eye(matrix.shape[1])
            right = np.concatenate([-residual, np.zeros(matrix.shape[1])])
            left = torch.from_numpy(np.concatenate([matrix, ridge]))
            found = torch.linalg.lstsq(left, torch.from_numpy(right)[:, None], driver="gels").solution
            self.weights = self.weights + found.numpy().reshape(3, -1)
            now = time.perf_counter()
            if now + (now - began) > deadline:
                break

    def system(self) -> tuple[Array, Array]:
        """The derivative of the residuals by the weights of ux, uy and p, and the residuals."""
        u, v, p = self.weights
        *first, dx, dy = self.slopes
        change = first[0] if self.case.unsteady else 0.0
        nu = self.case.viscosity
        ux, uy = self.values @ u, self.values @ v
        carried = change + ux[:, None] * dx + uy[:, None] * dy - nu * self.laplacian
        coupling = [[(slope @ w)[:, None] * self.values for slope in (dx, dy)] for w in (u, v)]
        none, gone = np.zeros_like(dx), np.zeros_like(self.ends)
        rows = np.block(
            [
                [dx, dy, none],
                [carried + coupling[0][0], coupling[0][1], dx],
                [coupling[1][0], carried + coupling[1][1], dy],
            ]
        )
        ends = np.block([[self.ends, gone, gone], [gone, self.ends, gone]])
        residual = [dx @ u + dy @ v, carried @ u + dx @ p, carried @ v + dy @ p]
        missed = (self.ends @ self.weights[:2].T - self.wanted).T.ravel()
        matrix = np.concatenate([self.inside * rows, self.outside * ends])
        return matrix, np.concatenate([self.inside * np.concatenate(residual), self.outside * missed])


def _drawn(box: tuple[tuple[float, float], ...], count: int, seed: int) -> Array:
    """Quasi-random points in a box."""
    low, high = np.array(box).T
    sobol = torch.quasirandom.SobolEngine(len(box), scramble=True, seed=seed)
    return low + (high - low) * sobol.draw(count, dtype=torch.float64).numpy()
