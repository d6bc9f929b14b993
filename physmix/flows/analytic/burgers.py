"""Burgers' equation from a sine, by the transform of Cole and Hopf.

Cole, "On a quasi-linear parabolic equation occurring in aerodynamics", Quarterly of Applied
Mathematics 9, 1951, pages 225-236; Hopf, "The partial differential equation u_t + u u_x = mu u_xx",
Communications on Pure and Applied Mathematics 3, 1950, pages 201-230. The case and its largest slope
are those of Basdevant et al., "Spectral and finite difference solutions of the Burgers equation",
Computers & Fluids 14, 1986, pages 23-41.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.flows.checks import positive
from physmix.flows.solution import Solution

_STEP = 0.05
_CHUNK = 4096


@dataclass(frozen=True)
class Burgers(Solution):
    """u_t + u u_x = viscosity u_xx from u = -sin(pi x), of period 2 along x; zero at x = -1, 0, 1.

    With u = -2 viscosity d/dx log(phi) the equation is that of heat, so u is a quotient of two integrals
    over the heat kernel. The trapezoidal rule converges faster than any power on them, and sums
    exponentials after taking out the largest: the error is that of rounding.

    Attributes:
        viscosity: 0.01 / pi in most tests.

    Raises:
        SettingsError: if the viscosity is not positive.
    """

    viscosity: float = 0.01 / math.pi

    coordinates = "tx"
    names = ("u",)

    def __post_init__(self) -> None:
        positive("Burgers' equation", viscosity=self.viscosity)

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        t, x = points.unbind(1)
        parts = [self._quotient(*part) for part in zip(t.split(_CHUNK), x.split(_CHUNK), strict=True)]
        return (torch.cat(parts),)

    def _quotient(self, t: Tensor, x: Tensor) -> Tensor:
        height = 1 / (2 * math.pi * self.viscosity)
        # Beyond this the kernel is below e^-40 of the largest term, whatever phi is.
        reach = math.sqrt(2 * height + 40)
        half = math.ceil(reach / _STEP)
        nodes = torch.arange(-half, half + 1, dtype=x.dtype, device=x.device) * _STEP
        places = math.pi * (x[:, None] - torch.sqrt(4 * self.viscosity * t)[:, None] * nodes)
        weights = torch.softmax(-height * torch.cos(places) - nodes**2, dim=1)
        return -(torch.sin(places) * weights).sum(1)
