"""The exact solution of the Riemann problem of a perfect gas, and Sod's tube.

Equations are numbered as in Toro, "Riemann Solvers and Numerical Methods for Fluid Dynamics", 3rd ed.,
2009, chapter 4. The tube is that of Sod, "A survey of several finite difference methods for systems of
nonlinear hyperbolic conservation laws", Journal of Computational Physics 27, 1978, pages 1-31.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.optimize import brentq
from torch import Tensor

from physmix.errors import SettingsError
from physmix.flows.checks import positive
from physmix.flows.solution import Solution

State = tuple[float, float, float]
"""Density, velocity and pressure."""


@dataclass(frozen=True)
class Riemann(Solution):
    """Two states of a perfect gas side by side at t = 0, and what becomes of them.

    The default is Sod's tube: a fan to the left, a contact and a shock to the right. On a discontinuity
    the value is that from the right.

    Attributes:
        left, right: density, velocity and pressure on each side.
        gamma: ratio of specific heats.
        diaphragm: the place of the jump at t = 0.

    Raises:
        SettingsError: if a density or pressure is not positive, or the two states part so fast that a
            vacuum opens.
    """

    left: State = (1.0, 0.0, 1.0)
    right: State = (0.125, 0.0, 0.1)
    gamma: float = 1.4
    diaphragm: float = 0.5

    coordinates = "tx"
    names = ("density", "velocity_x", "pressure")

    def __post_init__(self) -> None:
        where = "the Riemann problem"
        for density, _, pressure in (self.left, self.right):
            positive(where, density=density, pressure=pressure)
        positive(where, **{"gamma - 1": self.gamma - 1})
        if not all(map(math.isfinite, (self.left[1], self.right[1], self.diaphragm))):
            raise SettingsError(where, f"left={self.left}, right={self.right}", "give finite numbers")
        parting = self.right[1] - self.left[1]
        if 2 / (self.gamma - 1) * (self._sound(self.left) + self._sound(self.right)) <= parting:  # (4.40)
            raise SettingsError(where, f"a vacuum opens at a difference of velocity {parting}", "lower it")

    @cached_property
    def star(self) -> tuple[float, float]:
        """Pressure and velocity between the waves; 0.30313 and 0.92745 for Sod's tube."""
        states = self.left, self.right
        parting = self.right[1] - self.left[1]

        def excess(pressure: float) -> float:
            return sum(self._jump(pressure, state) for state in states) + parting  # (4.5)

        low, high = 1e-300, max(p for *_, p in states)
        while excess(high) < 0:
            high *= 2
        pressure = float(brentq(excess, low, high, xtol=1e-300, rtol=4 * 2.0**-52, maxiter=1000))
        left, right = (self._jump(pressure, state) for state in states)
        return pressure, (self.left[1] + self.right[1] + right - left) / 2  # (4.9)

    def _sound(self, state: State) -> float:
        density, _, pressure = state
        return math.sqrt(self.gamma * pressure / density)

    def _jump(self, pressure: float, state: State) -> float:
        """What the velocity changes across the wave between a state and a pressure, (4.6) and (4.7)."""
        density, _, other = state
        g = self.gamma
        if pressure > other:
            return (pressure - other) * math.sqrt(2 / density / ((g + 1) * pressure + (g - 1) * other))
        return 2 * self._sound(state) / (g - 1) * ((pressure / other) ** ((g - 1) / (2 * g)) - 1)

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        t, x = points.unbind(1)
        away = x - self.diaphragm
        start = torch.where(away < 0, -math.inf, torch.full_like(away, math.inf))
        speed = torch.where(t > 0, away / torch.where(t > 0, t, 1.0), start)
        _, middle = self.star
        density, u, pressure = self.right
        mirrored = self._side((density, -u, pressure), -middle, -speed)
        right = (mirrored[0], -mirrored[1], mirrored[2])
        behind = speed < middle
        left = self._side(self.left, middle, speed)
        return tuple(torch.where(behind, *pair) for pair in zip(left, right, strict=True))

    def _side(self, state: State, middle: float, speed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A state and the wave to its right, at speeds x / t up to the contact, which moves with `middle`."""
        g, (density, u, p), (star, _) = self.gamma, state, self.star
        sound = self._sound(state)
        if star > p:
            ratio, k = star / p, (g - 1) / (g + 1)
            inner = (density * (ratio + k) / (k * ratio + 1), middle, star)  # (4.50)
            outside = speed < u - sound * math.sqrt((g + 1) / (2 * g) * ratio + (g - 1) / (2 * g))  # (4.52)
            one = torch.ones_like(speed)  # two plain numbers would give single precision
            a, b, c = (torch.where(outside, old * one, new) for old, new in zip(state, inner, strict=True))
            return a, b, c
        tail = middle - sound * (star / p) ** ((g - 1) / (2 * g))  # (4.54), (4.55)
        inside = speed.clamp(u - sound, tail)
        slower = 2 / (g + 1) + (g - 1) / ((g + 1) * sound) * (u - inside)  # (4.56)
        velocity = 2 / (g + 1) * (sound + (g - 1) / 2 * u + inside)
        return density * slower ** (2 / (g - 1)), velocity, p * slower ** (2 * g / (g - 1))
