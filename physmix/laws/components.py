"""The components of a law: each is a polynomial in the derivatives, applied to scalar fields.

With coordinates t, x, y a vector u has the components ux and uy, and a tensor s, which is symmetric,
has sxx, sxy and syy. The gradient of a vector has the components (grad u)_ij = d_j u_i, and a
divergence is taken over the last index, so that div(grad(u)) = laplacian(u). In the plane
curl(u) = dx(uy) - dy(ux) and curl(psi) = (dy(psi), -dx(psi)).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product

from physmix.errors import LawSyntaxError
from physmix.laws.notation import Notation
from physmix.laws.tree import Applied, Field, Node, Number
from physmix.operators import Monomial

# The constant 1 stands under the empty name, which no field can have.
Expression = dict[tuple[str, Monomial], Fraction]
Index = tuple[int, ...]
Components = dict[Index, Expression]
"""By the places of the coordinates; a component that is absent is zero."""

_MOST_TERMS = 5_000


class Expander:
    """Writes out one tree, and counts the terms, so that a hostile text is refused soon.

    Args:
        notation: what names stand for.
        ranks: of every name in the tree.
        text: for messages.
    """

    def __init__(self, notation: Notation, ranks: Mapping[str, int], text: str) -> None:
        self.notation, self.ranks, self.text = notation, ranks, text
        self.count = 0
        self.one: Monomial = (0,) * len(notation.coordinates)
        names = notation.coordinates
        # A symmetric tensor has one component under two names.
        self.twins = {
            f"{name}{names[j]}{names[i]}": f"{name}{names[i]}{names[j]}"
            for name, rank in {**notation.ranks, **ranks}.items()
            if rank == 2
            for i, j in product(notation.space, repeat=2)
            if i < j
        }

    def of(self, node: Node) -> Components:
        """The components of a node that are not zero.

        Raises:
            LawSyntaxError: if there are too many terms.
        """
        if isinstance(node, Number):
            return {(): {("", self.one): node.value}} if node.value else {}
        if isinstance(node, Field):
            return self.of_field(node)
        if isinstance(node, Applied):
            return self.of_operator(node)
        total: Components = {}
        for factor, part in node.parts:
            self.add(total, self.of(part), factor, part.column)
        return total

    def of_field(self, node: Field) -> Components:
        """One component for each tuple of coordinates."""
        result: Components = {}
        for index in product(self.notation.space, repeat=self.ranks[node.name]):
            name = node.name + "".join(self.notation.coordinates[i] for i in sorted(index))
            result[index] = {(self.twins.get(name, name), self.one): Fraction(1)}
        return result

    def add(self, total: Components, more: Components, factor: Fraction, column: int) -> None:
        """Add multiples of components, in place."""
        for index, expression in more.items():
            self.count += len(expression)
            if self.count > _MOST_TERMS:
                raise LawSyntaxError(self.text, column, f"it stands for more than {_MOST_TERMS} terms")
            row = total.setdefault(index, {})
            for key, value in expression.items():
                row[key] = row.get(key, Fraction(0)) + factor * value
                if not row[key]:
                    del row[key]
            if not row:
                del total[index]

    def of_operator(self, node: Applied) -> Components:
        """What an operator makes of its brackets: a sum of signed derivatives."""
        inner, total = self.of(node.inner), Components()
        space = self.notation.space

        def add(index: Index, place: int, expression: Expression, sign: int = 1) -> None:
            self.add(total, {index: derivative(expression, place)}, Fraction(sign), node.column)

        for index, expression in inner.items():
            if node.operator in self.notation.derivatives:
                add(index, self.notation.derivatives[node.operator], expression)
            elif node.operator == "div":
                add(index[:-1], index[-1], expression)
            elif node.operator == "grad":
                for place in space:
                    add((*index, place), place, expression)
            elif node.operator == "laplacian":
                for place in space:
                    add(index, place, derivative(expression, place))
            else:
                for outer, place, sign in _curl(index, space):
                    add(outer, place, expression, sign)
        return total


def _curl(index: Index, space: Index) -> list[tuple[Index, int, int]]:
    """The components of a curl in which a component of its argument stands: index, derivative, sign."""
    if len(space) == 3:
        i = space.index(index[0])
        before, after = space[i - 1], space[(i + 1) % 3]
        return [((before,), after, -1), ((after,), before, 1)]
    x, y = space
    if not index:
        return [((x,), y, 1), ((y,), x, -1)]
    return [((), y, -1)] if index == (x,) else [((), x, 1)]


def derivative(expression: Expression, place: int) -> Expression:
    """The derivative of each term; that of a constant is zero."""

    def raised(monomial: Monomial) -> Monomial:
        return (*monomial[:place], monomial[place] + 1, *monomial[place + 1 :])

    return {(field, raised(m)): value for (field, m), value in expression.items() if field}
