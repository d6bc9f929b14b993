"""DeepXDE: a network of 4 x 50 tanh, by Adam and then L-BFGS, as in its own example of Kovasznay's flow.

Lu, Meng, Mao and Karniadakis, "DeepXDE: A deep learning library for solving differential equations",
SIAM Review 63, 2021, pages 208-228.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from physmix.benchmarks.rivals.case import Array, Case
from physmix.errors import MissingPackageError

ADAM = 0.2
"""The share of the time that Adam has; with the points of its example 0.6 gave the same errors."""
_DOMAIN, _BOUNDARY, _INITIAL = 500, 200, 200
"""Points. Its example has 2601 and 400: within a minute on one core these gave errors ten times larger, since
fewer steps fit in."""
_CHUNK = 20  # steps of L-BFGS between looks at the clock
_FOREVER = 10**9


def solver(case: Case, seed: int) -> Callable[[float], Callable[[Array], Array]]:
    """Prepare the solver; it takes the seconds it has, and returns the fields as a function of points.

    It changes the default float type and the seeds of the process.

    Raises:
        MissingPackageError: if DeepXDE is not installed.
    """
    os.environ["DDE_BACKEND"] = "pytorch"
    try:
        import deepxde as dde  # noqa: PLC0415  optional
    except ImportError as error:
        raise MissingPackageError("deepxde", "bench") from error

    dde.config.set_default_float("float64")
    dde.config.set_random_seed(seed)
    options = dde.optimizers.config.LBFGS_options
    dde.optimizers.set_LBFGS_options(maxiter=_FOREVER, gtol=0.0)
    options |= {"iter_per_step": _CHUNK, "fun_per_step": 5 * _CHUNK // 4}

    def train(seconds: float) -> Callable[[Array], Array]:
        network = dde.nn.FNN([len(case.box), *[50] * 4, 3], "tanh", "Glorot normal")
        model = dde.Model(_data(dde, case), network)
        quiet = {"display_every": _FOREVER, "verbose": 0}
        weights = [1.0] * 3 + [100.0] * 4 if case.unsteady else None  # those of its unsteady example
        model.compile("adam", lr=1e-3, loss_weights=weights, verbose=0)
        clock = dde.callbacks.Timer(ADAM * seconds / 60)
        model.train(iterations=_FOREVER, callbacks=[clock], **quiet)
        model.compile("L-BFGS", loss_weights=weights, verbose=0)
        model.train(callbacks=[dde.callbacks.Timer((1 - ADAM) * seconds / 60)], **quiet)
        return lambda points: model.predict(_its_order(case, points))

    return train


def _its_order(case: Case, points: Array) -> Array:
    """Time comes last in DeepXDE."""
    return np.roll(points, -1, axis=1) if case.unsteady else points


def _data(dde: Any, case: Case) -> Any:
    (x, y) = case.box[-2:]
    geometry = dde.geometry.Rectangle([x[0], y[0]], [x[1], y[1]])
    if case.unsteady:
        geometry = dde.geometry.GeometryXTime(geometry, dde.geometry.TimeDomain(*case.box[0]))

    def residuals(at: Any, fields: Any) -> list[Any]:
        def slope(component: int, axis: int) -> Any:
            return dde.grad.jacobian(fields, at, i=component, j=axis)

        def momentum(i: int) -> Any:
            curved = [dde.grad.hessian(fields, at, component=i, i=axis, j=axis) for axis in (0, 1)]
            carried = fields[:, 0:1] * slope(i, 0) + fields[:, 1:2] * slope(i, 1)
            change = slope(i, 2) if case.unsteady else 0.0
            return change + carried + slope(2, i) - case.viscosity * sum(curved)

        return [momentum(0), momentum(1), slope(0, 0) + slope(1, 1)]

    def given(component: int) -> Callable[[Array], Array]:
        def value(at: Array) -> Array:
            points = np.roll(at, 1, axis=1) if case.unsteady else at
            return case.velocity(points.astype(np.float64))[:, component : component + 1]

        return value

    conditions = [
        dde.icbc.DirichletBC(geometry, given(i), lambda _, on_boundary: on_boundary, component=i)
        for i in (0, 1)
    ]
    if not case.unsteady:
        return dde.data.PDE(geometry, residuals, conditions, num_domain=_DOMAIN, num_boundary=_BOUNDARY)
    conditions += [
        dde.icbc.IC(geometry, given(i), lambda _, on_initial: on_initial, component=i) for i in (0, 1)
    ]
    counts = {"num_domain": _DOMAIN, "num_boundary": _BOUNDARY, "num_initial": _INITIAL}
    return dde.data.TimePDE(geometry, residuals, conditions, **counts)
