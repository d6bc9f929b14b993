"""Scalars in flux form: Burgers, and advection with diffusion; their totals are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.equations.equations import Equations
from physmix.problems.equations.incompressible import Number, check_damping, number
from physmix.problems.state import State, space


def Burgers(viscosity: Number) -> Equations:  # noqa: N802
    """u_t + (u^2 / 2)_x = nu u_xx over t, x: u_t + f_x = 0 is exact, and f = u^2 / 2 - nu u_x is left.

    Args:
        viscosity: nu, in units of length^2 / time; a name makes it an unknown number.

    Raises:
        SettingsError: if the viscosity is negative.
    """
    check_damping("Burgers", viscosity=viscosity)

    def residual(y: State) -> dict[str, Tensor]:
        return {"flux": y["f"] - y["u"] ** 2 / 2 + number(y, viscosity) * y.d("u", "x")}

    return Equations("Burgers", "tx", ("u", "f"), {"momentum": "dt(u) + dx(f) = 0"}, residual)


def AdvectionDiffusion(  # noqa: N802
    coordinates: Sequence[str],
    diffusivity: Number,
    velocity: Callable[[State], Sequence[Tensor | float]],
) -> Equations:
    """c_t + div(u c - kappa grad c) = 0: the fluxes are fields f, c_t + div f = 0 is exact.

    Args:
        coordinates: of space, with t or without.
        diffusivity: kappa, in units of length^2 / time; a name makes it an unknown number.
        velocity: from a state to u, one entry for each coordinate of space.

    Raises:
        SettingsError: if there is no coordinate of space, or the diffusivity is negative.
    """
    axes = space(coordinates)
    if not axes:
        raise SettingsError("advection-diffusion", "there is no coordinate of space", "give x, ...")
    check_damping("advection-diffusion", diffusivity=diffusivity)

    def residual(y: State) -> dict[str, Tensor]:
        carried = velocity(y)
        return {
            f"flux_{a}": y[f"f{a}"] - u * y["c"] + number(y, diffusivity) * y.d("c", a)
            for a, u in zip(axes, carried, strict=True)
        }

    terms = [f"d{a}(f{a})" for a in axes]
    law = " + ".join(["dt(c)", *terms] if "t" in coordinates else terms) + " = 0"
    return Equations(
        "advection-diffusion", coordinates, ("c", *(f"f{a}" for a in axes)), {"scalar": law}, residual
    )
