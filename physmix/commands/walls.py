"""Walls and liftings as configurations and checkpoints hold them: plain keys and texts, not trusted.

walls:
  - distance: 16 * box(x=(0, 1), y=(0, 1))     # see physmix.jets.parse_function
    fields: [ux, uy]                           # what equals the liftings there
  - distance: ball(x=1, y=0.5, radius=0.1)
    normal: {x: ux, y: uy}                     # or only the component along the normal of the wall
liftings:
  - stream: 16*x^2*(1 - x)^2*(y - 1)*y^2       # a stream function of two components
    velocity: [ux, uy]
  - scraper: {x: 0, y: 1}                      # the flow in a corner whose walls slide; see mixing.scraper
    start: -pi/2
    opening: pi/2
    speeds: [0, 1]
    velocity: [ux, uy]
  - potential: x*y                             # or any potential, with lawful weights of its derivatives
    weights: {ux: {y: 1.0}, uy: {x: -1.0}}
    amount: 2.0
    trainable: true                            # whether the amount is learnt
  - force: [sxx, sxy, syy]                     # two forces and a torque on a body
    centre: {x: 1.0, y: 0.5}                   # inside it
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from physmix import mixing
from physmix.commands.registry import call
from physmix.errors import SettingsError, listing
from physmix.jets import coordinates as coordinate_functions
from physmix.jets import parse_function
from physmix.mixing import Lifting, Wall
from physmix.operators import Monomial

_MOST_WALLS = 3  # each multiplies the number of classes of potentials


def read_walls(walls: Sequence[Mapping[str, Any]], coordinates: Sequence[str]) -> list[Wall]:
    """The walls of a configuration.

    Raises:
        SettingsError: for a key that is unknown or missing, a value of another type, or too many walls.
        FunctionTextError: if a distance cannot be read.
    """
    if len(walls) > _MOST_WALLS:
        remedy = "take those where the same fields are given as one, by union(f, g)"
        raise SettingsError("the walls", f"there are {len(walls)}, more than {_MOST_WALLS}", remedy)
    return [call(_wall, wall, "a wall", coordinates=coordinates) for wall in walls]


def read_liftings(
    liftings: Sequence[Mapping[str, Any]], coordinates: Sequence[str], order: int
) -> list[Lifting]:
    """The liftings of a configuration.

    Args:
        liftings: their settings.
        coordinates: of the model.
        order: of the derivatives that the model mixes.

    Raises:
        SettingsError: for a key that is unknown or missing, or a value of another type.
        FunctionTextError: if a potential cannot be read.
    """
    found: list[Lifting] = []
    for lifting in liftings:
        kind = next((name for name in _KINDS if name in lifting), None)
        if kind is None:
            remedy = f"give one of {listing(_KINDS)}"
            raise SettingsError("a lifting", f"its keys are {listing(lifting)}", remedy)
        found += call(_KINDS[kind], lifting, "a lifting", coordinates=tuple(coordinates), mixed=order)
    return found


def _wall(
    *,
    coordinates: Sequence[str],
    distance: str,
    fields: Sequence[str] = (),
    normal: Mapping[str, Any] | None = None,
) -> Wall:
    normal = dict(normal or {})
    if not all(isinstance(name, str) for pair in normal.items() for name in pair):
        raise SettingsError("a wall", f"normal={normal}", "give a field for each coordinate: {x: ux, y: uy}")
    return Wall(parse_function(distance, coordinates), tuple(fields), normal)


def _stream(
    *,
    coordinates: Sequence[str],
    mixed: int,
    stream: str,
    velocity: Sequence[str],
    plane: Sequence[str] = ("x", "y"),
    amount: float = 1.0,
    trainable: bool = False,
) -> list[Lifting]:
    _check_plane(coordinates, plane)
    _check_count("velocity", velocity, 2)
    potential = parse_function(stream, coordinates)
    names, across = "".join(coordinates), "".join(plane)
    return [
        mixing.stream(
            potential,
            velocity,
            coordinates=names,
            plane=across,
            order=mixed,
            amount=amount,
            trainable=trainable,
        )
    ]


def _scraper(
    *,
    coordinates: Sequence[str],
    mixed: int,
    scraper: Mapping[str, Any],
    start: float,
    opening: float,
    speeds: Sequence[float],
    velocity: Sequence[str],
) -> list[Lifting]:
    _check_plane(coordinates, list(scraper))
    _check_count("speeds", speeds, 2)
    _check_count("velocity", velocity, 2)
    if not all(_is_number(value) for value in scraper.values()):
        raise SettingsError("a lifting", f"scraper={dict(scraper)}", "give a number for each coordinate")
    names, across = "".join(coordinates), "".join(scraper)
    sliding = mixing.scraper(coordinates, dict(scraper), start, opening, speeds=(speeds[0], speeds[1]))
    return [mixing.stream(sliding, velocity, coordinates=names, plane=across, order=mixed)]


def _potential(
    *,
    coordinates: Sequence[str],
    mixed: int,
    potential: str,
    weights: Mapping[str, Any],
    amount: float = 1.0,
    trainable: bool = False,
) -> list[Lifting]:
    del mixed
    read: dict[tuple[str, Monomial], float] = {}
    for name, derivatives in weights.items():
        if not isinstance(derivatives, Mapping):
            raise SettingsError("a lifting", f"weights of {name}: {derivatives!r}", "write {y: 1.0}")
        for text, value in derivatives.items():
            if set(str(text)) - set(coordinates) or not _is_number(value):
                problem = f"{name}: {{{text}: {value!r}}}"
                raise SettingsError("a lifting", problem, "write a derivative as xy, with a number")
            read[name, tuple(str(text).count(c) for c in coordinates)] = float(value)
    return [Lifting(parse_function(potential, coordinates), read, amount, trainable)]


def _force(
    *,
    coordinates: Sequence[str],
    mixed: int,
    force: Sequence[str],
    centre: Mapping[str, Any],
    amounts: Sequence[float] = (0.0, 0.0, 0.0),
    trainable: bool = True,
) -> list[Lifting]:
    del mixed
    _check_plane(coordinates, list(centre))
    _check_count("force", force, 3)
    _check_count("amounts", amounts, 3)
    if not all(_is_number(value) for value in centre.values()):
        raise SettingsError("a lifting", f"centre={dict(centre)}", "give a number for each coordinate")
    known = dict(zip(coordinates, coordinate_functions(coordinates), strict=True))
    return mixing.force_channels(
        [known[name] for name in centre],
        [float(value) for value in centre.values()],
        force,
        coordinates="".join(coordinates),
        plane="".join(centre),
        amounts=amounts,
        trainable=trainable,
    )


_Kind = Callable[..., list[Lifting]]
_KINDS: dict[str, _Kind] = {
    "stream": _stream,
    "scraper": _scraper,
    "potential": _potential,
    "force": _force,
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_plane(coordinates: Sequence[str], plane: Sequence[str]) -> None:
    letters = all(len(name) == 1 for name in coordinates)
    if not letters or len(set(plane)) != 2 or not set(plane) <= set(coordinates):
        remedy = f"give two of {listing(coordinates)}, with names of one letter"
        raise SettingsError("a lifting", f"its plane is {listing(plane)}", remedy)


def _check_count(name: str, values: Sequence[Any], count: int) -> None:
    if len(values) != count:
        raise SettingsError("a lifting", f"{name} has {len(values)} entries", f"give {count}")
