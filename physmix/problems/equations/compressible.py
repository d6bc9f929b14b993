"""Compressible flow of an ideal gas: Euler, or Navier-Stokes with a viscosity; in two lawful forms."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.equations.equations import Equations
from physmix.problems.equations.incompressible import Number, check_damping, number
from physmix.problems.state import State, space

Viscosity = Number | Callable[[State], Tensor]
"""A number, the name of an unknown one, or a function of the state, such as Sutherland's law."""


def CompressibleFlow(  # noqa: N802  it reads like the classes beside it
    coordinates: Sequence[str],
    gamma: float = 1.4,
    *,
    viscosity: Viscosity = 0.0,
    prandtl: float = 0.72,
    exact: Literal["mass", "all", "apart"] = "all",
) -> Equations:
    """Mass, momentum and energy of an ideal gas with p = (gamma - 1) (E - |m|^2 / 2 rho).

    With exact="all" the fields are rho, m, the momentum flux s, E and the energy flux F; all three laws are
    held by the weights, also across a shock, and what is left are the definitions of s and F. "apart" is
    the same with a mass flux q of its own, so that all three fluxes may be given at walls at once; that q
    is m is left as well. With "mass" the fields are rho, m and p, and momentum and pressure follow
    equations without conservation.

    Args:
        coordinates: of space, with t or without: "tx", "txy", "xy", ...
        gamma: ratio of specific heats.
        viscosity: mu, dynamic, in units of density * length^2 / time; 0 is Euler. One that is the same per
            mass everywhere is `lambda y: nu * y["rho"]`.
        prandtl: number, of the heat conduction mu gamma / (gamma - 1) / Pr, for a gas constant of one.
        exact: which laws the weights hold.

    Raises:
        SettingsError: if there are no one to three coordinates of space, gamma is not above one, or the
            viscosity is negative.
    """
    axes = space(coordinates)
    if len(axes) not in (1, 2, 3) or not gamma > 1:
        raise SettingsError(
            "compressible flow", f"space {axes}, gamma={gamma}", "give x, y, z and gamma above 1"
        )
    if not callable(viscosity):
        check_damping("compressible flow", viscosity=viscosity)
    gas = _Gas(axes, gamma, viscosity, prandtl)
    momenta = tuple(f"m{a}" for a in axes)
    rate = "dt({}) + " if "t" in coordinates else ""
    speeds = {f"u{a}": gas.velocity(a) for a in axes}
    if exact == "mass":
        if viscosity != 0.0:
            raise SettingsError("compressible flow", "a viscosity needs the fluxes", 'use exact="all"')
        return Equations(
            "compressible flow",
            coordinates,
            ("rho", *momenta, "p"),
            {"mass": rate.format("rho") + "div(m) = 0"},
            gas.primitive,
            vectors=("m",),
            derived=speeds,
        )
    pairs = tuple(itertools.combinations_with_replacement(axes, 2))
    apart = exact == "apart"
    laws = {
        "mass": rate.format("rho") + _divergence("q" if apart else "m", axes),
        **{f"momentum_{a}": rate.format(f"m{a}") + _divergence_of(a, axes) for a in axes},
        "energy": rate.format("E") + _divergence("F", axes),
    }

    def constitutive(y: State) -> dict[str, Tensor]:
        found = {f"stress_{a}{b}": y[f"s{a}{b}"] - gas.stress(y, a, b) for a, b in pairs}
        found |= {f"energy_{a}": y[f"F{a}"] - gas.energy_flux(y, a) for a in axes}
        return found | ({f"mass_{a}": y[f"q{a}"] - y[f"m{a}"] for a in axes} if apart else {})

    return Equations(
        "compressible flow",
        coordinates,
        (
            "rho",
            *(f"q{a}" for a in axes if apart),
            *momenta,
            *(f"s{a}{b}" for a, b in pairs),
            "E",
            *(f"F{a}" for a in axes),
        ),
        laws,
        constitutive,
        derived={"p": gas.pressure, **speeds},
    )


def _divergence(name: str, axes: Sequence[str]) -> str:
    return " + ".join(f"d{a}({name}{a})" for a in axes) + " = 0"


def _divergence_of(row: str, axes: Sequence[str]) -> str:
    return " + ".join(f"d{a}(s{''.join(sorted(row + a))})" for a in axes) + " = 0"


class _Gas:
    """What follows from rho, m and E at a point."""

    def __init__(self, axes: Sequence[str], gamma: float, viscosity: Viscosity, prandtl: float) -> None:
        self.axes, self.gamma, self.viscosity, self.prandtl = tuple(axes), gamma, viscosity, prandtl

    def velocity(self, a: str) -> Callable[[State], Tensor]:
        return lambda y: y[f"m{a}"] / y["rho"]

    def pressure(self, y: State) -> Tensor:
        kinetic = sum((y[f"m{a}"] ** 2 for a in self.axes), start=torch.zeros_like(y["rho"])) / (2 * y["rho"])
        return (self.gamma - 1) * (y["E"] - kinetic)

    def stress(self, y: State, a: str, b: str) -> Tensor:
        flux = y[f"m{a}"] * y[f"m{b}"] / y["rho"]
        if a == b:
            flux = flux + self.pressure(y)
        return flux - self._viscous(y, a, b) if self.viscosity != 0.0 else flux

    def energy_flux(self, y: State, a: str) -> Tensor:
        flux = (y["E"] + self.pressure(y)) * y[f"m{a}"] / y["rho"]
        if self.viscosity == 0.0:
            return flux
        for b in self.axes:
            flux = flux - self._viscous(y, a, b) * y[f"m{b}"] / y["rho"]
        conductivity = self._mu(y) * self.gamma / (self.gamma - 1) / self.prandtl
        return flux - conductivity * self._temperature_slope(y, a)

    def _viscous(self, y: State, a: str, b: str) -> Tensor:
        strain = self._slope(y, a, b) + self._slope(y, b, a)
        if a == b:
            strain = strain - 2 / 3 * sum(self._slope(y, c, c) for c in self.axes)
        return self._mu(y) * strain

    def _mu(self, y: State) -> Tensor | float:
        return self.viscosity(y) if callable(self.viscosity) else number(y, self.viscosity)

    def _slope(self, y: State, a: str, along: str) -> Tensor:
        """The derivative of the velocity u_a."""
        return (y.d(f"m{a}", along) - y[f"m{a}"] / y["rho"] * y.d("rho", along)) / y["rho"]

    def _temperature_slope(self, y: State, along: str) -> Tensor:
        """Of T = p / rho."""
        rise = y.d("E", along)
        for a in self.axes:
            u = y[f"m{a}"] / y["rho"]
            rise = rise - u * y.d(f"m{a}", along) + u**2 / 2 * y.d("rho", along)
        pressure_slope = (self.gamma - 1) * rise
        return (pressure_slope - self.pressure(y) / y["rho"] * y.d("rho", along)) / y["rho"]

    def primitive(self, y: State) -> dict[str, Tensor]:
        """Momentum over density, and the equation of the pressure."""
        u = {a: y[f"m{a}"] / y["rho"] for a in self.axes}
        spread = sum(self._slope(y, a, a) for a in self.axes)
        pressure = self.gamma * y["p"] * spread + sum(u[a] * y.d("p", a) for a in self.axes)
        found = {}
        for a in self.axes:
            pushed = y.d("p", a) / y["rho"] + sum(u[b] * self._slope(y, a, b) for b in self.axes)
            found[f"momentum_{a}"] = pushed + self._slope(y, a, "t") if "t" in y.coordinates else pushed
        found["pressure"] = pressure + y.d("p", "t") if "t" in y.coordinates else pressure
        return found
