"""Distances to walls: zero exactly there, positive in the domain, with a gradient that is not zero.

They are polynomials, hence smooth everywhere: normalised to first order, not Euclidean far away.
Where two walls meet, the distance to both vanishes to second order (Sukumar and Srivastava,
Exact imposition of boundary conditions with distance functions in PINNs, 2022, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from physmix.errors import SettingsError
from physmix.jets.functions import Function


def box(sides: Mapping[Function, tuple[float | None, float | None]]) -> Function:
    """The distance to the sides of a box, from inside: a side given as None is no wall.

        box({y: (0.0, 1.0)})                      # a channel
        box({x: (0.0, 1.0), y: (0.0, None)})      # open above

    Along a wall it vanishes to first order, in a corner to second; it has no other zeros within.

    Args:
        sides: the lowest and highest value of each coordinate.

    Raises:
        SettingsError: if there is no wall, or a lowest value is not below the highest.
    """
    walls = []
    for coordinate, (low, high) in sides.items():
        if low is not None and high is not None:
            if not low < high:
                raise SettingsError("a box", f"its sides are {low} and {high}", "give the lower one first")
            walls.append((coordinate - low) * (high - coordinate) / (high - low))
        elif low is not None:
            walls.append(coordinate - low)
        elif high is not None:
            walls.append(high - coordinate)
    return union(*walls)


def ball(
    coordinates: Sequence[Function], centre: Sequence[float], radius: float, *, inside: bool = False
) -> Function:
    """The distance (r^2 - R^2) / 2R to a circle or sphere, with unit gradient on it.

    Args:
        coordinates: those of its space; with two of three it is a cylinder.
        centre: one number for each.
        radius: R.
        inside: whether the domain lies inside; else the ball is an obstacle.

    Raises:
        SettingsError: if the radius is not positive.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise SettingsError("a ball", f"its radius is {radius}", "give a positive number")
    first, *rest = ((x - c) ** 2 for x, c in zip(coordinates, centre, strict=True))
    distance = (sum(rest, start=first) - radius**2) / (2 * radius)
    return -distance if inside else distance


def union(*distances: Function) -> Function:
    """The distance to several walls: the product, which vanishes on each to the order that one does.

    Its zeros are those of the factors, and where walls meet their orders add up.

    Raises:
        SettingsError: if there is none.
    """
    if not distances:
        raise SettingsError("walls", "there is none", "give one or more")
    first, *others = distances
    for other in others:
        first = first * other
    return first


def blend(values: Sequence[tuple[Function, Function | float]], order: int) -> Function:
    """A function equal to a given one on each of several walls, up to derivatives below `order` there.

    sum over i of v_i g_i, where g_i = P_i / (d_i^order + P_i) with P_i the product of d_j^order over
    j != i is one on wall i and zero on the others. The walls must not meet, since d_i and P_i would
    both vanish there: take walls that meet as one, by `union`.

    Args:
        values: (distance d_i, value v_i) of each wall.
        order: of the difference from v_i in d_i.

    Raises:
        SettingsError: if there are fewer than two walls.
    """
    if len(values) < 2:
        raise SettingsError(
            "a blend", f"{len(values)} wall is given", "give two or more, or the value itself"
        )
    powers = [distance**order for distance, _ in values]
    shares = []
    for i, (own, (_, value)) in enumerate(zip(powers, values, strict=True)):
        others = union(*powers[:i], *powers[i + 1 :])
        shares.append(others / (own + others) * value)
    return sum(shares[1:], start=shares[0])
