"""The perfect gas in two dimensions: primitive, conserved and flux variables.

Plain arithmetic, so that every function takes numbers, NumPy arrays and torch tensors alike.
Quantities are dimensionless or in any consistent units: p = (gamma - 1) (E - rho |u|^2 / 2).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from torch import Tensor

Values = TypeVar("Values", float, np.ndarray, Tensor)

PRIMITIVE = ("density", "velocity_x", "velocity_y", "pressure")
CONSERVED = ("rho", "mx", "my", "E")
SPACE_TIME = ("rho", "mx", "my", "sxx", "sxy", "syy")
"""The symmetric space-time tensor [[rho, m], [m, Sigma]]: Sigma = m m^T / rho + p I for Euler."""


def conserved(rho: Values, u: Values, v: Values, p: Values, *, gamma: float) -> tuple[Values, ...]:
    """Density, momenta and total energy per volume, in the order of CONSERVED."""
    return rho, rho * u, rho * v, p / (gamma - 1) + rho * (u * u + v * v) / 2


def primitive(rho: Values, mx: Values, my: Values, energy: Values, *, gamma: float) -> tuple[Values, ...]:
    """Density, velocities and pressure from conserved variables, in the order of PRIMITIVE."""
    u, v = mx / rho, my / rho
    return rho, u, v, (gamma - 1) * (energy - (mx * u + my * v) / 2)


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
