"""scikit-fem: Taylor and Hood's elements of high degree, by Newton, and in time by backward differences.

Finer ones are solved from the beginning as long as the next fits in the time that is left; the time of all
of them counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu

from physmix.benchmarks.rivals.case import Array, Case
from physmix.flows.simulation.continuation import newton
from physmix.flows.simulation.finite_element_flow import FiniteElementFlow
from physmix.flows.simulation.finite_elements import finite_elements
from physmix.flows.simulation.taylor_hood import TaylorHood

_RUNGS = (
    (4, 4, 10),
    (6, 4, 20),
    (8, 4, 40),
    (8, 6, 40),
    (10, 6, 80),
    (10, 8, 80),
    (12, 8, 160),
    (12, 12, 160),
)
"""Degree of the velocity, cells along each side, and steps in time, a multiple of the ten times of
comparison. Flows so smooth are cheapest by high degrees."""
_GROWTH = 2.5  # of the time, from a rung to the next


def solver(case: Case, seed: int) -> Callable[[float], Callable[[Array], Array]]:
    """Prepare the solver; it takes the seconds it has, and returns the fields at the points of comparison.

    Nothing is random in it.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
    """
    del seed
    finite_elements()
    solve = _unsteady if case.unsteady else _steady

    def climb(seconds: float) -> Callable[[Array], Array]:
        begin = time.perf_counter()
        for degree, cells, steps in _RUNGS:
            started = time.perf_counter()
            fields = solve(case, _Space(case, degree, cells), steps)
            now = time.perf_counter()
            if now - begin + _GROWTH * (now - started) > seconds:
                break
        return fields

    return climb


class _Space(TaylorHood):
    """The box in even cells, with the velocity of the flow on its boundary."""

    def __init__(self, case: Case, degree: int, cells: int) -> None:
        self.case, self.degree = case, degree
        sides = (np.linspace(*ends, cells + 1) for ends in case.box[-2:])
        mesh = finite_elements().MeshQuad.init_tensor(*sides)
        mesh = mesh.with_boundaries({"boundary": lambda x: np.ones(x.shape[1], dtype=bool)})
        super().__init__(mesh, degree, {"boundary": lambda x: tuple(self.given(0.0, x))})

    def given(self, when: float, places: Array) -> Array:
        """The velocity of the flow at a time and at places, (2, ...)."""
        points = places.reshape(2, -1).T
        if self.case.unsteady:
            points = np.insert(points, 0, when, axis=1)
        return self.case.velocity(points).T.reshape(places.shape)

    def project(self, when: float) -> tuple[Array, Array]:
        """Coefficients of the velocity of the flow at a time: everywhere, and where it is given."""
        edge = self.velocity.boundary("boundary")
        parts = [lambda x, axis=axis: self.given(when, x)[axis] for axis in (0, 1)]
        whole = [self.velocity.project(part) for part in parts]
        at = self.fixed[self.fixed < self.size]
        given = [edge.project(part)[at] for part in parts]
        return np.concatenate([*whole, np.zeros(self.pressure.N)]), np.concatenate([*given, np.zeros(1)])

    def factor(self, matrix: sparse.csc_array) -> Callable[[Array, Array], Array]:
        """As in the parent, with an order for symmetric patterns: here about five times faster."""
        free = np.setdiff1d(np.arange(matrix.shape[0]), self.fixed)
        symmetric = {"diag_pivot_thresh": 0.01, "options": {"SymmetricMode": True}}
        factors = splu(matrix[free][:, free].tocsc(), permc_spec="MMD_AT_PLUS_A", **symmetric)

        def solution(right: Array, fixed: Array) -> Array:
            out = np.zeros(len(right))
            out[self.fixed] = fixed
            out[free] = factors.solve((right - matrix @ out)[free])
            return out

        return solution

    def at(self, state: Array, points: Array) -> Array:
        """The fields of a state at points of the box, (point, 3)."""
        values = FiniteElementFlow(self, state).fields(torch.from_numpy(np.ascontiguousarray(points)))
        return torch.stack(list(values.values()), 1).numpy()


def _steady(case: Case, space: _Space, _: int) -> Callable[[Array], Array]:
    start = space.stokes(case.viscosity)
    found = newton(space, start, case.viscosity)
    state = start if found is None else found
    return lambda points: space.at(state, points)


def _unsteady(case: Case, space: _Space, steps: int) -> Callable[[Array], Array]:
    begin, end = case.box[0]
    step = (end - begin) / steps
    state, space.values = space.project(begin)
    states = [state]
    march = space.march(state, case.viscosity, step)
    for number in range(1, steps + 1):
        space.values = space.project(begin + number * step)[1]
        states.append(next(march)[0])

    def fields(points: Array) -> Array:
        number = np.rint((points[:, 0] - begin) / step).astype(int)
        out = np.empty((len(points), 3))
        for some in np.unique(number):
            out[number == some] = space.at(states[some], points[number == some, 1:])
        return out

    return fields
