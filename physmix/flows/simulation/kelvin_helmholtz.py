"""The Kelvin-Helmholtz instability of two streams of gas, simulated.

McNally, Lyra and Passy, "A well-posed Kelvin-Helmholtz instability test and comparison", Astrophysical
Journal Supplement Series 201, 2012, article 18, section 2: the layers between the streams have a width,
so that the flow converges as the mesh is refined.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from physmix.flows.flow import Flow
from physmix.flows.simulation.gas_in_square import gas_in_square

_DENSITIES, _VELOCITIES = (1.0, 2.0), (0.5, -0.5)
_WIDTH, _SPEED, _PRESSURE = 0.025, 0.01, 2.5


def simulate_kelvin_helmholtz(
    *,
    name: str,
    gamma: float,
    duration: float,
    snapshots: int,
    points: int,
    refinement: int,
    cfl: float,
    progress: Callable[[float], None] | None = None,
) -> Flow:
    """Two streams in a periodic unit square, by the compressible solver of pyro, without viscosity.

    A stream of density 2 and velocity -1/2 lies in 1/4 < y < 3/4 beside one of density 1 and velocity
    1/2; the pressure is 5/2, and v = 0.01 sin(4 pi x) grows. The solver runs on cells `refinement`
    times finer than the stored ones; stored values are averages of the conserved variables over the
    stored cells, turned into primitive ones, so that every total is kept.

    Args:
        name: of the data set.
        gamma: ratio of specific heats; 5/3 in the paper.
        duration: the last stored time; the first is 0. The layers roll up at about 1.5.
        snapshots: the number of stored times, evenly spaced.
        points: stored cells along each side.
        refinement: solver cells per stored cell along each side.
        cfl: Courant number of the solver's steps.
        progress: called with the simulated time after each snapshot.

    Raises:
        MissingPackageError: if pyro-hydro is not installed.
        SettingsError: if the numbers make no simulation.
    """
    settings = dict(locals())
    return gas_in_square(two_streams, settings, "periodic", progress, parameters={"gamma": gamma})


def two_streams(points: torch.Tensor) -> dict[str, torch.Tensor]:
    """The primitive fields at t = 0 at points (point, 2) of x, y; section 2 of the paper."""
    x, y = points.unbind(1)
    # How far from a layer, and whether inside: each field relaxes over the width on both sides.
    away = torch.minimum((y - 0.25).abs(), (y - 0.75).abs())
    inside = (y > 0.25) & (y < 0.75)
    share = torch.exp(-away / _WIDTH) / 2

    def layered(outer: float, inner: float) -> torch.Tensor:
        return torch.where(inside, inner + (outer - inner) * share, outer + (inner - outer) * share)

    return {
        "density": layered(*_DENSITIES),
        "velocity_x": layered(*_VELOCITIES),
        "velocity_y": _SPEED * torch.sin(4 * math.pi * x),
        "pressure": torch.full_like(x, _PRESSURE),
    }
