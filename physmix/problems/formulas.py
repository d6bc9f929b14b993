"""Residuals and values as text, so that files can hold them: parsed, never evaluated.

nu*dx(ux) - p           derivatives of fields: dx, dxy, dtt, ..., and laplacian
ux*nx + uy*ny           on a boundary, its outward normal
sin(pi*x)*exp(-t)       sin, cos, exp, log, tanh, sqrt; pi; sums, products, quotients, whole powers
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import FormulaTextError, listing, suggestion
from physmix.problems.state import State

_LONGEST, _DEEPEST, _HIGHEST = 2000, 60, 12  # a text from a file must not ask for more
_OPERATORS: dict[type[ast.operator], Callable[[Tensor, Tensor], Tensor]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    name: getattr(torch, name) for name in ("sin", "cos", "exp", "log", "tanh", "sqrt")
}
_LAPLACIAN = "laplacian"
_Value = Callable[[State], Tensor]


class Formula:
    """A number at each point, from a state: fields, derivatives, coordinates and numbers by name.

    Args:
        text: in the notation above.
        constants: numbers by name.

    Attributes:
        names: what it asks a state for, beside derivatives.

    Raises:
        FormulaTextError: if the text cannot be read.
    """

    def __init__(self, text: str, constants: Mapping[str, float] | None = None) -> None:
        self.text, self.names = text, set[str]()
        self._constants = {"pi": math.pi, **(constants or {})}
        if len(text) > _LONGEST:
            raise self._refusal(f"it has more than {_LONGEST} characters")
        try:
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self._refusal("it is not a formula") from error
        self._value = self._read(tree, 0)

    def __call__(self, y: State) -> Float[Tensor, " point"]:
        """Its value at the points of a state."""
        like = y[y.coordinates[0]]
        return self._value(y).to(like).expand(like.shape)

    def at(
        self, points: Float[Tensor, "point coordinate"], coordinates: Sequence[str]
    ) -> Float[Tensor, " point"]:
        """Its value at points, where it asks for coordinates alone.

        Raises:
            SettingsError: if it asks for more.
        """
        known = {name: points[:, i] for i, name in enumerate(coordinates)}
        return self(State(coordinates, (), known, lambda _: points[:, 0]))

    def _refusal(self, problem: str) -> FormulaTextError:
        return FormulaTextError(self.text, problem)

    def _read(self, node: ast.AST, depth: int) -> _Value:
        if depth > _DEEPEST:
            raise self._refusal(f"it is nested more than {_DEEPEST} deep")
        if isinstance(node, ast.Constant):
            return self._number(node.value)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id, depth)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            inner, sign = self._read(node.operand, depth + 1), -1.0 if isinstance(node.op, ast.USub) else 1.0
            return lambda y: sign * inner(y)
        if isinstance(node, ast.BinOp):
            return self._binary(node, depth)
        raise self._refusal(f"{ast.unparse(node)!r} is not known")

    def _number(self, value: object) -> _Value:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise self._refusal(f"{value!r} is not a number, or too large")
        found = torch.tensor(float(value), dtype=torch.float64)
        return lambda _: found

    def _name(self, name: str) -> _Value:
        if name in self._constants:
            return self._number(self._constants[name])
        self.names.add(name)
        return lambda y: y[name]

    def _binary(self, node: ast.BinOp, depth: int) -> _Value:
        left = self._read(node.left, depth + 1)
        if isinstance(node.op, ast.Pow):
            power = node.right.value if isinstance(node.right, ast.Constant) else None
            if isinstance(power, bool) or not isinstance(power, int) or power not in range(1, _HIGHEST + 1):
                raise self._refusal(f"a power is a whole number from 1 to {_HIGHEST}")
            return lambda y: left(y) ** power
        if type(node.op) not in _OPERATORS:
            raise self._refusal(f"{ast.unparse(node)!r} is not known")
        right, combine = self._read(node.right, depth + 1), _OPERATORS[type(node.op)]
        return lambda y: combine(left(y), right(y))

    def _call(self, node: ast.Call, name: str, depth: int) -> _Value:
        if len(node.args) != 1 or node.keywords:
            raise self._refusal(f"{name} has one argument")
        (inner,) = node.args
        if name in _FUNCTIONS:
            value, function = self._read(inner, depth + 1), _FUNCTIONS[name]
            return lambda y: function(value(y))
        if name != _LAPLACIAN and not re.fullmatch("d[a-z]{1,4}", name):
            known = (*_FUNCTIONS, _LAPLACIAN)
            problem = f"there is no {name!r}{suggestion(name, known)}; there are derivatives such as dx"
            raise self._refusal(f"{problem}, and {listing(known)}")
        if not isinstance(inner, ast.Name):
            raise self._refusal(f"{name} is taken of a field, not of {ast.unparse(inner)!r}")
        field = inner.id
        return (lambda y: y.laplacian(field)) if name == _LAPLACIAN else (lambda y: y.d(field, name[1:]))
