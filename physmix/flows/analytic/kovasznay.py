"""Kovasznay flow: steady and incompressible, behind a grid of rods.

Kovasznay, "Laminar flow behind a two-dimensional grid", Mathematical Proceedings of the Cambridge
Philosophical Society 44, 1948, pages 58-62: one harmonic of his series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.flows.checks import positive
from physmix.flows.solution import Solution


@dataclass(frozen=True)
class Kovasznay(Solution):
    """u = 1 - e^(l x) cos(2 pi y), v = l / (2 pi) e^(l x) sin(2 pi y), p = -e^(2 l x) / 2.

    With l = Re / 2 - sqrt(Re^2 / 4 + 4 pi^2) it obeys u . grad(u) + grad(p) = laplacian(u) / Re and
    div(u) = 0; lengths are in spacings of the grid, velocities in that of the stream. The pressure is
    that over the density, and tends to 0 down the stream.

    Attributes:
        reynolds: Re, of the stream and the spacing.

    Raises:
        SettingsError: if the Reynolds number is not positive.
    """

    reynolds: float = 40.0

    coordinates = "xy"
    names = ("velocity_x", "velocity_y", "pressure")

    def __post_init__(self) -> None:
        positive("the Kovasznay flow", reynolds=self.reynolds)

    @property
    def decay(self) -> float:
        """The exponent l along x; -0.96374 at Re 40."""
        half = self.reynolds / 2
        return -4 * math.pi**2 / (half + math.hypot(half, 2 * math.pi))  # no cancellation at large Re

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        x, y = points.unbind(1)
        wave = 2 * math.pi
        grown = torch.exp(self.decay * x)
        u = 1 - grown * torch.cos(wave * y)
        v = self.decay / wave * grown * torch.sin(wave * y)
        return u, v, -(grown**2) / 2
