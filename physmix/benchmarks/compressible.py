"""A gas that is known: Sod's tube with exact totals, and the isentropic vortex."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from physmix.benchmarks.row import Row, ours
from physmix.benchmarks.violation import OVER, over_bound
from physmix.flows import IsentropicVortex, Riemann
from physmix.jets import coordinates, towers
from physmix.mixing import Lifting, Wall
from physmix.problems import CompressibleFlow, Condition, Problem, Region
from physmix.training import March, march
from physmix.training.totals import conserved, density_total

END, EXACT = 0.2, "<= 1e-13"  # round-off of totals
_LIFTED = 0.06  # width over which the liftings of the tube pass from one side to the other


@dataclass(frozen=True)
class Tube:
    """Sod's tube as it is solved: with a little viscosity, from a start that is a little smooth.

    The laws of mass, momentum and energy hold for every weight, and their fluxes at both ends are those of
    the gas at rest there, which no wave reaches: so all totals are known at all times, viscosity or not.

    Attributes:
        viscosity: kinematic, the same everywhere; heat is conducted with a Prandtl number of 0.72.
        width: of the hyperbolic tangent in place of the jump at the start.
        cells: subdomains between the tail of the fan and the place that the shock reaches.
        features: in each subdomain.
        windows: of time.
    """

    viscosity: float = 1e-3
    width: float = 0.004
    cells: int = 34
    features: int = 60
    windows: int = 10

    @property
    def cuts(self) -> list[float]:
        """Where subdomains meet: coarse where the gas is at rest, finer in the fan, finest to its right."""
        fan = [0.25 + 0.025 * i for i in range(9)]
        return [0.15, *fan, *(0.45 + 0.42 / self.cells * (i + 1) for i in range(self.cells)), 0.91, 0.95]

    def problem(self, flow: Riemann) -> Problem:
        """The viscous gas; the fields at the start are guessed to stay."""
        start = self.start(flow)
        region = Region(t=(0.0, END), x=(0.0, 1.0)).graded(x=self.cuts)
        equations = CompressibleFlow(
            "tx", flow.gamma, viscosity=lambda y: self.viscosity * y["rho"], exact="apart"
        )
        number = self.features * (len(self.cuts) + 1)
        heat = 1 / (flow.gamma - 1)
        ends = [
            Condition(region.part(name), {"rho": rho, "E": heat * p}, points=30)
            for name, (rho, _, p) in (("x=low", flow.left), ("x=high", flow.right))
        ]
        # Windows begin where the last one ended, to a tenth of what the equations are weighed with.
        conditions = [Condition(region.start, start, points=number // 2, weight=0.1), *ends]
        return Problem(region, equations, conditions, points=2 * number)

    def start(self, flow: Riemann) -> dict[str, float | Callable[[Tensor], Tensor]]:
        """The gas at rest, with a smooth step."""
        heat = 1 / (flow.gamma - 1)

        def step(left: float, right: float) -> Callable[[Tensor], Tensor]:
            middle, half = (left + right) / 2, (right - left) / 2
            return lambda at: middle + half * torch.tanh((at[:, 1] - flow.diaphragm) / self.width)

        return {
            "rho": step(flow.left[0], flow.right[0]),
            "mx": 0.0,
            "E": step(heat * flow.left[2], heat * flow.right[2]),
        }

    def march(self, flow: Riemann) -> March:
        """The solution."""
        _, x = coordinates("tx")
        return march(
            self.problem(flow),
            self.windows,
            guess=self.start(flow),
            steps=6,
            features=self.features,
            slope=[3.0, 4.0],
            subdomains=(1, self.cuts),
            walls=[Wall(4 * x * (1 - x), ("qx", "sxx", "Fx"))],
            liftings=at_rest(flow),
        )


def at_rest(flow: Riemann) -> list[Lifting]:
    """Potentials of a tube whose ends are at rest: exact fluxes there, and a smooth step between.

    Integrated over x they give the totals; the push of the two pressures is what changes the momentum.
    """
    t, x = coordinates("tx")
    z = (x - flow.diaphragm) / _LIFTED
    step = z.apply(towers.tanh) / math.tanh(0.5 / _LIFTED)
    ramp = _LIFTED * (2 * z.apply(towers.softplus(2.0, 60.0)) - z)  # the integral of the step
    (rho, _, p), (rho_right, _, p_right) = flow.left, flow.right
    heat = 1 / (flow.gamma - 1)
    pressure = (p + p_right) / 2 + (p_right - p) / 2 * step
    mass = (rho + rho_right) / 2 * x + (rho_right - rho) / 2 * ramp
    energy = heat * ((p + p_right) / 2 * x + (p_right - p) / 2 * ramp)
    pairs = ((mass, "rho", "qx"), (-t * pressure, "mx", "sxx"), (energy, "E", "Fx"))
    return [Lifting(one, {(density, (0, 1)): 1.0, (flux, (1, 0)): -1.0}) for one, density, flux in pairs]


def sod_case(case: str, tube: Tube | None = None) -> list[Row]:
    """Errors at the end against the exact solution without viscosity, the shock's place, and totals."""
    flow, tube = Riemann(), tube or Tube()
    began = time.perf_counter()
    solution = tube.march(flow)
    seconds = time.perf_counter() - began
    x = (torch.arange(8000, dtype=torch.float64) + 0.5) / 8000
    points = torch.stack([torch.full_like(x, END), x], 1)
    state, true = solution.at(points), flow.fields(points)
    names = {"density": "rho", "velocity_x": "ux", "pressure": "p"}
    off = {name: float((state[own] - true[name]).abs().mean()) for name, own in names.items()}
    place, target = shock(x, state["rho"], flow), {"density": {"target": "<= 0.01"}}
    findings = solution.judge(points=64, boxes=2)
    return [
        *(ours(case, f"L1 error of {name}", error, **target.get(name, {})) for name, error in off.items()),
        ours(case, "shock off its place", abs(place - shock(x, true["density"], flow)), target="<= 0.005"),
        *(
            ours(case, f"total of {name} off its exact value", missed, target=EXACT)
            for name, missed in totals_off(solution, flow).items()
        ),
        *(
            ours(case, f"total of {law} off its balance with fluxes", missed, target=EXACT)
            for law, missed in solution.imbalances().items()
        ),
        ours(case, "kinematic viscosity that was added", tube.viscosity),
        ours(case, "width of the smooth start", tube.width),
        ours(case, "seconds", seconds, "s", target="<= 180"),
        ours(case, "steps", sum(len(part.trace.steps) for part in solution.windows)),
        ours(case, OVER, max(over_bound(one) for one in findings if one.method == "nested autograd")),
    ]


def shock(x: Tensor, density: Tensor, flow: Riemann) -> float:
    """The last place where the density passes half-way between those on the two sides of the shock."""
    ahead = flow.right[0]
    k = (flow.gamma - 1) / (flow.gamma + 1)
    ratio = flow.star[0] / flow.right[2]
    half = ahead * (1 + (ratio + k) / (k * ratio + 1)) / 2
    last = int((density > half).nonzero()[-1])
    if last + 1 == len(x):
        return float("nan")
    share = (density[last] - half) / (density[last] - density[last + 1])
    return float(x[last] + share * (x[last + 1] - x[last]))


def totals_off(solution: March, flow: Riemann) -> dict[str, float]:
    """How far the integrals over x at the end are from those of the exact solution, over their size."""
    (rho, _, p), (rho_right, _, p_right) = flow.left, flow.right
    left = flow.diaphragm
    heat = 1 / (flow.gamma - 1)
    exact = {
        "rho": rho * left + rho_right * (1 - left),
        "mx": (p - p_right) * END,
        "E": heat * (p * left + p_right * (1 - left)),
    }
    last = solution.windows[-1]
    return {
        one.density: abs(density_total(one, last, END) - exact[one.density]) / abs(exact[one.density])
        for one in conserved(last.problem.laws)
    }


def vortex_flow() -> IsentropicVortex:
    """The vortex alone: its periodic images are far outside."""
    return IsentropicVortex(length=40.0)


def vortex_problem(flow: IsentropicVortex, points: int = 7000) -> Problem:
    """[-3, 3]^2, t in [0, 1]; density, momentum and pressure at the start and on the boundary."""
    region = Region(t=(0.0, 1.0), x=(-3.0, 3.0), y=(-3.0, 3.0))
    given = gas_given(flow)
    conditions = [Condition(region.start, given), Condition(region.boundary, given)]
    equations = CompressibleFlow("txy", flow.gamma, exact="mass")
    return Problem(region, equations, conditions, points=points, boundary_points=2 * points // 7)


def gas_given(flow: IsentropicVortex) -> dict[str, Callable[[Tensor], Tensor]]:
    """Density, momentum and pressure of a known flow."""
    return {
        "rho": lambda at: flow.fields(at)["density"],
        "mx": lambda at: flow.fields(at)["density"] * flow.fields(at)["velocity_x"],
        "my": lambda at: flow.fields(at)["density"] * flow.fields(at)["velocity_y"],
        "p": lambda at: flow.fields(at)["pressure"],
    }


def vortex_settings(flow: IsentropicVortex, features: int = 1100, slope: float = 5.5) -> dict[str, Any]:
    """Features that move with the stream, in whose frame they hardly change.

    The error falls as that of the best fit of the flow does, to 2e-5 with 800 features and 4e-6 with 1,100;
    but only with several points for each, since with few of them fields bend away in between.
    """
    u, v = flow.stream
    return {
        "features": features,
        "slope": [0.01, slope, slope],
        "margin": 0.1,
        "carried": {"x": u, "y": v},
        "steps": 3,
    }


def vortex_first(flow: IsentropicVortex, features: int = 250, slope: float = 4.0) -> dict[str, Any]:
    """Few features, from a gas that streams evenly; most steps are taken here, at a hundredth of the cost."""
    u, v = flow.stream
    guess = {"rho": 1.0, "mx": u, "my": v, "p": 1.0}
    return {**vortex_settings(flow, features, slope), "guess": guess, "steps": 8}
