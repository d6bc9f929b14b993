"""What slow flow looks like in a corner: powers of the distance times functions of the angle.

Moffatt, "Viscous and resistive eddies near a sharp corner", J. Fluid Mech. 18, 1964; Taylor, "On scraping
viscous fluid from a plane surface", 1962. Inertia multiplies each term by whole powers of the distance and
by other functions of the angle (Gupta, Manohar and Noble, "Nature of viscous flows near sharp corners",
Computers and Fluids 9, 1981); so the functions here leave the dependence on the angle free.

A corner is at a place, given by the two coordinates of its plane; the region lies counterclockwise from
the angle `start` to `start` + `opening`, counted from the first of these coordinates.
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from physmix.errors import SettingsError
from physmix.jets import Function, angle, coordinates, towers
from physmix.mixing.enrichment import Enrichment

_SAME = 1e-6  # two roots that Newton's method found from different starts


def corner(
    names: Sequence[str],
    place: Mapping[str, float],
    start: float,
    opening: float,
    *,
    powers: Sequence[complex],
    angles: int = 10,
    radius: float = 1.0,
) -> Enrichment:
    """r^a T_j(s) for all powers a and all j below `angles`, where s goes from -1 to 1 across the corner.

    T_j are Chebyshev's polynomials. A complex power a + ib gives r^a cos(b log r) and r^a sin(b log r).
    For a stream function give 2, 3, ... where walls move, with `scraper` as a lifting where they jump, and
    `eddy_powers` where walls are at rest.

    Args:
        names: the coordinates of the model.
        place: see above.
        start: see above.
        opening: see above; in (0, 2 pi).
        powers: a.
        angles: how many functions of the angle.
        radius: the unit of r: the size of the subdomain that has the corner.

    Raises:
        SettingsError: if the numbers make no corner.
    """
    if not powers or angles < 1 or not radius > 0:
        problem = f"powers={list(powers)}, angles={angles}, radius={radius}"
        raise SettingsError("a corner", problem, "give a power, an angle and a radius above zero")
    x, y, theta = _polar(names, place, start, opening)
    square = (x**2 + y**2) / radius**2
    s = theta * (2 / opening) - 1.0
    found = [r * t for r, t in itertools.product(_powers(square, powers), _chebyshev(s, angles))]
    return Enrichment(found, place)


def scraper(
    names: Sequence[str],
    place: Mapping[str, float],
    start: float,
    opening: float,
    *,
    speeds: tuple[float, float],
) -> Function:
    """The stream function r f(angle) of slow flow between two walls that slide away from their corner.

    Its velocities (d/dy, -d/dx) are `speeds` along the walls, away from the corner, and zero across.

    Args:
        names: the coordinates of the model.
        place: see above.
        start: see above.
        opening: see above; in (0, 2 pi).
        speeds: of the wall at `start`, and of the other.

    Raises:
        SettingsError: if the numbers make no corner.
    """
    x, y, theta = _polar(names, place, start, opening)
    cos, sin = math.cos(opening), math.sin(opening)
    # f = b sin + c theta cos + d theta sin vanishes at both walls, and f' is the speed.
    equations = [
        [1.0, 1.0, 0.0],
        [sin, opening * cos, opening * sin],
        [cos, cos - opening * sin, sin + opening * cos],
    ]
    b, c, d = np.linalg.solve(equations, [speeds[0], 0.0, speeds[1]]).tolist()
    return y * b + theta * (x * c + y * d)


def eddy_powers(opening: float, count: int = 1) -> list[complex]:
    """The powers of r in the stream function of slow flow between walls at rest, the lowest ones first.

    1 + z with sin(z opening) = -z sin(opening), as of eddies, or = z sin(opening), their antisymmetric
    twins; of two conjugates the one above is given, and z = 1, which is no flow, is not (Moffatt 1964,
    equations 3.6 and 3.7).

    Args:
        opening: of the corner, in (0, 2 pi).
        count: how many.
    """
    found: list[complex] = []
    starts = itertools.product((1.0, -1.0), range(1, 6 * count + 6), (0.0, 0.7, 1.5, 3.0))
    for sign, step, height in starts:
        z = _root(opening, sign, complex(0.1 + math.pi * step / (2 * opening), height))
        if z is None or z.real < _SAME or abs(z - 1) < _SAME:
            continue
        power = complex(1 + z.real, abs(z.imag) if abs(z.imag) > _SAME else 0.0)
        if all(abs(power - one) > _SAME for one in found):
            found.append(power)
    return sorted(found, key=lambda one: (one.real, one.imag))[:count]


def _root(opening: float, sign: float, z: complex) -> complex | None:
    """Of sin(z opening) + sign z sin(opening), by Newton's method."""
    for _ in range(60):
        value = cmath.sin(z * opening) + sign * z * math.sin(opening)
        slope = opening * cmath.cos(z * opening) + sign * math.sin(opening)
        if abs(value) < 1e-13 * (1 + abs(z)):
            return z
        if slope == 0 or abs(z.imag) > 20:
            return None
        z -= value / slope
    return None


def _polar(
    names: Sequence[str], place: Mapping[str, float], start: float, opening: float
) -> tuple[Function, Function, Function]:
    """Coordinates along and across the first wall, and the angle from it."""
    if len(place) != 2 or not set(place) <= set(names) or not 0 < opening < 2 * math.pi:
        problem = f"its place is {dict(place)}, its opening {opening}"
        raise SettingsError("a corner", problem, "give two of the coordinates, and an angle below 2 pi")
    known = dict(zip(names, coordinates(names), strict=True))
    x, y = (known[name] - value for name, value in place.items())

    def turned(by: float) -> tuple[Function, Function]:
        return x * math.cos(by) + y * math.sin(by), y * math.cos(by) - x * math.sin(by)

    # The angle is counted from the middle, so that it jumps opposite, outside the region.
    return (*turned(start), angle(*turned(start + opening / 2)) + opening / 2)


def _powers(square: Function, powers: Sequence[complex]) -> list[Function]:
    """r^a from r^2."""
    found = []
    for one in map(complex, powers):
        found.append(square.apply(towers.power(one / 2)))
        if one.imag:
            found.append(square.apply(towers.power(one / 2, imaginary=True)))
    return found


def _chebyshev(s: Function, count: int) -> list[Function]:
    found = [s * 0.0 + 1.0, s]
    for _ in range(count - 2):
        found.append(2.0 * s * found[-1] - found[-2])
    return found[:count]
