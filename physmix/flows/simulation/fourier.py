"""Periodic incompressible flows as Fourier series."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.flows.solution import Solution

_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class FourierFlow(Solution):
    """A flow in the unit square, of period 1, as its Fourier series gives it at any point.

    Attributes:
        modes: coefficients of velocities and pressure, (3, n, n / 2 + 1), as torch.fft.rfft2 gives them.
    """

    modes: Tensor

    coordinates = "xy"
    names = ("velocity_x", "velocity_y", "pressure")

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        out = torch.cat([self._sums(part) for part in points.split(_CHUNK)])
        return tuple(out.unbind(1))

    def _sums(self, points: Tensor) -> Tensor:
        fields, n, half = self.modes.shape
        kx, ky = wave_numbers(n)
        along_x = torch.exp(1j * points[:, :1] * kx.view(-1))
        twice = torch.full((half,), 2.0, dtype=points.dtype)  # each stands for its conjugate as well
        twice[[0, -1]] = 1.0
        along_y = torch.exp(1j * points[:, 1:] * ky.view(-1)) * twice
        rows = along_x @ self.modes.permute(1, 0, 2).reshape(n, -1)
        sums: Tensor = (rows.view(-1, fields, half) * along_y[:, None]).sum(2).real / n**2
        return sums


def wave_numbers(n: int) -> tuple[Tensor, Tensor]:
    """Along x, (n, 1), and along y, (1, n / 2 + 1), in radians."""
    full = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    half = torch.fft.rfftfreq(n, 1 / n, dtype=torch.float64)
    return 2 * math.pi * full[:, None], 2 * math.pi * half[None]


def fields_of_vorticity(vorticity: Tensor) -> Tensor:
    """Modes of velocities and pressure, (3, n, n / 2 + 1), from those of the vorticity."""
    kx, ky = wave_numbers(len(vorticity))
    square = kx**2 + ky**2
    square[0, 0] = 1.0
    stream = vorticity / square
    u, v = 1j * ky * stream, -1j * kx * stream
    physical = torch.fft.irfft2(torch.stack([u, v]))
    force = [
        torch.fft.rfft2((physical * torch.fft.irfft2(1j * torch.stack([kx * part, ky * part]))).sum(0))
        for part in (u, v)
    ]
    pressure = 1j * (kx * force[0] + ky * force[1]) / square  # laplacian(p) = -div(u . grad(u))
    return torch.stack([u, v, pressure])
