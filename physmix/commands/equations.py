"""Equations by the short names of configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from physmix.commands.notation import Notation
from physmix.errors import SettingsError, listing
from physmix.problems import (
    AdvectionDiffusion,
    Boussinesq,
    Burgers,
    CompressibleFlow,
    Equations,
    NavierStokes,
    VorticityTransport,
)


def _one_of(exact: str, *known: str) -> str:
    if exact not in known:
        raise SettingsError("the equations", f"exact={exact!r}", f"choose from {listing(known)}")
    return exact


def _navier_stokes(
    *,
    coordinates: Sequence[str],
    notation: Notation,
    viscosity: float | str,
    exact: str = "mass",
    pressure: bool = True,
) -> Equations:
    laws: Any = _one_of(exact, "mass", "mass and momentum")
    return NavierStokes(coordinates, notation.number(viscosity), exact=laws, pressure=pressure)


def _vorticity_transport(
    *, coordinates: Sequence[str], notation: Notation, viscosity: float | str
) -> Equations:
    return VorticityTransport(coordinates, notation.number(viscosity))


def _boussinesq(
    *,
    coordinates: Sequence[str],
    notation: Notation,
    viscosity: float | str,
    diffusivity: float | str,
    buoyancy: Mapping[str, Any],
) -> Equations:
    along = {str(axis): notation.number(value) for axis, value in buoyancy.items()}
    pull = Notation.of(along, {}).constants
    return Boussinesq(coordinates, notation.number(viscosity), notation.number(diffusivity), pull)


def _compressible(
    *,
    coordinates: Sequence[str],
    notation: Notation,
    gamma: float = 1.4,
    viscosity: float | str = 0.0,
    prandtl: float = 0.72,
    exact: str = "all",
) -> Equations:
    laws: Any = _one_of(exact, "mass", "all", "apart")
    mu = notation.number(viscosity)
    named = not isinstance(mu, str) or mu.isidentifier()  # else it is a formula, such as nu*rho
    held = mu if named else notation.formula(mu)
    return CompressibleFlow(coordinates, gamma, viscosity=held, prandtl=prandtl, exact=laws)


def _burgers(*, coordinates: Sequence[str], notation: Notation, viscosity: float | str) -> Equations:
    del coordinates  # t, x; a problem refuses others
    return Burgers(notation.number(viscosity))


def _advection_diffusion(
    *, coordinates: Sequence[str], notation: Notation, diffusivity: float | str, velocity: Sequence[str]
) -> Equations:
    formulas = [notation.formula(text) for text in velocity]
    return AdvectionDiffusion(
        coordinates, notation.number(diffusivity), lambda y: [formula(y) for formula in formulas]
    )


def _own(
    *,
    coordinates: Sequence[str],
    notation: Notation,
    fields: Sequence[str],
    laws: Mapping[str, Any] | None = None,
    residuals: Mapping[str, Any] | None = None,
    vectors: Sequence[str] = (),
    tensors: Sequence[str] = (),
    sizes: Mapping[str, Any] | None = None,
) -> Equations:
    return Equations(
        "equations",
        coordinates,
        fields,
        {str(name): str(text) for name, text in (laws or {}).items()},
        notation.residual(residuals) if residuals else None,
        vectors=vectors,
        tensors=tensors,
        sizes=Notation.of(sizes or {}, {}).constants,
    )


EQUATIONS: dict[str, Callable[..., Equations]] = {
    "advection_diffusion": _advection_diffusion,
    "boussinesq": _boussinesq,
    "burgers": _burgers,
    "compressible": _compressible,
    "navier_stokes": _navier_stokes,
    "own": _own,
    "vorticity_transport": _vorticity_transport,
}
