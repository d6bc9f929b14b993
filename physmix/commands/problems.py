"""Problems as configurations hold them: plain keys and formulas, parsed and never evaluated.

region:     {box: {x: [0, 2*pi], y: [0, 1]}}       or {mesh: body.msh}, then box holds t alone, if anything
            periodic: [x]                         where it closes upon itself
            holes: [{x: 0.2, y: 0.2, radius: 0.05}], inside: {floor: y - bump}, grading: {x: [1.0, 2.0]}
equations:  {name: navier_stokes, viscosity: nu}  or advection_diffusion, boussinesq, burgers,
            {name: compressible, gamma: 1.4, exact: mass}, vorticity_transport, or your own:
            {name: own, fields: [T, q], laws: {energy: dt(T) + dx(q) = 0}, residuals: {Fourier: q + k*dx(T)}}
            {name: ..., weighed: x^2 + y^2}       what residuals are multiplied by, where they are singular
conditions: - {where: [x=low], values: {ux: 4*y*(1 - y), uy: 0}}       parts, "boundary" or "start"
            - {where: start, values: {u: sin(pi*x)}, grid: [40]}       at even points
            - {where: [x=low], table: inflow.csv, along: y, fields: [ux]}
            - {where: [x=high], residuals: {force: nu*dx(ux) - p}}
            - {pin: {p: 0}, place: {x: 0, y: 0}}
            - {measured: probes.csv, fields: [ux, uy], deviation: 0.01}
constants:  {nu: 0.02}                            numbers by name
let:        {bump: 0.25*exp(-6*(x - 1.5)^2)}      formulas that others name
unknowns:   {nu: 0.1}                             numbers to be found, with first guesses
points:     3000                                  or a file of points

Beside these are the keys of `solving` (windows, guess), of `features` under model, of `quantities`, and
known:      {u: exp(-t)*sin(x)}                   the solution, as far as it is known, for its errors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from physmix.commands.equations import EQUATIONS
from physmix.commands.notation import Notation
from physmix.commands.registry import call, choose
from physmix.errors import SettingsError, listing
from physmix.flows import read_sensors
from physmix.jets import parse_function
from physmix.problems import (
    Condition,
    Measured,
    Part,
    Pin,
    Problem,
    Region,
    read_points,
    read_profile,
)
from physmix.problems.terms import Given


def read_problem(settings: Mapping[str, Any], seed: int = 0) -> tuple[Problem, Notation]:
    """The problem of a configuration, and what its names stand for.

    Raises:
        SettingsError: for a key that is unknown or missing, or a value of another type.
        FormulaTextError, FunctionTextError: if a formula cannot be read.
        PhysmixError: if a file cannot be read.
    """
    return call(_problem, settings, "the problem", seed=seed)


def _problem(
    *,
    seed: int,
    region: Mapping[str, Any],
    equations: Mapping[str, Any],
    conditions: Sequence[Mapping[str, Any]] = (),
    constants: Mapping[str, Any] | None = None,
    let: Mapping[str, Any] | None = None,
    unknowns: Mapping[str, Any] | None = None,
    points: int | str = 2500,
    boundary_points: int = 800,
) -> tuple[Problem, Notation]:
    notation = Notation.of(constants or {}, let or {})
    where = call(_region, region, "the region", notation=notation)
    kind = choose(EQUATIONS, equations.get("name"), "the equations")
    own = {key: value for key, value in equations.items() if key not in ("name", "weighed")}
    solved = call(kind, own, "the equations", coordinates=where.coordinates, notation=notation)
    if "weighed" in equations:
        solved = solved.weighed(notation.formula(equations["weighed"]))
    held = [_condition(one, where, notation) for one in conditions]
    guesses = Notation.of(unknowns or {}, {}).constants
    inside = read_points(points, where.coordinates) if isinstance(points, str) else points
    return Problem(where, solved, held, guesses, inside, boundary_points, seed), notation


def _region(
    *,
    notation: Notation,
    box: Mapping[str, Any] | None = None,
    mesh: str = "",
    graded: bool = False,
    periodic: Sequence[str] = (),
    holes: Sequence[Mapping[str, Any]] = (),
    inside: Mapping[str, Any] | None = None,
    grading: Mapping[str, Any] | None = None,
) -> Region:
    ends = {str(name): _pair(name, value, notation) for name, value in (box or {}).items()}
    region = Region.from_mesh(mesh, graded=graded, **ends) if mesh else Region(**ends)
    for hole in holes:
        centre = {str(name): value for name, value in hole.items() if name != "radius"}
        if "radius" not in hole or not all(isinstance(v, int | float) for v in hole.values()):
            raise SettingsError("a hole", f"{dict(hole)}", "write {x: 0.2, y: 0.2, radius: 0.05}")
        region = region.without(centre, hole["radius"])
    region = region.periodic(*periodic) if periodic else region
    for name, text in (inside or {}).items():
        region = region.inside(parse_function(notation.written(text), region.coordinates), str(name))
    for name, places in (grading or {}).items():
        if not isinstance(places, list) or not all(isinstance(p, int | float) for p in places):
            raise SettingsError("the region", f"grading of {name}: {places!r}", "give a list of places")
        region = region.graded(**{str(name): places})
    return region


def _pair(name: object, value: object, notation: Notation) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise SettingsError("the region", f"{name}: {value!r}", "give the lowest and highest value, [0, 1]")
    return notation.value(value[0]), notation.value(value[1])


def _condition(settings: Mapping[str, Any], region: Region, notation: Notation) -> Condition | Pin | Measured:
    kind = next((name for name in _CONDITIONS if name in settings), None)
    if kind is None:
        remedy = f"give one of {listing(_CONDITIONS)}"
        raise SettingsError("a condition", f"its keys are {listing(settings)}", remedy)
    return call(_CONDITIONS[kind], settings, "a condition", region=region, notation=notation)


def parts_of(region: Region, where: str | Sequence[str]) -> list[Part]:
    """Parts by name; "boundary" are all in space, "start" is the first time.

    Raises:
        SettingsError: if there is none of a name.
    """
    found: list[Part] = []
    for name in [where] if isinstance(where, str) else where:
        if name == "boundary" and name not in region.parts:
            found += region.boundary
        else:
            found.append(region.part("t=low" if name == "start" else name))
    return found


def _on_parts(
    *,
    region: Region,
    notation: Notation,
    where: str | Sequence[str],
    values: Mapping[str, Any] | None = None,
    table: str = "",
    along: str = "",
    fields: Sequence[str] = (),
    residuals: Mapping[str, Any] | None = None,
    name: str = "",
    weight: float = 1.0,
    points: int | None = None,
    grid: Sequence[int] | None = None,
) -> Condition:
    given: dict[str, Given] = {}
    for field, text in (values or {}).items():
        given[str(field)] = partial(notation.formula(text).at, coordinates=region.coordinates)
    if table:
        given |= read_profile(table, region.coordinates, along, fields)
    residual = notation.residual(residuals) if residuals else None
    spread = points if grid is None else _even(grid, region)
    return Condition(parts_of(region, where), given, residual, name, weight, spread)


def _even(grid: Sequence[int], region: Region) -> Tensor:
    """The middles of even cells of the unit cube of one dimension less than the region."""
    free = len(region.box) - 1
    if len(grid) != free or min(grid, default=1) < 1:
        raise SettingsError("a condition", f"grid={list(grid)}", f"give {free} numbers from 1 up")
    along = [(torch.arange(count, dtype=torch.float64) + 0.5) / count for count in grid]
    return torch.cartesian_prod(*along).view(-1, free)


def _pin(
    *, region: Region, notation: Notation, pin: Mapping[str, Any], place: Mapping[str, Any] | None = None
) -> Pin:
    del region
    return Pin(notation.values(pin), notation.values(place or {}))


def _measured(
    *,
    region: Region,
    notation: Notation,
    measured: str,
    fields: Sequence[str],
    deviation: float | None = None,
) -> Measured:
    del notation
    sensors = read_sensors(measured, region.coordinates, fields)
    return Measured(sensors.points, sensors.values, deviation)


_CONDITIONS: dict[str, Callable[..., Condition | Pin | Measured]] = {
    "where": _on_parts,
    "pin": _pin,
    "measured": _measured,
}
