"""Incompressible flow, steady or not, in two or three dimensions, in both lawful forms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.equations.equations import Equations
from physmix.problems.state import State, space

Number = float | str
"""A number, or the name of an unknown one."""
Force = Callable[[State], Mapping[str, Tensor]]
"""From a state to the force per mass along coordinates, by coordinate."""


def number(y: State, value: Number) -> Tensor | float:
    """A number, also where it is an unknown of the problem."""
    return y[value] if isinstance(value, str) else value


def check_damping(what: str, **values: Number) -> None:
    """Refuse a diffusion that would make waves grow, the shorter the faster: no flow has it.

    Raises:
        SettingsError: if a number is negative or not finite.
    """
    for name, value in values.items():
        if not isinstance(value, str) and not 0 <= value < math.inf:
            remedy = "give a number that is not negative, or the name of an unknown"
            raise SettingsError(what, f"its {name} is {value}", remedy)


def NavierStokes(  # noqa: N802  it reads like the classes beside it
    coordinates: Sequence[str],
    viscosity: Number,
    *,
    exact: Literal["mass", "mass and momentum"] = "mass",
    force: Force | None = None,
    pressure: bool = True,
) -> Equations:
    """u_t + u . grad u + grad p = nu laplacian u + f with div u = 0, for a density of one.

    With exact="mass" the fields are the velocities ux, uy (uz) and the pressure p, div u = 0 is held by
    the weights, and the momentum equations are residuals; the momentum flux
    s = u u + p I - nu (grad u + grad u^T) is `derived`. With "mass and momentum" the fields are u and s;
    u_t + div s = 0 is held as well, and what is left is that very definition, without p, which is `derived`.

    Args:
        coordinates: "xy", "txy", "xyz" or "txyz"; without t the flow is steady.
        viscosity: nu, kinematic, in units of length^2 / time; a name makes it an unknown number.
        exact: which laws the weights hold.
        force: per mass, in units of length / time^2; only with exact="mass".
        pressure: whether it is a field. Without it, which needs exact="mass" and no force, the residuals are
            the curl of the momentum equations: in the plane half the unknowns, for derivatives of one
            order more.

    Raises:
        SettingsError: if there are no two or three coordinates of space, the viscosity is negative, a force
            would break a law, or the pressure cannot be left out.
    """
    axes = space(coordinates)
    if len(axes) not in (2, 3) or not set(axes) <= set("xyz"):
        raise SettingsError(
            "Navier-Stokes", f"its space is {axes}", "give x, y or x, y, z, with t first or without"
        )
    check_damping("Navier-Stokes", viscosity=viscosity)
    if not pressure:
        if force is not None or exact != "mass":
            raise SettingsError(
                "Navier-Stokes", "its pressure is left out", 'use exact="mass", without a force'
            )
        return _without_pressure(coordinates, axes, viscosity)
    if exact == "mass":
        return _with_pressure(coordinates, axes, viscosity, force)
    if force is not None:
        raise SettingsError(
            "Navier-Stokes", "a force changes the momentum that is to be exact", 'use exact="mass"'
        )
    pairs = tuple(itertools.combinations_with_replacement(axes, 2))
    rate = "dt(u) + " if "t" in coordinates else ""

    def constitutive(y: State) -> dict[str, Tensor]:
        off = {a + b: y[f"s{a}{b}"] - _flux(y, a, b, viscosity) for a, b in pairs}
        found = {f"shear_{a}{b}": off[a + b] for a, b in pairs if a != b}
        normal = [off[a + a] for a in axes]
        return found | {f"normal_{a}": normal[i + 1] - normal[0] for i, a in enumerate(axes[1:])}

    def mean_normal(y: State) -> Tensor:
        total = y[f"s{axes[0]}{axes[0]}"] - _flux(y, axes[0], axes[0], viscosity)
        for a in axes[1:]:
            total = total + y[f"s{a}{a}"] - _flux(y, a, a, viscosity)
        return total / len(axes)

    return Equations(
        "Navier-Stokes",
        coordinates,
        (*(f"u{a}" for a in axes), *(f"s{a}{b}" for a, b in pairs)),
        {"mass": "div(u) = 0", "momentum": f"{rate}div(s) = 0"},
        constitutive,
        vectors=("u",),
        tensors=("s",),
        derived={"p": mean_normal},
    )


def _with_pressure(
    coordinates: Sequence[str], axes: Sequence[str], viscosity: Number, force: Force | None
) -> Equations:
    def residual(y: State) -> dict[str, Tensor]:
        pull = force(y) if force else {}
        return {f"momentum_{a}": _momentum(y, a, axes, viscosity) - pull.get(a, 0.0) for a in axes}

    def flux(a: str, b: str) -> Callable[[State], Tensor]:
        return lambda y: _flux(y, a, b, viscosity) + (y["p"] if a == b else 0.0)

    return Equations(
        "Navier-Stokes",
        coordinates,
        (*(f"u{a}" for a in axes), "p"),
        {"mass": "div(u) = 0"},
        residual,
        vectors=("u",),
        derived={f"s{a}{b}": flux(a, b) for a, b in itertools.combinations_with_replacement(axes, 2)},
    )


def _momentum(y: State, a: str, axes: Sequence[str], viscosity: Number) -> Tensor:
    name = f"u{a}"
    total = y.d("p", a) - number(y, viscosity) * y.laplacian(name)
    for b in axes:
        total = total + y[f"u{b}"] * y.d(name, b)
    return total + y.d(name, "t") if "t" in y.coordinates else total


def _without_pressure(coordinates: Sequence[str], axes: Sequence[str], viscosity: Number) -> Equations:
    def residual(y: State) -> dict[str, Tensor]:
        pairs = itertools.combinations(axes, 2)
        return {f"vorticity_{a}{b}": _vorticity(y, a, b, axes, viscosity) for a, b in pairs}

    velocity = tuple(f"u{axis}" for axis in axes)
    return Equations("Navier-Stokes", coordinates, velocity, {"mass": "div(u) = 0"}, residual, vectors=("u",))


def _vorticity(y: State, a: str, b: str, axes: Sequence[str], viscosity: Number) -> Tensor:
    """d_a of the momentum equation along b, less d_b of that along a."""

    def spin(along: str) -> Tensor:
        return y.d(f"u{b}", a + along) - y.d(f"u{a}", b + along)

    total = -number(y, viscosity) * sum((spin(2 * c) for c in axes), start=torch.zeros(()))
    for c in axes:
        total = total + y[f"u{c}"] * spin(c)
        total = total + y.d(f"u{c}", a) * y.d(f"u{b}", c) - y.d(f"u{c}", b) * y.d(f"u{a}", c)
    return total + spin("t") if "t" in y.coordinates else total


def _flux(y: State, a: str, b: str, viscosity: Number) -> Tensor:
    """The momentum flux without the pressure."""
    strain = y.d(f"u{a}", b) + y.d(f"u{b}", a)
    return y[f"u{a}"] * y[f"u{b}"] - number(y, viscosity) * strain
