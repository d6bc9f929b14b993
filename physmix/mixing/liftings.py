"""Liftings of two-dimensional flows: stream functions, and the force and torque on a body."""

from __future__ import annotations

import math
from collections.abc import Sequence

from physmix.jets import Function, angle
from physmix.mixing.walled import Lifting
from physmix.operators import Monomial


def stream(
    potential: Function,
    velocity: Sequence[str],
    *,
    coordinates: str = "xy",
    plane: str = "xy",
    order: int = 1,
    amount: float = 1.0,
    trainable: bool = False,
) -> Lifting:
    """u = d psi / dy and v = -d psi / dx with psi = d^(order - 1) potential / dx^(order - 1).

    For a lid or an inflow u(y) take the antiderivative of u as psi; for a body around which the
    flux is free, a `blend` of the stream function's constants. At order 2, x * psi is a potential of
    a psi that does not depend on x.

    Args:
        potential: psi, or what gives psi.
        velocity: the names of u and v, or of the momenta.
        coordinates: of the model.
        plane: the two coordinates x and y.
        order: of the derivatives that the model mixes.
        amount: see `Lifting`.
        trainable: see `Lifting`.
    """
    across, along = (_monomial(coordinates, plane[0] * (order - 1) + name) for name in (plane[1], plane[0]))
    weights = {(velocity[0], across): 1.0, (velocity[1], along): -1.0}
    return Lifting(potential, weights, amount, trainable)


def force_channels(
    position: Sequence[Function],
    centre: Sequence[float],
    stress: Sequence[str],
    *,
    coordinates: str = "xy",
    plane: str = "xy",
    amounts: Sequence[float] = (0.0, 0.0, 0.0),
    trainable: bool = True,
) -> list[Lifting]:
    """The momentum fluxes of a force along x, one along y, and a torque, that act at a point in a hole.

    They are the Airy functions y theta, -x theta and theta: many-valued, with single-valued second
    derivatives (Timoshenko and Goodier, Theory of Elasticity, section 42). Each amount is the integral of
    Sigma n, or of its moment about the centre, with the outward normal, over any loop around the
    hole; all potentials without walls have none. For models that mix derivatives of order 2.

    Args:
        position: the functions x and y.
        centre: inside the hole, since the fluxes are infinite there.
        stress: the names of sxx, sxy and syy.
        coordinates: of the model.
        plane: the two coordinates x and y.
        amounts: the two forces and the torque.
        trainable: whether they are learnt.
    """
    x, y = (one - c for one, c in zip(position, centre, strict=True))
    theta = angle(x, y)
    first, second = plane[0], plane[1]
    weights = {
        (stress[0], _monomial(coordinates, second * 2)): 1.0,
        (stress[1], _monomial(coordinates, first + second)): -1.0,
        (stress[2], _monomial(coordinates, first * 2)): 1.0,
    }
    airy = (y * theta, -x * theta, theta)
    return [
        Lifting(one / (2 * math.pi), weights, amount, trainable)
        for one, amount in zip(airy, amounts, strict=True)
    ]


def _monomial(coordinates: str, names: str) -> Monomial:
    return tuple(names.count(name) for name in coordinates)
