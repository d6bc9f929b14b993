"""The Taylor-Green vortex in two dimensions: periodic, incompressible, decaying.

Taylor, "On the decay of vortices in a viscous fluid", Philosophical Magazine 46, 1923, pages 671-674.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.flows.checks import positive
from physmix.flows.solution import Solution


@dataclass(frozen=True)
class TaylorGreen(Solution):
    """u = -cos(x) sin(y) d, v = sin(x) cos(y) d, p = -(cos(2 x) + cos(2 y)) d^2 / 4, d = e^(-2 t / Re).

    It obeys du/dt + u . grad(u) + grad(p) = laplacian(u) / Re and div(u) = 0, with period 2 pi along x
    and y: lengths are in inverse wave numbers, velocities in the largest at t = 0.

    Attributes:
        reynolds: Re, of that length and velocity.

    Raises:
        SettingsError: if the Reynolds number is not positive.
    """

    reynolds: float = 100.0

    coordinates = "txy"
    names = ("velocity_x", "velocity_y", "pressure")

    def __post_init__(self) -> None:
        positive("the Taylor-Green vortex", reynolds=self.reynolds)

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        t, x, y = points.unbind(1)
        decay = torch.exp(-2 * t / self.reynolds)
        u, v = -torch.cos(x) * torch.sin(y) * decay, torch.sin(x) * torch.cos(y) * decay
        return u, v, -(torch.cos(2 * x) + torch.cos(2 * y)) * decay**2 / 4
