"""The rank of every name in a law: 0 for a scalar, 1 for a vector, 2 for a tensor.

What is not declared is inferred. Each name has an unknown rank, each operator raises or lowers that of
what it is applied to, and the terms of a sum, with both sides of a law, have one rank. So ranks are
known up to a constant in each class of names that stand together: a union-find with offsets. A class
that nothing fixes takes the lowest ranks that make sense, scalars wherever they do.
"""

from __future__ import annotations

from dataclasses import dataclass

from physmix.errors import LawSyntaxError
from physmix.laws.notation import Notation
from physmix.laws.tree import Applied, Equation, Field, Node, Number

_KINDS = ("a scalar", "a vector", "a tensor")
_OTHER = "this has another number of indices than what it is added to"
_PLANE_CURL = "in two dimensions curl takes a vector to a scalar, or a scalar to a vector"
_HIGHEST = 4  # between operators; a name has two indices at most

Rank = tuple[int, int]
"""An unknown and a number to add."""

_SCALAR: Rank = (0, 0)


@dataclass(frozen=True)
class _Bound:
    rank: Rank
    least: int
    most: int
    column: int
    problem: str


@dataclass(frozen=True)
class _Curl:
    """A curl in the plane: of a vector, a scalar; of a scalar, a vector."""

    inner: Rank
    outer: Rank
    column: int


def infer_ranks(equation: Equation, notation: Notation, text: str) -> dict[str, int]:
    """The rank of each name in an equation.

    Raises:
        LawSyntaxError: at the term or operator that does not fit, or at a name with a rank above two;
            also at a curl in the plane that may be of a scalar as well as of a vector.
    """
    return _Inference(notation, text).run(equation)


class _Inference:
    def __init__(self, notation: Notation, text: str) -> None:
        self.notation, self.text = notation, text
        self.parents: list[Rank] = [_SCALAR]  # the first unknown is known: zero
        self.names: dict[str, Rank] = {}
        self.bounds: list[_Bound] = []
        self.curls: list[_Curl] = []

    def run(self, equation: Equation) -> dict[str, int]:
        self.of(equation.tree)
        while self.curls and self.resolve_curls():
            pass
        low = self.lowest()
        if self.curls:
            raise LawSyntaxError(
                self.text,
                self.curls[0].column,
                f"{_PLANE_CURL}, and nothing says which; declare the vectors, or write the components",
            )
        for bound in self.bounds:
            root, offset = self.find(bound.rank)
            if not bound.least <= low[root] + offset <= bound.most:
                raise LawSyntaxError(self.text, bound.column, bound.problem)
        found = {name: self.find(rank) for name, rank in self.names.items()}
        return {name: low[root] + offset for name, (root, offset) in found.items()}

    def new(self) -> Rank:
        self.parents.append((len(self.parents), 0))
        return self.parents[-1]

    def find(self, rank: Rank) -> Rank:
        """The same rank, written with the root of its class."""
        unknown, offset = rank
        while self.parents[unknown][0] != unknown:
            unknown, more = self.parents[unknown]
            offset += more
        return unknown, offset

    def unify(self, one: Rank, other: Rank) -> bool:
        """Demand that two ranks are equal; whether they can be."""
        (left, a), (right, b) = self.find(one), self.find(other)
        if left == right:
            return a == b
        if right == 0:
            (left, a), (right, b) = (right, b), (left, a)
        self.parents[right] = (left, a - b)
        return True

    def known(self, rank: Rank) -> int | None:
        root, offset = self.find(rank)
        return offset if root == 0 else None

    def of(self, node: Node) -> Rank:
        """The rank of a part of the law, after noting all that it demands."""
        if isinstance(node, Number):
            return self.new() if node.value == 0 else _SCALAR
        if isinstance(node, Field):
            return self.of_name(node)
        if isinstance(node, Applied):
            return self.of_operator(node, self.of(node.inner))
        first = self.of(node.parts[0][1])
        for _, part in node.parts[1:]:
            other = self.of(part)
            if not self.unify(first, other):
                raise LawSyntaxError(self.text, part.column, self.conflict(first, other))
        return first

    def conflict(self, first: Rank, other: Rank) -> str:
        kinds = [self.known(rank) for rank in (first, other)]
        words = [_KINDS[k] for k in kinds if k is not None and 0 <= k < len(_KINDS)]
        what = f"{words[1]} stands beside {words[0]}" if len(words) == 2 else _OTHER
        return f"{what}; the terms and sides of a law are all scalars, all vectors or all tensors"

    def of_name(self, node: Field) -> Rank:
        if node.name not in self.names:
            declared = self.notation.ranks.get(node.name)
            rank = self.new() if declared is None else (0, declared)
            self.names[node.name] = rank
            most, problem = 2, f"no rank of {node.name!r} fits; a name has two indices at most"
            if not self.notation.space:
                most, problem = 0, f"{node.name!r} is no scalar, and there is no space coordinate"
            self.bound(rank, 0, most, node.column, problem)
        return self.names[node.name]

    def bound(self, rank: Rank, least: int, most: int, column: int, problem: str) -> None:
        self.bounds.append(_Bound(rank, least, most, column, problem))

    def of_operator(self, node: Applied, inner: Rank) -> Rank:
        unknown, offset = inner
        if node.operator == "div":
            problem = "div needs a vector or a tensor; declare it, or write the components"
            self.bound(inner, 1, _HIGHEST, node.column, problem)
            return unknown, offset - 1
        if node.operator == "grad":
            outer = (unknown, offset + 1)
            self.bound(
                outer,
                1,
                _HIGHEST,
                node.column,
                f"grad gives one to {_HIGHEST} indices, and that does not fit",
            )
            return outer
        if node.operator == "curl":
            return self.of_curl(node, inner)
        return inner

    def of_curl(self, node: Applied, inner: Rank) -> Rank:
        if len(self.notation.space) == 3:
            if not self.unify((0, 1), inner):
                raise LawSyntaxError(self.text, node.column, "curl needs a vector in three dimensions")
            return 0, 1
        outer = self.new()
        self.bound(inner, 0, 1, node.column, _PLANE_CURL)
        self.bound(outer, 0, 1, node.column, _PLANE_CURL)
        self.curls.append(_Curl(inner, outer, node.column))
        return outer

    def resolve_curls(self) -> bool:
        """Settle the curls in the plane of which one side is known; whether there were any."""
        low, left = self.lowest(), []
        for curl in self.curls:
            inner = self.inner_of(curl, low)
            if inner is None:
                left.append(curl)
            elif not (self.unify((0, inner), curl.inner) and self.unify((0, 1 - inner), curl.outer)):
                raise LawSyntaxError(self.text, curl.column, f"the sides do not fit: {_PLANE_CURL}")
        settled = len(left) < len(self.curls)
        self.curls = left
        return settled

    def inner_of(self, curl: _Curl, low: list[int]) -> int | None:
        """The rank of what a curl in the plane is applied to, if something says so."""
        for rank, is_inner in ((curl.inner, True), (curl.outer, False)):
            root, offset = self.find(rank)
            if root == 0 or low[root] + offset >= 1:  # a class that starts at vectors leaves no choice
                value = low[root] + offset
                return value if is_inner else 1 - value
        (one, a), (other, b) = self.find(curl.inner), self.find(curl.outer)
        return (1 + a - b) // 2 if one == other and (a - b) % 2 else None

    def lowest(self) -> list[int]:
        """The lowest value of each root that keeps every rank of its class in its bounds."""
        low = [0] * len(self.parents)
        for bound in self.bounds:
            root, offset = self.find(bound.rank)
            if root:
                low[root] = max(low[root], bound.least - offset)
        return low
