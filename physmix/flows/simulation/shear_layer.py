"""Two shear layers in a periodic square: incompressible, unsteady, by the spectral method of torch-cfd.

The case of Brown and Minion, "Performance of under-resolved two-dimensional incompressible flow
simulations", Journal of Computational Physics 122, 1995, pages 165-183, after Bell, Colella and Glaz 1989.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from physmix.errors import MissingPackageError, SettingsError
from physmix.flows.checks import at_least, positive
from physmix.flows.flow import Flow
from physmix.flows.record import Record
from physmix.flows.simulation.fourier import FourierFlow, fields_of_vorticity, wave_numbers
from physmix.flows.simulation.provenance import made_by

PACKAGE = "torch-cfd"
_IMAGES = range(-2, 3)


def shear_layers(points: Tensor, *, steepness: float = 30.0, push: float = 0.05) -> tuple[Tensor, Tensor]:
    """Velocities along x and y at t = 0, at points (point, 2) of x and y.

    u = tanh(s (y - 1/4)) below y = 1/2 and tanh(s (3/4 - y)) above, v = push sin(2 pi x), as in
    the case, with all periodic images of the layers added, which makes it smooth; at s = 30 that
    changes u by less than 1e-6.
    """
    x, y = points.unbind(1)
    layers = [
        torch.tanh(steepness * (y - 0.25 - m)) - torch.tanh(steepness * (y - 0.75 - m)) for m in _IMAGES
    ]
    return torch.stack(layers).sum(0) - 1, push * torch.sin(2 * math.pi * x)


def solve_shear_layer(
    *,
    reynolds: float = 1000.0,
    duration: float = 1.0,
    snapshots: int = 11,
    modes: int = 256,
    step: float = 1e-3,
    steepness: float = 30.0,
    push: float = 0.05,
    progress: Callable[[float], None] | None = None,
) -> Record:
    """The flow of two shear layers that roll up, at any point and at evenly spaced times.

    Lengths are in sides of the square, velocities in that of the streams, the pressure is over the
    density and of mean zero. The solver is torch-cfd's for the vorticity, pseudo-spectral with the rule
    of 2/3, Runge-Kutta of fourth order for what is carried along and Crank-Nicolson for viscosity, in
    double precision; velocities come from the stream function, so their divergence is zero to rounding.

    Args:
        reynolds: of the side and the velocity of the streams.
        duration: the last stored time; the first is 0.
        snapshots: the number of stored times, evenly spaced.
        modes: Fourier modes along each side, an even number.
        step: the largest in time.
        steepness: inverse thickness of the layers.
        push: largest velocity across them at t = 0.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if torch-cfd is not installed.
        SettingsError: if the numbers make no simulation, or the step is too long.
    """
    positive("the flow", reynolds=reynolds, duration=duration, step=step, steepness=steepness)
    at_least(2, snapshots=snapshots)
    at_least(8, modes=modes)
    if modes % 2:
        raise SettingsError("the flow", f"modes={modes}", "give an even number")
    times = np.linspace(0.0, duration, snapshots)
    places = torch.arange(modes, dtype=torch.float64) / modes
    kx, ky = wave_numbers(modes)
    start = torch.stack(
        shear_layers(torch.cartesian_prod(places, places), steepness=steepness, push=push)
    ).view(2, modes, modes)
    u, v = torch.fft.rfft2(start)
    vorticity = 1j * (kx * v - ky * u)
    states = []
    with _double_precision():
        equations = _equations(modes, 1 / reynolds)
        for index, time in enumerate(times):
            if index:
                steps = math.ceil((time - times[index - 1]) / step - 1e-9)
                with torch.no_grad():
                    vorticity, _ = equations(vorticity, (time - times[index - 1]) / steps, steps)
            states.append(FourierFlow(fields_of_vorticity(vorticity)))
            if not states[-1].modes.isfinite().all():
                raise SettingsError("the flow", f"the solver failed before t={time:g}", "give a shorter step")
            if progress is not None:
                progress(float(time))
    return Record(times, states)


@contextlib.contextmanager
def _double_precision() -> Iterator[None]:
    """The solver makes its wave numbers and coefficients in torch's default precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _equations(modes: int, viscosity: float) -> Any:
    """Takes modes of the vorticity, a step and a number of steps to the modes after them."""
    try:
        from torch_cfd.grids import Grid  # noqa: PLC0415  optional
        from torch_cfd.spectral import NavierStokes2DSpectral, RK4CrankNicolsonStepper  # noqa: PLC0415
    except ImportError as error:
        raise MissingPackageError(PACKAGE, "simulate") from error
    grid = Grid((modes, modes), domain=((0.0, 1.0), (0.0, 1.0)))
    return NavierStokes2DSpectral(viscosity, grid, step_fn=RK4CrankNicolsonStepper())


def simulate_shear_layer(
    *,
    name: str,
    reynolds: float,
    duration: float,
    snapshots: int,
    points: int,
    modes: int,
    step: float,
    steepness: float,
    push: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """The flow of `solve_shear_layer`, with its values at the centres of points x points even cells.

    Args:
        name: of the data set.
        reynolds: of the side and the velocity of the streams.
        duration: the last stored time; the first is 0.
        snapshots: the number of stored times, evenly spaced.
        points: stored points along each side.
        modes: Fourier modes along each side, an even number.
        step: the largest in time.
        steepness: inverse thickness of the layers.
        push: largest velocity across them at t = 0.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if torch-cfd is not installed.
        SettingsError: if the numbers make no simulation, or the step is too long.
    """
    settings = dict(locals())
    at_least(2, points=points)
    record = solve_shear_layer(
        reynolds=reynolds,
        duration=duration,
        snapshots=snapshots,
        modes=modes,
        step=step,
        steepness=steepness,
        push=push,
        progress=progress,
    )
    axis = (np.arange(points) + 0.5) / points
    return record.on_grid(
        name,
        {"x": axis, "y": axis.copy()},
        time=record.times,
        boundary={"x": "PERIODIC", "y": "PERIODIC"},
        parameters={"reynolds": reynolds, "viscosity": 1 / reynolds},
        provenance=made_by(
            PACKAGE, "NavierStokes2DSpectral, RK4 and Crank-Nicolson", settings, values="point values"
        ),
    )
