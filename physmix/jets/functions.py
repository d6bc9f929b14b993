"""Given smooth functions of the coordinates, such as distances and liftings, in the algebra of jets.

    x, y = coordinates("xy")
    lid = 16 * x**2 * (1 - x) ** 2 * (y - 1) * y**2

A function is a tree of operations on jets; so its derivatives are exact, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.jets import towers
from physmix.jets.compose import cauchy, compose, product_plan
from physmix.jets.network import Jet, seed
from physmix.jets.space import JetSpace
from physmix.jets.towers import Tower
from physmix.operators import plus


@dataclass(frozen=True, eq=False)
class Function:
    """A smooth scalar function of the coordinates, to be built by `coordinates` and arithmetic.

    Attributes:
        operation: on the jet space and the coefficients of the parts.
        parts: the functions it is made of.
        places: the coordinates it depends on, by their place.
    """

    operation: Callable[..., Tensor]
    parts: tuple[Function, ...]
    places: frozenset[int]

    def jet(self, variables: Jet, known: dict[Function, Tensor] | None = None) -> Jet:
        """The jet of the function, one channel, from the jets of the coordinates, one channel each.

        Args:
            variables: the coordinates, as functions of whatever the jets are expanded in.
            known: results at these very variables, so that a common part is evaluated once.
        """
        known = {} if known is None else known
        if self not in known:
            parts = [part.jet(variables, known).coefficients for part in self.parts]
            known[self] = self.operation(variables.space, *(parts or [variables.coefficients]))
        return Jet(variables.space, known[self])

    def __call__(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, " point"]:
        """The values at points."""
        return self.jet(seed(points, 0)).value[:, 0]

    def apply(self, tower: Tower) -> Function:
        """The function f of this one, where the tower gives f and its derivatives; see `towers`."""
        return _made(partial(_compose, tower=tower), self)

    def __add__(self, other: Function | float) -> Function:
        if isinstance(other, Function):
            return _made(_add, self, other)
        return _made(partial(_shift, by=float(other)), self)

    def __mul__(self, other: Function | float) -> Function:
        if isinstance(other, Function):
            return _made(_multiply, self, other)
        return _made(partial(_scale, by=float(other)), self)

    def __pow__(self, exponent: int) -> Function:
        if exponent < 1:
            raise SettingsError("a power of a function", f"the exponent is {exponent}", "give 1, 2, ...")
        return _made(partial(_power, exponent=exponent), self)

    def __truediv__(self, other: Function | float) -> Function:
        return self * (other.apply(towers.reciprocal) if isinstance(other, Function) else 1 / other)

    def __rtruediv__(self, other: float) -> Function:
        return self.apply(towers.reciprocal) * other

    def __neg__(self) -> Function:
        return self * -1.0

    def __sub__(self, other: Function | float) -> Function:
        return self + -other

    def __rsub__(self, other: float) -> Function:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__


def coordinates(names: Sequence[str]) -> tuple[Function, ...]:
    """The coordinates of a model as functions, in their order."""
    return tuple(
        Function(partial(_coordinate, place=place), (), frozenset({place})) for place in range(len(names))
    )


def angle(x: Function, y: Function) -> Function:
    """The polar angle of (x, y): its value jumps by 2 pi, and its derivatives are single-valued."""
    return _made(_angle, x, y)


def _made(operation: Callable[..., Tensor], *parts: Function) -> Function:
    return Function(operation, parts, frozenset().union(*(part.places for part in parts)))


def _coordinate(space: JetSpace, variables: Tensor, *, place: int) -> Tensor:
    del space
    return variables[..., place : place + 1]


def _shift(space: JetSpace, x: Tensor, *, by: float) -> Tensor:
    constant = x.new_zeros(len(space.indices), 1, 1)
    constant[0] = by
    return x + constant


def _scale(space: JetSpace, x: Tensor, *, by: float) -> Tensor:
    del space
    return x * by


def _add(space: JetSpace, x: Tensor, y: Tensor) -> Tensor:
    del space
    return x + y


def _multiply(space: JetSpace, x: Tensor, y: Tensor) -> Tensor:
    return cauchy(x, y, product_plan(space))


def _power(space: JetSpace, x: Tensor, *, exponent: int) -> Tensor:
    return reduce(partial(_multiply, space), [x] * exponent)


def _compose(space: JetSpace, x: Tensor, *, tower: Tower) -> Tensor:
    return compose(x, tower, space)


def _angle(space: JetSpace, x: Tensor, y: Tensor) -> Tensor:
    # d theta = (x dy - y dx) / r^2; its Taylor coefficients give those of theta by integration.
    square = _add(space, _multiply(space, x, x), _multiply(space, y, y))
    inverse = compose(square, towers.reciprocal, space)
    out = [torch.atan2(y[0], x[0])]
    slopes: dict[int, Tensor] = {}
    for index in space.indices[1:]:
        along = next(i for i, exponent in enumerate(index) if exponent)
        if along not in slopes:
            turn = _multiply(space, _slope(space, y, along), x) - _multiply(space, _slope(space, x, along), y)
            slopes[along] = _multiply(space, turn, inverse)
        below = tuple(e - (i == along) for i, e in enumerate(index))
        out.append(slopes[along][space.position[below]] / index[along])
    return torch.stack(out)


def _slope(space: JetSpace, x: Tensor, along: int) -> Tensor:
    """The jet of the derivative along one coordinate; it lacks the highest degree, set to zero."""
    unit = tuple(int(i == along) for i in range(space.coordinates))
    parts = []
    for index in space.indices:
        place = space.position.get(plus(index, unit))
        parts.append(torch.zeros_like(x[0]) if place is None else (index[along] + 1) * x[place])
    return torch.stack(parts)
