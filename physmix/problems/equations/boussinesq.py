"""Buoyant flow in the Boussinesq approximation: exact in volume and heat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.equations.equations import Equations
from physmix.problems.equations.incompressible import NavierStokes, Number, check_damping, number
from physmix.problems.state import State, space


def Boussinesq(  # noqa: N802  it reads like the classes beside it
    coordinates: Sequence[str],
    viscosity: Number,
    diffusivity: Number,
    buoyancy: Mapping[str, float],
) -> Equations:
    """u_t + u . grad u + grad p = nu laplacian u + b T with div u = 0, and T_t + div f = 0.

    The heat flux f = u T - kappa grad T is a field of its own.

    Args:
        coordinates: "xy", "txy", "xyz" or "txyz".
        viscosity: nu, in units of length^2 / time; a name makes it an unknown number.
        diffusivity: kappa of heat, in the same units, or a name.
        buoyancy: b by coordinate, the acceleration per unit of temperature, such as {"y": 9.81 / 300}.

    Raises:
        SettingsError: see `NavierStokes`; or if b has another coordinate, or the diffusivity is negative.
    """
    axes = space(coordinates)
    if not set(buoyancy) <= set(axes):
        raise SettingsError("Boussinesq", f"buoyancy along {sorted(buoyancy)}", f"choose from {axes}")
    check_damping("Boussinesq", diffusivity=diffusivity)
    flow = NavierStokes(
        coordinates, viscosity, force=lambda y: {axis: b * y["T"] for axis, b in buoyancy.items()}
    )
    motion = flow.residual
    assert motion is not None

    def residual(y: State) -> dict[str, Tensor]:
        heat = {
            f"heat_{a}": y[f"f{a}"] - y[f"u{a}"] * y["T"] + number(y, diffusivity) * y.d("T", a) for a in axes
        }
        return {**motion(y), **heat}

    rate = "dt(T) + " if "t" in coordinates else ""
    return Equations(
        "Boussinesq",
        coordinates,
        (*flow.fields, "T", *(f"f{a}" for a in axes)),
        {**flow.laws, "heat": f"{rate}div(f) = 0"},
        residual,
        vectors=("u", "f"),
    )
