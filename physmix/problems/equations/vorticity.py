"""Incompressible flow in two dimensions without its pressure."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.equations.equations import Equations
from physmix.problems.equations.incompressible import Number, check_damping, number
from physmix.problems.state import State, space


def VorticityTransport(coordinates: Sequence[str], viscosity: Number) -> Equations:  # noqa: N802
    """w_t + u . grad w = nu laplacian w with w = d uy / dx - d ux / dy, and div u = 0 exactly.

    The curl of the momentum equation: half the weights of `NavierStokes`, one derivative more, and
    no pressure, which is unbounded in corners whose walls slide. It determines the flow in a region
    without holes whose boundary velocities are given.

    Args:
        coordinates: "xy" or "txy".
        viscosity: nu, kinematic, in units of length^2 / time; a name makes it an unknown number.

    Raises:
        SettingsError: if the space is not x and y, or the viscosity is negative.
    """
    if space(coordinates) != ("x", "y"):
        raise SettingsError("the vorticity", f"its coordinates are {tuple(coordinates)}", "give xy or txy")
    check_damping("the vorticity", viscosity=viscosity)

    def slope(y: State, along: str) -> Tensor:
        return y.d("uy", "x" + along) - y.d("ux", "y" + along)

    def residual(y: State) -> dict[str, Tensor]:
        carried = y["ux"] * slope(y, "x") + y["uy"] * slope(y, "y")
        total = carried - number(y, viscosity) * (slope(y, "xx") + slope(y, "yy"))
        return {"vorticity": total + slope(y, "t") if "t" in y.coordinates else total}

    return Equations(
        "vorticity transport",
        coordinates,
        ("ux", "uy"),
        {"mass": "div(u) = 0"},
        residual,
        vectors=("u",),
    )
