"""Flows that are known, each with its problem, and what is asked of us."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch

from physmix.benchmarks.bump import bump_case
from physmix.benchmarks.cavity import CAVITY, uniform_case
from physmix.benchmarks.climbing import CLIMB, climb
from physmix.benchmarks.compressible import (
    sod_case,
    vortex_first,
    vortex_flow,
    vortex_problem,
    vortex_settings,
)
from physmix.benchmarks.growth import GROWTH
from physmix.benchmarks.inverse import calibration_case, pressure_case, wake_case
from physmix.benchmarks.known import Solve, fewer, field_errors, solve_case, solved, velocities
from physmix.benchmarks.pace import PACE, pace_case
from physmix.benchmarks.row import Case
from physmix.benchmarks.shedding import Shedding, shedding_case
from physmix.benchmarks.streaming import streaming_case
from physmix.benchmarks.unsteady import ShearLayers, shear_layer_case
from physmix.flows import Beltrami, Burgers, Kovasznay, TaylorGreen
from physmix.jets import Sine
from physmix.problems import Burgers as BurgersEquation
from physmix.problems import Condition, NavierStokes, Pin, Problem, Region


def kovasznay() -> Solve:
    """Re 40 on [-0.5, 1] x [-0.5, 1.5], velocities on the boundary."""
    flow, region = Kovasznay(40.0), Region(x=(-0.5, 1.0), y=(-0.5, 1.5))
    conditions: list[Condition | Pin] = [Condition(region.boundary, velocities(flow)), Pin({"p": 0.0})]
    problem = Problem(region, NavierStokes("xy", 1 / 40), conditions, points=900, boundary_points=350)
    return Solve(
        flow,
        problem,
        {"features": 700, "slope": 4.0},
        first={"features": 300, "slope": 2.5},
        error="<= 1e-8",
        seconds="<= 60",
        rivals="Kovasznay",
    )


def kovasznay_beyond() -> Solve:
    """The same with steeper and more features."""
    asked = kovasznay()
    problem = replace(asked.problem, points=1430, boundary_points=550)
    settings = {"features": 1100, "slope": 4.5}
    return replace(asked, problem=problem, settings=settings, error="<= 1e-10", seconds="<= 30")


def taylor_green() -> Solve:
    """Re 100 on [0, 2 pi]^2, t in [0, 1]; velocities at the start and on the boundary; plain features.

    Two and a half residuals a weight do as well as eight. Slopes are the best of a few that were tried.
    """
    flow = TaylorGreen(100.0)
    region = Region(t=(0.0, 1.0), x=(0.0, 2 * math.pi), y=(0.0, 2 * math.pi))
    given = velocities(flow)
    conditions: list[Condition | Pin] = [
        Condition(region.start, given),
        Condition(region.boundary, given),
        Pin({"p": 0.0}),
    ]
    problem = Problem(region, NavierStokes("txy", 1 / 100), conditions, points=1300, boundary_points=400)
    settings = {"features": 1000, "slope": [0.01, 1.9, 1.9]}
    return Solve(flow, problem, settings, error="<= 1e-8", seconds="<= 180", rivals="Taylor-Green")


def beltrami() -> Solve:
    """Re 1, a = d = 1 on [-1, 1]^3, t in [0, 1]; velocities at the start and on the boundary.

    Sines of low frequency reach a smooth flow in four dimensions with a third of the error of as many tanh.
    """
    flow = Beltrami(1.0, 1.0, 1.0)
    region = Region(t=(0.0, 1.0), x=(-1.0, 1.0), y=(-1.0, 1.0), z=(-1.0, 1.0))
    given = velocities(flow)
    conditions: list[Condition | Pin] = [
        Condition(region.start, given, points=500),
        Condition(region.boundary, given),
        Pin({"p": 0.0}),
    ]
    problem = Problem(region, NavierStokes("txyz", 1.0), conditions, points=2300, boundary_points=1000)
    settings = {"features": 1900, "slope": [1.0, 2.7, 2.7, 2.7], "activation": Sine, "steps": 3}
    return Solve(flow, problem, settings, error="<= 2.7e-5", seconds="<= 600")


def burgers() -> Solve:
    """Viscosity 0.01 / pi on [-1, 1], t in [0, 1], from -sin(pi x), zero at both ends; ten windows."""
    flow = Burgers()
    cuts = [math.sinh(2.7 * s / 12) / math.sinh(2.7) for s in range(-11, 12)]
    region = Region(t=(0.0, 1.0), x=(-1.0, 1.0)).graded(x=cuts)
    conditions: list[Condition | Pin] = [
        Condition(region.start, {"u": lambda points: -torch.sin(math.pi * points[:, 1])}, points=600),
        Condition(region.boundary, {"u": 0.0}, points=60),
    ]
    problem = Problem(region, BurgersEquation(flow.viscosity), conditions, points=8000)
    settings = {"features": 120, "slope": [1.0, 3.0], "subdomains": (1, cuts), "steps": 40}
    return Solve(flow, problem, settings, windows=10, error="<= 1e-6", seconds="<= 180")


def _sizes(make: Callable[[], Solve], sizes: Mapping[int, float | list[float]]) -> Case:
    """Error against time: the same problem with these features and slopes, and points in proportion.

    What is solved first has to be smaller.
    """

    def ours_with(features: int) -> tuple[float, float]:
        asked = make()
        problem = fewer(asked.problem, features / asked.settings["features"])
        first = asked.first if asked.first and asked.first["features"] < features else None
        settings = {"features": features, "slope": sizes[features]}
        began = time.perf_counter()
        _, solution = solved(replace(asked, problem=problem, settings=settings, first=first))
        seconds = time.perf_counter() - began
        errors = field_errors(solution, asked.flow)
        return seconds, sum(errors.values()) / len(errors)

    return pace_case(make().rivals, {f"{n} features": partial(ours_with, n) for n in sizes})


def vortex() -> Solve:
    """The isentropic vortex in its stream, compressible Euler; features move with the stream."""
    flow = vortex_flow()
    return Solve(
        flow,
        vortex_problem(flow),
        vortex_settings(flow),
        first=vortex_first(flow),
        error="<= 1e-5",
        seconds="<= 300",
    )


PINN: dict[str, Case] = {
    "Kovasznay, Re 40": solve_case(kovasznay),
    "Taylor-Green, Re 100": solve_case(taylor_green),
    "Beltrami in three dimensions": solve_case(beltrami),
    "periodic shear layers, Re 1,000": shear_layer_case(ShearLayers()),
    "Burgers": solve_case(burgers),
    **CAVITY,
    "cavity, Re 3200": uniform_case(3200.0, "<= 0.01", lambda: climb(CLIMB)),
    "Kovasznay, Re 40, beyond": solve_case(lambda: replace(kovasznay_beyond(), rivals="")),
    "ten million points": streaming_case,
    f"{PACE}, Kovasznay": _sizes(
        kovasznay_beyond, {100: 2.0, 200: 2.8, 400: 3.4, 600: 3.8, 900: 4.0, 1200: 4.5}
    ),
    f"{PACE}, Taylor-Green": _sizes(
        taylor_green,
        {
            100: [0.01, 1.2, 1.2],
            250: [0.01, 1.5, 1.5],
            400: [0.01, 1.7, 1.7],
            700: [0.01, 1.8, 1.8],
            1000: [0.01, 1.9, 1.9],
            1400: [0.01, 2.2, 2.2],
        },
    ),
    **GROWTH,
    "Sod's tube": sod_case,
    "isentropic vortex": solve_case(vortex),
    "channel with a bump": bump_case,
    "vortex shedding": shedding_case(Shedding()),
    "inverse, intervals on a manufactured flow": calibration_case,
    "inverse, viscosity of a wake": wake_case,
    "inverse, pressure of a wake": pressure_case,
}
