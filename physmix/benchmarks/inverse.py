"""Inverse problems: a viscosity and a pressure from noisy velocities, and whether errors are as stated."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from physmix.benchmarks.row import Row, ours
from physmix.flows import KnownFlow, Kovasznay, solve_cylinder
from physmix.problems import Condition, Measured, NavierStokes, Pin, Problem, Region
from physmix.training import infer

SEEDS = 100
_NAMES = {"ux": "velocity_x", "uy": "velocity_y"}
_WAKE = Region(x=(0.4, 1.4), y=(0.0, 0.41))  # behind the cylinder, which ends at x = 0.25
_PLANE = Region(x=(0.4, 1.2), y=(0.04, 0.37))  # what a camera sees, without the walls
_FEATURES: Mapping[str, object] = {"features": 400, "slope": [4.0, 2.5]}
_WALLS = Condition([_WAKE.part("y=low"), _WAKE.part("y=high")], {"ux": 0.0, "uy": 0.0}, points=400)
_VISCOSITY = 1e-3


@dataclass(frozen=True)
class Calibration:
    """How often intervals of 95 % hold the truth.

    Attributes:
        held: of `seeds`, the intervals of the viscosity.
        seeds: of the noise and the places of sensors.
        shares: by field, the share of its intervals at points inside.
        error: root mean square of the relative error of the viscosity.
        stated: that of the stated standard error.
    """

    held: int
    seeds: int
    shares: Mapping[str, float]
    error: float
    stated: float


def noisy(
    flow: KnownFlow, at: Tensor, relative: float, seed: int, size: Mapping[str, float] | None = None
) -> Measured:
    """Velocities with normal noise, relative to the standard deviation of each, or to given sizes."""
    generator = torch.Generator().manual_seed(seed)
    true = flow.fields(at)
    values, deviation = {}, {}
    for name, known in _NAMES.items():
        deviation[name] = relative * (size[name] if size else float(true[known].std()))
        noise = torch.randn(len(at), generator=generator, dtype=torch.float64)
        values[name] = true[known] + deviation[name] * noise
    return Measured(at, values, deviation)


def calibrated(seeds: int = SEEDS, sensors: int = 150, features: int = 120) -> Calibration:
    """Kovasznay flow of Re 20 on a unit square, with 3 % noise and an unknown viscosity.

    The pressure is known at one corner.
    """
    flow, region = Kovasznay(20.0), Region(x=(-0.5, 0.5), y=(-0.5, 0.5))
    corner = flow.fields(torch.tensor([[-0.5, -0.5]], dtype=torch.float64))
    inside, known = region.sample(100, seed=77).points, {**_NAMES, "p": "pressure"}
    true = flow.fields(inside)
    held, covered, errors, stated = 0, dict.fromkeys(known, 0.0), 0.0, 0.0
    for seed in range(seeds):
        seen = noisy(flow, region.sample(sensors, seed=1000 + seed).points, 0.03, seed)
        problem = Problem(
            region,
            NavierStokes("xy", "nu"),
            [seen, Pin({"p": float(corner["pressure"])})],
            {"nu": 0.1},
            points=600,
        )
        posterior = infer(problem, features=features, slope=2.0).posterior
        found = posterior.unknowns["nu"]
        low, high = found.interval()
        held += low < 1 / 20 < high
        errors += (20 * found.value - 1) ** 2
        stated += (20 * found.error) ** 2
        for name, stored in known.items():
            value, error = posterior.at(inside, name)
            covered[name] += float(((value - true[stored]).abs() < 1.96 * error).double().mean())
    shares = {name: share / seeds for name, share in covered.items()}
    return Calibration(held, seeds, shares, math.sqrt(errors / seeds), math.sqrt(stated / seeds))


def calibration_case(case: str) -> list[Row]:
    """Intervals of 95 % on a manufactured flow, over many seeds."""
    began = time.perf_counter()
    found = calibrated()
    metric = f"intervals that hold the viscosity, of {found.seeds}"
    return [
        ours(case, metric, found.held, target=">= 90"),
        ours(case, f"{metric}, at most", found.held, target="<= 99"),
        *(ours(case, f"share of intervals that hold {name}", share) for name, share in found.shares.items()),
        ours(case, "relative error of the viscosity, root mean square", found.error),
        ours(case, "stated error of the viscosity, root mean square", found.stated),
        ours(case, "seconds", time.perf_counter() - began, "s", target="<= 180"),
    ]


def wake_case(case: str) -> list[Row]:
    """The viscosity from 400 sensors in the wake of a simulated cylinder at Re 20, between its walls.

    The noise is 1 % of the standard deviation of each velocity, as Raissi, Perdikaris and Karniadakis
    ("Physics-informed neural networks", J. Comput. Phys. 378, 2019, section 4.1.1) have it; rows that say
    so are with 1 % of the largest speed.
    """
    flow = solve_cylinder(reynolds=20.0)
    at = _WAKE.sample(400, seed=1).points
    rows = []
    large = dict.fromkeys(_NAMES, _speed(flow, at))
    for noise, size in (("", None), (", noise of the largest speed", large)):
        seen = noisy(flow, at, 0.01, 0, size)
        problem = Problem(
            _WAKE,
            NavierStokes("xy", "nu"),
            [_WALLS, seen, Pin({"p": 0.0})],
            {"nu": 3 * _VISCOSITY},
            points=1500,
        )
        began = time.perf_counter()
        found = infer(problem, **_FEATURES)  # type: ignore[arg-type]
        seconds = time.perf_counter() - began
        nu = found.posterior.unknowns["nu"]
        bound = {} if noise else {"target": "<= 0.01"}
        rows += [
            ours(case, f"relative error of the viscosity{noise}", abs(nu.value / _VISCOSITY - 1), **bound),
            ours(case, f"stated relative error{noise}", nu.error / _VISCOSITY),
            ours(case, f"misfit{noise}", found.misfit),
            ours(case, f"exactness{noise}", found.exactness),
            ours(case, f"seconds{noise}", seconds, "s", target="<= 120"),
        ]
    return rows


def pressure_case(case: str) -> list[Row]:
    """The pressure in the wake at Re 20 from velocities on a plane, as particle images give them.

    There are 40 x 20 vectors, with noise of 1 % of the largest speed, of which the fit does not know; the
    viscosity is known, and nothing else (van Oudheusden, "PIV-based pressure measurement", Measurement
    Science and Technology 24, 032001, 2013).
    """
    flow = solve_cylinder(reynolds=20.0)
    x, y = (torch.linspace(*_PLANE.box[axis], n, dtype=torch.float64) for axis, n in (("x", 40), ("y", 20)))
    at = torch.cartesian_prod(x, y)
    seen = noisy(flow, at, 0.01, 0, dict.fromkeys(_NAMES, _speed(flow, at)))
    assert isinstance(seen.deviation, Mapping)
    true_noise = float(seen.deviation["ux"])
    problem = Problem(
        _PLANE, NavierStokes("xy", _VISCOSITY), [replace(seen, deviation=None), Pin({"p": 0.0})], points=1500
    )
    began = time.perf_counter()
    found = infer(problem, **_FEATURES)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    inside = _PLANE.sample(400, seed=5).points
    value, _ = found.posterior.at(inside, "p")
    true = flow.fields(inside)["pressure"]
    value, true = value - value.mean(), true - true.mean()  # a pressure is known up to a constant
    centre = torch.eye(len(inside), dtype=torch.float64) - 1 / len(inside)
    error = (centre @ found.posterior.covariance(inside, "p") @ centre).diagonal().sqrt()
    return [
        ours(case, "relative error of the pressure", float((value - true).norm() / true.norm())),
        ours(case, "stated relative error of the pressure", float(error.norm() / true.norm())),
        ours(
            case,
            "share of intervals of 95 % that hold the pressure",
            float(((value - true).abs() < 1.96 * error).double().mean()),
        ),
        ours(case, "noise found over noise", found.deviations["measured ux"] / true_noise),
        ours(case, "exactness", found.exactness),
        ours(case, "seconds", seconds, "s", target="<= 120"),
    ]


def _speed(flow: KnownFlow, at: Tensor) -> float:
    """The largest."""
    return float(torch.hypot(*(flow.fields(at)[name] for name in _NAMES.values())).max())
