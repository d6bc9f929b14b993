"""Random flows of a gas in the unit square, for ensembles: streams, quadrants and vortices.

Each is drawn by a seed, within ranges that the settings give, and simulated by the compressible solver of
pyro. Stored values are averages over the stored cells of the conserved variables, turned into primitive
ones, so that every total is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.flows import gas
from physmix.flows.checks import at_least, positive
from physmix.flows.flow import Flow
from physmix.flows.simulation.gas_in_square import SIDES, State, gas_in_square

_MODES = (1, 2, 3, 4)


def simulate_streams(
    *,
    name: str,
    seed: int,
    gamma: float,
    density: float,
    speed: float,
    width: float,
    push: float,
    mach: float,
    duration: float,
    snapshots: int,
    points: int,
    refinement: int,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """Two streams that roll up (Kelvin and Helmholtz), with a push across them that the seed draws.

    As `simulate_kelvin_helmholtz`, with layers of tanh shape, and v a sum of sines along x of random
    sizes and phases, near the layers.

    Args:
        name: of the data set.
        seed: of the push.
        gamma: ratio of specific heats.
        density: of the inner stream; that of the outer one is 1.
        speed: difference of the velocities of the streams.
        width: of the layers between them.
        push: largest velocity across them, over the difference of velocities.
        mach: difference of velocities over the speed of sound of the outer stream; it gives the pressure.
        duration: the last stored time; the first is 0.
        snapshots: stored times, evenly spaced.
        points: stored cells along each side.
        refinement: solver cells per stored cell along each side.
        cfl: Courant number of the solver.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation.
    """
    settings = dict(locals())
    positive("the flow", density=density, speed=speed, width=width, push=push, mach=mach)
    pressure = (speed / mach) ** 2 / gamma
    random = np.random.default_rng(seed)
    sizes, phases = random.uniform(-1, 1, len(_MODES)), random.uniform(0, 2 * math.pi, len(_MODES))
    sizes *= push * speed / np.abs(sizes).sum()

    def state(points_: Tensor) -> dict[str, Tensor]:
        x, y = points_.unbind(1)
        share = _layer(y, width)
        waves = sum(
            a * torch.sin(2 * math.pi * k * x + b) for k, a, b in zip(_MODES, sizes, phases, strict=True)
        )
        near = torch.exp(-(((y - 0.25) / 0.1) ** 2)) + torch.exp(-(((y - 0.75) / 0.1) ** 2))
        return {
            "density": 1 + (density - 1) * share,
            "velocity_x": speed * (0.5 - share),
            "velocity_y": waves * near,
            "pressure": torch.full_like(x, pressure),
        }

    return _simulated(state, settings, "periodic", progress)


def simulate_quadrants(
    *,
    name: str,
    seed: int,
    gamma: float,
    lowest: float,
    highest: float,
    speed: float,
    boundary: str,
    duration: float,
    snapshots: int,
    points: int,
    refinement: int,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """A Riemann problem in two dimensions: four states that meet, which the seed draws.

    The kind of problem of Schulz-Rinne, Collins and Glaz, "Numerical solution of the Riemann problem for
    two-dimensional gas dynamics", SIAM Journal on Scientific Computing 14, 1993, with states at random
    in place of those that are joined by single waves. They meet at a random point of the middle.

    Args:
        name: of the data set.
        seed: of the states.
        gamma: ratio of specific heats.
        lowest: least density and pressure.
        highest: largest density and pressure; their logarithms are uniform.
        speed: largest velocity along each side.
        boundary: periodic, where the states meet again at the sides, or outflow.
        duration: the last stored time; the first is 0.
        snapshots: stored times, evenly spaced.
        points: stored cells along each side.
        refinement: solver cells per stored cell along each side.
        cfl: Courant number of the solver.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation.
    """
    settings = dict(locals())
    positive("the flow", lowest=lowest, highest=highest)
    at_least(lowest, highest=highest)
    at_least(0.0, speed=speed)
    if boundary not in SIDES:
        raise SettingsError("the flow", f"boundary={boundary!r}", "give periodic or outflow")
    random = np.random.default_rng(seed)
    scalars = torch.from_numpy(np.exp(random.uniform(math.log(lowest), math.log(highest), (2, 2, 2))))
    velocity = torch.from_numpy(random.uniform(-speed, speed, (2, 2, 2)))
    centre = random.uniform(0.4, 0.6, 2)

    def state(points_: Tensor) -> dict[str, Tensor]:
        right, upper = (points_[:, 0] > centre[0]).long(), (points_[:, 1] > centre[1]).long()
        values = [*scalars[:1], *velocity, *scalars[1:]]
        return {name: part[right, upper] for name, part in zip(gas.PRIMITIVE, values, strict=True)}

    return _simulated(state, settings, boundary, progress)


def simulate_vortices(
    *,
    name: str,
    seed: int,
    gamma: float,
    count: int,
    strength: float,
    radius: float,
    stream: float,
    duration: float,
    snapshots: int,
    points: int,
    refinement: int,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """Isentropic vortices in a periodic square, whose places, senses and stream the seed draws.

    Each alone would be carried along unchanged (Shu 1997, section 5.2); together they turn about each
    other, and their sum is no exact solution.

    Args:
        name: of the data set.
        seed: of places, sizes and directions.
        gamma: ratio of specific heats.
        count: of the vortices.
        strength: largest velocity around each, over the speed of sound far away, which is 1.
        radius: at which it is reached; that of each is up to a third smaller.
        stream: largest velocity along each side that carries them.
        duration: the last stored time; the first is 0.
        snapshots: stored times, evenly spaced.
        points: stored cells along each side.
        refinement: solver cells per stored cell along each side.
        cfl: Courant number of the solver.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation, such as vortices too strong for a positive pressure.
    """
    settings = dict(locals())
    positive("the flow", strength=strength, radius=radius)
    at_least(1, count=count)
    at_least(0.0, stream=stream)
    random = np.random.default_rng(seed)
    places, turns = random.random((count, 2)), random.uniform(0.5, 1, count) * random.choice([-1, 1], count)
    radii, carried = radius * random.uniform(2 / 3, 1, count), random.uniform(-stream, stream, 2)

    def state(points_: Tensor) -> dict[str, Tensor]:
        u, v = (torch.full_like(points_[:, 0], float(each)) for each in carried)
        cooling = torch.zeros_like(u)
        for place, turn, size in zip(places, turns, radii, strict=True):
            # The nearest image; radii are small beside the square, so that its sides are not seen.
            x, y = ((points_ - torch.from_numpy(place) + 0.5) % 1 - 0.5).unbind(1)
            bell = torch.exp((1 - (x * x + y * y) / size**2) / 2)
            u, v = u - strength * turn * bell * y / size, v + strength * turn * bell * x / size
            cooling = cooling + (gamma - 1) / 2 * (strength * turn) ** 2 * bell**2
        warmth = 1 - cooling  # p / rho over its value far away, 1 / gamma
        if not bool((warmth > 0).all()):
            raise SettingsError("the flow", "vortices so strong leave no pressure", "lower strength or count")
        density = warmth ** (1 / (gamma - 1))
        return {"density": density, "velocity_x": u, "velocity_y": v, "pressure": density * warmth / gamma}

    state(torch.from_numpy(places))  # the pressure is least in the middle of a vortex
    return _simulated(state, settings, "periodic", progress)


def _layer(y: Tensor, width: float) -> Tensor:
    """1 between 1/4 and 3/4 and 0 outside, with layers of a width; of period 1."""
    images = [torch.tanh((y - 0.25 - m) / width) - torch.tanh((y - 0.75 - m) / width) for m in (-1, 0, 1)]
    return torch.stack(images).sum(0) / 2


def _simulated(
    state: State, settings: Mapping[str, Any], boundary: str, progress: Callable[[float], None] | None
) -> Flow:
    """The flow that begins with a drawn state, and what it was drawn by."""
    at_least(0, seed=settings["seed"])
    shared = ("duration", "snapshots", "points", "refinement", "cfl")
    drawn = {k: float(v) for k, v in settings.items() if isinstance(v, int | float) and k not in shared}
    return gas_in_square(state, settings, boundary, progress, parameters=drawn, flattening=True)
