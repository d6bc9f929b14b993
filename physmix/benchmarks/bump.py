"""A problem of one's own, as in the README: a channel with a bump on its floor, beside finite elements."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows.simulation.continuation import steady
from physmix.flows.simulation.finite_element_flow import FiniteElementFlow
from physmix.flows.simulation.finite_elements import finite_elements
from physmix.flows.simulation.taylor_hood import TaylorHood
from physmix.jets import coordinates, parse_function, union
from physmix.mixing import Wall, stream
from physmix.problems import Condition, NavierStokes, Problem, Region, State
from physmix.training import Quantities, solve

LENGTH, VISCOSITY, SPEED = 4.0, 0.02, 1.0
HEIGHT = "0.25*exp(-6*(x - 1.5)^2)"  # of the bump
CUTS = (0.7, 1.1, 1.35, 1.6, 1.85, 2.1, 2.5, 3.1)
POINTS, _AWAY = 4000, 0.005  # at which errors are measured, so far from walls, which bend between nodes
_FIELDS = {"ux": "velocity_x", "uy": "velocity_y", "p": "pressure"}
_REYNOLDS = SPEED / VISCOSITY


@dataclass(frozen=True)
class Bump:
    """How the flow is solved.

    Attributes:
        features: of each of nine subdomains.
        points: inside.
    """

    features: int = 200
    points: int = 6500

    @property
    def problem(self) -> Problem:
        """A parabola at the inflow, nothing across the outflow, and no slip at both walls."""
        _, y = coordinates("xy")
        bump = parse_function(HEIGHT, "xy")
        channel = Region(x=(0.0, LENGTH), y=(0.0, 1.0)).inside(y - bump, "floor").graded(x=CUTS)

        def outflow(state: State) -> dict[str, Tensor]:
            return {"force": VISCOSITY * state.d("ux", "x") - state["p"], "across": state["uy"]}

        return Problem(
            channel,
            NavierStokes("xy", VISCOSITY),
            [
                Condition(channel.part("x=low"), {"ux": 4 * SPEED * y * (1 - y), "uy": 0.0}),
                Condition(channel.part("x=high"), residual=outflow),
            ],
            points=self.points,
            boundary_points=200,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Of `solve`: both walls and the flux hold exactly."""
        _, y = coordinates("xy")
        bump = parse_function(HEIGHT, "xy")
        share = (y - bump) / (1 - bump)
        return {
            "features": self.features,
            "slope": 1.6,
            "subdomains": (CUTS, 1),
            "walls": [Wall(4 * union(y - bump, 1 - y), ("ux", "uy"))],
            "liftings": [stream(2 / 3 * SPEED * share**2 * (3 - 2 * share), ("ux", "uy"))],
        }


def height(x: np.ndarray) -> np.ndarray:
    """Of the bump."""
    return 0.25 * np.exp(-6 * (x - 1.5) ** 2)


def by_finite_elements(along: int, up: int, degree: int = 3) -> FiniteElementFlow:
    """The same flow on a mesh that is bent onto the bump, with cells `along` and `up`.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
    """
    fem = finite_elements()
    flat = fem.MeshQuad2.from_mesh(
        fem.MeshQuad.init_tensor(np.linspace(0, LENGTH, along + 1), np.linspace(0, 1, up + 1))
    )
    x, y = flat.doflocs
    named: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "outflow": lambda at: np.isclose(at[0], LENGTH),
        "inflow": lambda at: np.isclose(at[0], 0),
        "ceiling": lambda at: np.isclose(at[1], 1),
        "floor": lambda at: (at[0] > 0) & (at[0] < LENGTH) & (at[1] < height(at[0]) + 1e-3),
    }
    mesh = type(flat)(np.stack([x, height(x) + y * (1 - height(x))]), flat.t).with_boundaries(named)
    space = TaylorHood(
        mesh,
        degree,
        {
            "outflow": lambda _: (None, 0.0),
            "inflow": lambda at: (4 * SPEED * at[1] * (1 - at[1]), 0.0),
            "ceiling": lambda _: (0.0, 0.0),
            "floor": lambda _: (0.0, 0.0),
        },
    )
    return FiniteElementFlow(space, steady(space, _REYNOLDS, SPEED))


def force(flow: FiniteElementFlow) -> tuple[float, float]:
    """On the floor: pressure less friction, by the integral of the stress; the fluid pushes along n."""
    fem, space = finite_elements(), flow.space
    own = space.velocity.boundary("floor")
    u, v, p = space.parts(flow.state)
    fields = {
        "ux": own.interpolate(u),
        "uy": own.interpolate(v),
        "p": own.with_element(space.pressure.elem).interpolate(p),
    }

    def along(axis: int, name: str) -> float:
        # At rest on the wall, so that the transposed gradient adds nothing.
        def push(w: Any) -> Any:
            friction = VISCOSITY * (w[name].grad[0] * w.n[0] + w[name].grad[1] * w.n[1])
            return w["p"] * w.n[axis] - friction

        return float(fem.Functional(push).assemble(own, **fields))

    return along(0, "ux"), along(1, "uy")


def bump_case(case: str, bump: Bump | None = None, cells: tuple[int, int] = (96, 12)) -> list[Row]:
    """Errors of all fields and of the force beside finite elements, which have their own."""
    bump = bump or Bump()
    problem, settings = bump.problem, bump.settings
    began = time.perf_counter()
    solution = solve(problem, **settings)
    seconds = time.perf_counter() - began
    twin = solve(problem.elsewhere(), seed=1, **settings)
    points = problem.region.even().sample(POINTS, seed=12345).points
    wall = points[:, 1] - torch.from_numpy(height(points[:, 0].numpy()))
    points = points[torch.minimum(wall, 1 - points[:, 1]) > _AWAY]
    coarse, fine = by_finite_elements(cells[0] * 2 // 3, cells[1] * 2 // 3), by_finite_elements(*cells)
    true, rough, state = fine.fields(points), coarse.fields(points), solution.at(points)

    def relative(missed: Tensor, known: str) -> float:
        return float(missed.norm() / true[known].norm())

    errors = {name: relative(state[name] - true[known], known) for name, known in _FIELDS.items()}
    own = [relative(rough[known] - true[known], known) for known in _FIELDS.values()]
    quantities = Quantities(solution, twin)
    found = quantities.force(problem.region.part("floor"))
    known = force(fine)
    findings = [one for one in solution.judge(points=64, boxes=2) if one.method == "nested autograd"]
    return [
        ours(case, "mean relative error", sum(errors.values()) / len(errors), target="<= 1e-3"),
        *(ours(case, f"relative error of {name}", error) for name, error in errors.items()),
        *(ours(case, f"stated error of {name}", error) for name, error in quantities.errors().items()),
        peer(case, "scikit-fem", "mean relative difference from fewer cells", math.fsum(own) / len(own)),
        *(
            row
            for name, one, value in zip(("drag", "lift"), found, known, strict=True)
            for row in (
                ours(case, f"{name} off", abs(one.value - value)),
                ours(case, f"stated error of {name}", one.error),
            )
        ),
        ours(case, "seconds", seconds, "s", target="<= 60"),
        ours(case, OVER, max(over_bound(one) for one in findings)),
    ]
