"""Steady flows by Newton's method, with continuation in the Reynolds number.

Elman, Silvester and Wathen, "Finite Elements and Fast Iterative Solvers", 2nd ed., 2014, chapter 8.
"""

from __future__ import annotations

import numpy as np

from physmix.errors import SettingsError
from physmix.flows.simulation.finite_elements import Array, finite_elements
from physmix.flows.simulation.taylor_hood import TaylorHood

_ITERATIONS, _CONVERGED, _NEAR, _FAR = 12, 1e-11, 1e-3, 0.5
"""Of Newton's method: largest number, and sizes of a step relative to the flow: the last one, the last
one on the way to a higher Reynolds number, and one that leads nowhere after the first few."""
_DIRECT, _FACTOR = 100.0, 4.0
"""The Reynolds number that is tried at once, and the factor from one to the next."""


def newton(space: TaylorHood, start: Array, viscosity: float, tolerance: float = _CONVERGED) -> Array | None:
    """The steady flow near a state, or None if there is none that Newton's method finds."""
    state = start
    for iteration in range(_ITERATIONS):
        solve = space.factor(space.jacobian(state, viscosity))
        step = solve(-space.residual(state, viscosity), 0 * space.values)
        state = state + step
        size = np.abs(step[: 2 * space.size]).max() / np.abs(state[: 2 * space.size]).max()
        if size < tolerance:
            return state
        if not size < (_FAR if iteration > 2 else np.inf):
            return None
    return None


def steady(space: TaylorHood, reynolds: float, scale: float) -> Array:
    """The steady flow at a Reynolds number, reached from that without inertia.

    Args:
        space: the equations.
        reynolds: of the flow.
        scale: viscosity times Reynolds number: velocity times length.

    Raises:
        SettingsError: if Newton's method stops on the way.
    """
    reached, factor = min(_DIRECT, reynolds) / _FACTOR, _FACTOR
    state = space.stokes(scale / reached)
    while factor > 1.02:
        target = min(factor * reached, reynolds)
        found = newton(space, state, scale / target, _CONVERGED if target == reynolds else _NEAR)
        if found is None:
            factor = factor**0.5
        elif target == reynolds:
            return _level(space, found)
        else:
            state, reached = found, target
    problem = f"no steady flow is found beyond Re={reached:.4g}"
    raise SettingsError("the flow", problem, "give more cells, or a lower Reynolds number")


def _level(space: TaylorHood, state: Array) -> Array:
    """The state with a pressure of mean zero, if a constant is free."""
    if not space.closed:
        return state
    u, v, p = space.parts(state)
    form = finite_elements().LinearForm(lambda q, _: q).assemble(space.pressure)
    one = space.pressure.project(lambda x: 1 + 0 * x[0])
    return np.concatenate([u, v, p - (form @ p) / (form @ one) * one])
