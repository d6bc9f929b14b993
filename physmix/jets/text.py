"""Given functions as text, so that files can hold them: parsed, never evaluated.

16*x^2*(1 - x)^2                      sums, products, quotients and whole powers of coordinates and numbers
box(x=(0, 1), y=(0, None))            distances to walls; a side without a wall is None
ball(x=1, y=0.5, radius=0.1)          an obstacle; with inside=True what lies around the domain
union(f, g), blend((f, 0), (g, 1), order=2)
sin(f), tanh(f), exp(f), angle(f, g)
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from physmix.errors import FunctionTextError, SettingsError, listing, suggestion
from physmix.jets import towers
from physmix.jets.distances import ball, blend, box, union
from physmix.jets.functions import Function, angle, coordinates

_LONGEST, _DEEPEST, _HIGHEST = 2000, 60, 12  # a text from a file must not ask for more
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_TOWERS = {"sin": towers.sin, "tanh": towers.tanh, "exp": towers.exp}


def parse_function(text: str, names: Sequence[str]) -> Function:
    """The function of a text.

        parse_function("16 * box(x=(0, 1), y=(0, 1))", "xy")

    Args:
        text: in the notation above; a power is ^ or **.
        names: the coordinates of the model, in their order.

    Raises:
        FunctionTextError: if the text cannot be read, or names what is not known.
    """
    if len(text) > _LONGEST:
        raise FunctionTextError(text, f"it has more than {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval")
        value = _Reader(text, dict(zip(names, coordinates(names), strict=True))).value(tree.body, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FunctionTextError(text, "it is not a formula") from error
    except (SettingsError, ArithmeticError) as error:
        raise FunctionTextError(text, str(error).rstrip(".")) from error
    if not isinstance(value, Function):
        raise FunctionTextError(text, "it is the same everywhere")
    return value


class _Reader:
    """Reads the tree of one text."""

    def __init__(self, text: str, known: Mapping[str, Function]) -> None:
        self.text, self.known = text, known
        self.calls: dict[str, Callable[[list[ast.expr], dict[str, ast.expr], int], Function]] = {
            "box": self.box,
            "ball": self.ball,
            "union": lambda parts, named, depth: union(*self.functions(parts, named, depth)),
            "blend": self.blend,
            "angle": lambda parts, named, depth: angle(*self.functions(parts, named, depth, 2)),
        }
        for name, tower in _TOWERS.items():
            self.calls[name] = lambda parts, named, depth, tower=tower: self.functions(  # type: ignore[misc]
                parts, named, depth, 1
            )[0].apply(tower)

    def refuse(self, problem: str) -> FunctionTextError:
        return FunctionTextError(self.text, problem)

    def value(self, node: ast.AST, depth: int) -> Function | float:
        """A function, or a number."""
        if depth > _DEEPEST:
            raise self.refuse(f"it is nested more than {_DEEPEST} deep")
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            if isinstance(node.value, bool):
                raise self.refuse(f"{node.value} is not a number")
            return self.finite(float(node.value))
        if isinstance(node, ast.Name):
            if node.id not in self.known:
                hint = suggestion(node.id, self.known)
                raise self.refuse(f"{node.id!r} is no coordinate{hint}; they are {listing(self.known)}")
            return self.known[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            inner = self.value(node.operand, depth + 1)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            return self.binary(node, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node, node.func.id, depth)
        raise self.refuse(f"{ast.unparse(node)!r} is not known")

    def binary(self, node: ast.BinOp, depth: int) -> Function | float:
        left, right = self.value(node.left, depth + 1), self.value(node.right, depth + 1)
        if isinstance(node.op, ast.Pow):
            if isinstance(right, Function) or right not in range(1, _HIGHEST + 1):
                raise self.refuse(f"a power is a whole number from 1 to {_HIGHEST}")
            return left ** int(right)
        if type(node.op) not in _OPERATORS:
            raise self.refuse(f"{ast.unparse(node)!r} is not known")
        result: Function | float = _OPERATORS[type(node.op)](left, right)
        return result if isinstance(result, Function) else self.finite(result)

    def call(self, node: ast.Call, name: str, depth: int) -> Function:
        if name not in self.calls:
            hint = suggestion(name, self.calls)
            raise self.refuse(f"there is no {name!r}{hint}; the functions are {listing(self.calls)}")
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        if len(named) != len(node.keywords):
            raise self.refuse(f"{name} takes no **")
        return self.calls[name](node.args, named, depth + 1)

    def functions(
        self, parts: list[ast.expr], named: dict[str, ast.expr], depth: int, count: int | None = None
    ) -> list[Function]:
        """Arguments that are functions, so many."""
        made = [self.value(part, depth) for part in parts]
        found = [one for one in made if isinstance(one, Function)]
        if named or len(found) != len(made) or (count is not None and len(made) != count):
            raise self.refuse(f"functions are wanted as arguments{f', {count} of them' if count else ''}")
        return found

    def box(self, parts: list[ast.expr], named: dict[str, ast.expr], depth: int) -> Function:
        del depth
        if parts:
            raise self.refuse("the sides of a box go by coordinates: box(x=(0, 1))")
        sides = {}
        for name, node in named.items():
            low, high = self.pair(node)
            sides[self.coordinate(name)] = (self.side(low), self.side(high))
        return box(sides)

    def ball(self, parts: list[ast.expr], named: dict[str, ast.expr], depth: int) -> Function:
        del depth
        inside = named.pop("inside", ast.Constant(value=False))
        radius = named.pop("radius", None)
        if parts or radius is None or not named or not isinstance(inside, ast.Constant):
            raise self.refuse("a ball has a centre by coordinates, and a radius: ball(x=1, y=0, radius=2)")
        if not isinstance(inside.value, bool):
            raise self.refuse("inside is True or False")
        centre = [self.number(node) for node in named.values()]
        axes = [self.coordinate(name) for name in named]
        return ball(axes, centre, self.number(radius), inside=inside.value)

    def blend(self, parts: list[ast.expr], named: dict[str, ast.expr], depth: int) -> Function:
        if set(named) != {"order"}:
            raise self.refuse("a blend has an order: blend((f, 0), (g, 1), order=2)")
        order = self.number(named["order"])
        if order not in range(1, _HIGHEST + 1):
            raise self.refuse(f"the order of a blend is a whole number from 1 to {_HIGHEST}")
        pairs: list[tuple[Function, Function | float]] = []
        for part in parts:
            distance, value = self.pair(part)
            (wall,) = self.functions([distance], {}, depth, 1)
            pairs.append((wall, self.value(value, depth)))
        return blend(pairs, int(order))

    def coordinate(self, name: str) -> Function:
        found = self.value(ast.Name(id=name), 0)
        assert isinstance(found, Function)
        return found

    def pair(self, node: ast.expr) -> tuple[ast.expr, ast.expr]:
        if not isinstance(node, ast.Tuple | ast.List) or len(node.elts) != 2:
            raise self.refuse(f"{ast.unparse(node)!r} is not a pair such as (0, 1)")
        first, second = node.elts
        return first, second

    def side(self, node: ast.expr) -> float | None:
        return None if isinstance(node, ast.Constant) and node.value is None else self.number(node)

    def number(self, node: ast.expr) -> float:
        value = self.value(node, 0)
        if isinstance(value, Function):
            raise self.refuse(f"{ast.unparse(node)!r} is not a number")
        return value

    def finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise self.refuse("a number is too large")
        return value
