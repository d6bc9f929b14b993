"""PINA: a network of 4 x 50 tanh by its solver PINN and its trainer, by Adam and then L-BFGS.

Coscia, Ivagnes, Demo and Rozza, "Physics-Informed Neural networks for Advanced modeling", Journal of Open
Source Software 8(87), 2023, 5352; the problem is written as in its tutorials.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import torch

from physmix.benchmarks.rivals.case import FIELDS, Array, Case
from physmix.errors import MissingPackageError

ADAM = 0.2
"""The share of the time that Adam has, as DeepXDE's."""
_DOMAIN, _BOUNDARY, _INITIAL = 500, 200, 200
"""Points, as DeepXDE's."""


def solver(case: Case, seed: int) -> Callable[[float], Callable[[Array], Array]]:
    """Prepare the solver; it takes the seconds it has, and returns the fields as a function of points.

    It changes the default float type and the seeds of the process.

    Raises:
        MissingPackageError: if PINA is not installed.
    """
    try:
        import pina  # noqa: PLC0415  optional
        import pina.model  # noqa: PLC0415
        import pina.optim  # noqa: PLC0415
        import pina.solver  # noqa: PLC0415
        import pina.weighting  # noqa: PLC0415
    except ImportError as error:
        raise MissingPackageError("pina-mathlab", "bench") from error

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)

    def train(seconds: float) -> Callable[[Array], Array]:
        problem = _problem(case)
        network = pina.model.FeedForward(len(case.box), len(FIELDS), inner_size=50, n_layers=4)
        adam = pina.optim.TorchOptimizer(torch.optim.Adam, lr=1e-3)
        quasi_newton = pina.optim.TorchOptimizer(
            torch.optim.LBFGS,
            history_size=100,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        weights = {name: 1.0 if name == "inside" or not case.unsteady else 100.0 for name in problem.domains}
        weighting = pina.weighting.ScalarWeighting(weights)  # as DeepXDE's for unsteady flows
        for optimizer, share in ((adam, ADAM), (quasi_newton, 1 - ADAM)):
            method = pina.solver.PhysicsInformedSingleModelSolver(
                problem, network, optimizer=optimizer, weighting=weighting
            )
            with tempfile.TemporaryDirectory() as folder:
                pina.Trainer(
                    method,
                    max_epochs=-1,
                    max_time=timedelta(seconds=share * seconds),
                    accelerator="cpu",
                    default_root_dir=folder,
                    logger=False,
                    enable_checkpointing=False,
                    enable_progress_bar=False,
                    enable_model_summary=False,
                ).train()

        def fields(points: Array) -> Array:
            labelled = pina.LabelTensor(torch.from_numpy(points), list(case.flow.coordinates))
            with torch.no_grad():
                return method(labelled).extract(list(FIELDS)).as_subclass(torch.Tensor).numpy()

        return fields

    return train


def _problem(case: Case) -> Any:
    """The problem as a class of PINA's, with its points."""
    from pina import Condition, LabelTensor  # noqa: PLC0415
    from pina.domain import CartesianDomain  # noqa: PLC0415
    from pina.equation import Equation  # noqa: PLC0415
    from pina.operator import grad, laplacian  # noqa: PLC0415
    from pina.problem import SpatialProblem, TimeDependentProblem  # noqa: PLC0415

    axes = list(case.flow.coordinates)
    box = {axis: list(bounds) for axis, bounds in zip(axes, case.box, strict=True)}

    def equations(at: Any, fields: Any) -> Any:
        slopes = grad(fields, at, components=list(FIELDS), d=axes)
        curved = laplacian(fields, at, components=["ux", "uy"], d=["x", "y"])
        plain = curved.as_subclass(torch.Tensor)
        u, v = (fields.extract([name]).as_subclass(torch.Tensor) for name in ("ux", "uy"))

        def slope(name: str, axis: str) -> torch.Tensor:
            return slopes.extract([f"d{name}d{axis}"]).as_subclass(torch.Tensor)

        def momentum(i: int, name: str, axis: str) -> torch.Tensor:
            carried = u * slope(name, "x") + v * slope(name, "y")
            change = slope(name, "t") if case.unsteady else 0.0
            return change + carried + slope("p", axis) - case.viscosity * plain[:, i : i + 1]

        rows = [momentum(0, "ux", "x"), momentum(1, "uy", "y"), slope("ux", "x") + slope("uy", "y")]
        return LabelTensor(torch.cat(rows, 1), ["momentum_x", "momentum_y", "mass"])

    def velocity(at: Any, fields: Any) -> Any:
        places = at.extract(axes).as_subclass(torch.Tensor).detach().numpy()
        given = torch.from_numpy(case.velocity(np.asarray(places)))
        return fields.extract(["ux", "uy"]) - LabelTensor(given, ["ux", "uy"])

    walls = [{**box, axis: end} for axis in ("x", "y") for end in box[axis]]
    given = {f"wall_{i}": CartesianDomain(wall) for i, wall in enumerate(walls)}
    if case.unsteady:
        given["start"] = CartesianDomain({**box, "t": 0.0})

    members = {
        "output_variables": list(FIELDS),
        "spatial_domain": CartesianDomain({axis: box[axis] for axis in ("x", "y")}),
        "domains": {"inside": CartesianDomain(box), **given},
        "conditions": {
            "inside": Condition(domain="inside", equation=Equation(equations)),
            **{name: Condition(domain=name, equation=Equation(velocity)) for name in given},
        },
    }
    bases: tuple[type, ...] = (SpatialProblem,)
    if case.unsteady:
        bases = (SpatialProblem, TimeDependentProblem)
        members["temporal_domain"] = CartesianDomain({"t": box["t"]})
    problem = type("Flow", bases, members)()
    problem.discretise_domain(_DOMAIN, "lh", domains="inside")
    for name in given:
        problem.discretise_domain(_INITIAL if name == "start" else _BOUNDARY // 4, "lh", domains=name)
    return problem
