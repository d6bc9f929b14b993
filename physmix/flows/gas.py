"""The perfect gas in one to three dimensions: primitive, conserved and flux variables.

Plain arithmetic, so that every function takes numbers, NumPy arrays and torch tensors alike.
Quantities are dimensionless or in any consistent units: p = (gamma - 1) (E - rho |u|^2 / 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing

Values = TypeVar("Values", float, np.ndarray, Tensor)

PRIMITIVE = ("density", "velocity_x", "velocity_y", "pressure")
CONSERVED = ("rho", "mx", "my", "E")
SPACE_TIME = ("rho", "mx", "my", "sxx", "sxy", "syy")
"""The symmetric space-time tensor [[rho, m], [m, Sigma]]: Sigma = m m^T / rho + p I for Euler."""


def primitive_names(axes: Iterable[str]) -> tuple[str, ...]:
    """Density, velocities and pressure, as PRIMITIVE over other dimensions."""
    return ("density", *(f"velocity_{axis}" for axis in axes), "pressure")


def conserved_names(axes: Iterable[str]) -> tuple[str, ...]:
    """Density, momenta and total energy, as CONSERVED over other dimensions."""
    return ("rho", *(f"m{axis}" for axis in axes), "E")


def conserved(rho: Values, *rest: Values, gamma: float) -> tuple[Values, ...]:
    """Density, momenta and total energy per volume from density, velocities and pressure.

    In the order of CONSERVED and PRIMITIVE, in as many dimensions as there are velocities.
    """
    *velocity, p = rest
    square: Any = sum(u * u for u in velocity)
    momentum: list[Any] = [rho * u for u in velocity]
    return rho, *momentum, p / (gamma - 1) + rho * square / 2


def primitive(rho: Values, *rest: Values, gamma: float) -> tuple[Values, ...]:
    """Density, velocities and pressure from density, momenta and total energy, the inverse of `conserved`."""
    *momentum, energy = rest
    velocity: list[Any] = [m / rho for m in momentum]
    product: Any = sum(m * u for m, u in zip(momentum, velocity, strict=True))
    return rho, *velocity, (gamma - 1) * (energy - product / 2)


@dataclass(frozen=True)
class IdealGas:
    """The equation of state p = (gamma - 1) (E - rho |u|^2 / 2), for states with their channels last.

    Attributes:
        gamma: ratio of specific heats.
    """

    gamma: float

    def conserved(
        self, states: Float[Tensor, "*any channel"], channels: Sequence[str], axes: Sequence[str]
    ) -> Float[Tensor, "*any conserved"]:
        """Conserved channels, as `conserved_names`, from those of a file by their names.

        Raises:
            SettingsError: if density, a velocity or the pressure is not among the channels.
        """
        return self._made(conserved, states, channels, primitive_names(axes))

    def primitive(
        self, states: Float[Tensor, "*any channel"], channels: Sequence[str], axes: Sequence[str]
    ) -> Float[Tensor, "*any primitive"]:
        """Primitive channels, as `primitive_names`, from conserved ones by their names.

        Raises:
            SettingsError: if density, a momentum or the energy is not among the channels.
        """
        return self._made(primitive, states, channels, conserved_names(axes))

    def _made(
        self,
        change: Callable[..., tuple[Tensor, ...]],
        states: Tensor,
        channels: Sequence[str],
        names: Sequence[str],
    ) -> Tensor:
        if absent := [name for name in names if name not in channels]:
            problem = f"there is no {listing(absent)} among {listing(channels)}"
            raise SettingsError("the equation of state", problem, "give all of " + listing(names))
        parts = (states[..., list(channels).index(name)] for name in names)
        return torch.stack(change(*parts, gamma=self.gamma), -1)


def space_time(rho: Values, u: Values, v: Values, p: Values) -> tuple[Values, ...]:
    """Density, momenta and momentum flux of an inviscid gas, in the order of SPACE_TIME."""
    return rho, rho * u, rho * v, rho * u * u + p, rho * u * v, rho * v * v + p


def primitive_from_space_time(
    rho: Values, mx: Values, my: Values, sxx: Values, sxy: Values, syy: Values
) -> tuple[Values, ...]:
    """Primitive variables from the space-time tensor: p = (tr Sigma - |m|^2 / rho) / 2."""
    del sxy
    u, v = mx / rho, my / rho
    return rho, u, v, (sxx + syy - mx * u - my * v) / 2


def constitutive_residual(
    rho: Values, mx: Values, my: Values, sxx: Values, sxy: Values, syy: Values
) -> tuple[Values, Values]:
    """What keeps Sigma from m m^T / rho + p I: its shear, and its normal stress difference."""
    return sxy - mx * my / rho, (sxx - syy) - (mx * mx - my * my) / rho
