"""A Beltrami flow: three-dimensional, incompressible, unsteady; its vorticity is along its velocity.

Ethier and Steinman, "Exact fully 3D Navier-Stokes solutions for benchmarking", International Journal
for Numerical Methods in Fluids 19, 1994, pages 369-375.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.flows.checks import positive
from physmix.flows.solution import Solution


@dataclass(frozen=True)
class Beltrami(Solution):
    """u = -a (e^(a x) sin(a y + d z) + e^(a z) cos(a x + d y)) e^(-d^2 t / Re), v and w by cycling x, y, z.

    It obeys du/dt + u . grad(u) + grad(p) = laplacian(u) / Re and div(u) = 0, and curl(u) is a multiple
    of u wherever it is.

    Attributes:
        a: growth rate in space.
        d: wave number in space.
        reynolds: Re = 1 / viscosity.

    Raises:
        SettingsError: if a number is not positive.
    """

    a: float = 1.0
    d: float = 1.0
    reynolds: float = 1.0

    coordinates = "txyz"
    names = ("velocity_x", "velocity_y", "velocity_z", "pressure")

    def __post_init__(self) -> None:
        positive("the Beltrami flow", a=self.a, d=self.d, reynolds=self.reynolds)

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        t, x, y, z = points.unbind(1)
        a, d = self.a, self.d
        decay = torch.exp(-(d**2) * t / self.reynolds)
        cycles = ((x, y, z), (y, z, x), (z, x, y))
        velocity = [
            -a
            * decay
            * (torch.exp(a * r) * torch.sin(a * s + d * q) + torch.exp(a * q) * torch.cos(a * r + d * s))
            for r, s, q in cycles
        ]
        crossed = [
            2 * torch.sin(a * r + d * s) * torch.cos(a * q + d * r) * torch.exp(a * (s + q))
            for r, s, q in cycles
        ]
        squares = [torch.exp(2 * a * r) for r in (x, y, z)]
        return (*velocity, -(a**2) / 2 * decay**2 * torch.stack(squares + crossed).sum(0))
