"""The isentropic vortex: an exact, smooth solution of the compressible Euler equations.

Shu, "Essentially non-oscillatory and weighted essentially non-oscillatory schemes", NASA/CR-97-206253,
1997, section 5.2: a vortex in a uniform stream, carried along unchanged.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.flows import gas
from physmix.flows.flow import Flow
from physmix.flows.solution import Solution


@dataclass(frozen=True)
class IsentropicVortex(Solution):
    """A vortex of strength beta at the origin at t = 0, in a periodic square of side `length`.

    All quantities are dimensionless: the stream has density 1 and pressure 1.

    Attributes:
        gamma: ratio of specific heats.
        strength: beta; the largest speed around the centre is beta / (2 pi).
        stream: velocity (x, y) that carries the vortex.
        length: side of the square [-length/2, length/2]^2; the nearest periodic image counts.

    Raises:
        SettingsError: for numbers that describe no such vortex.
    """

    gamma: float = 1.4
    strength: float = 5.0
    stream: tuple[float, float] = (1.0, 0.5)
    length: float = 10.0

    coordinates = "txy"
    names = gas.PRIMITIVE

    def __post_init__(self) -> None:
        numbers = (self.gamma, self.strength, *self.stream, self.length)
        if not all(map(math.isfinite, numbers)) or self.gamma <= 1 or self.length <= 0:
            raise SettingsError(
                "the vortex",
                f"gamma={self.gamma}, strength={self.strength}, stream={self.stream}, length={self.length}",
                "give finite numbers, gamma above 1 and a positive length",
            )
        heat = 1 - (self.gamma - 1) / (2 * self.gamma) * (self.strength / (2 * math.pi)) ** 2 * math.e
        if heat <= 0:
            raise SettingsError(
                "the vortex", f"strength={self.strength} leaves a vacuum in its core", "lower it"
            )

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        t, x, y = points.unbind(1)
        dx, dy = self._wrap(x - self.stream[0] * t), self._wrap(y - self.stream[1] * t)
        swirl = self.strength / (2 * math.pi) * torch.exp((1 - dx**2 - dy**2) / 2)
        heat = 1 - (self.gamma - 1) / (2 * self.gamma) * swirl**2
        density = heat ** (1 / (self.gamma - 1))
        return density, self.stream[0] - dy * swirl, self.stream[1] + dx * swirl, density**self.gamma

    def _wrap(self, distance: Tensor) -> Tensor:
        return (distance + self.length / 2) % self.length - self.length / 2


def exact_solution(flow: Flow) -> IsentropicVortex | None:
    """The exact solution of a flow made by physmix, if it has one."""
    try:
        settings = json.loads(flow.provenance["vortex"])
        return IsentropicVortex(
            float(settings["gamma"]),
            float(settings["strength"]),
            (float(settings["stream"][0]), float(settings["stream"][1])),
            float(settings["length"]),
        )
    except (KeyError, ValueError, TypeError, IndexError, RecursionError, SettingsError):
        return None
