"""The grammar of laws: text becomes a tree, and is never evaluated.

    law      := sum '=' sum | 'integral' '(' sum ')' '=' 'const'
    sum      := ['+' | '-'] term (('+' | '-') term)*
    term     := factor (('*' | '/') factor)*
    factor   := number | constant | field | operator '(' sum ')' | '(' sum ')'
    operator := 'd' coordinate | 'div' | 'grad' | 'curl' | 'laplacian'

A product needs a number on one side, since a law is linear; a quotient needs one below. Arithmetic on
numbers is done while reading, so that a tree holds fields, operators, and single numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from physmix.errors import LawSyntaxError, listing, suggestion
from physmix.laws.notation import VECTOR_OPERATORS, Notation
from physmix.laws.tokens import Token, is_long, read_number, split
from physmix.laws.tree import Applied, Equation, Field, Node, Number, Sum

_DEEPEST, _SHOWN = 50, 40


def _shown(token: Token) -> str:
    """A token in a message: a hostile one may be as long as the text."""
    return repr(token.text if len(token.text) <= _SHOWN else token.text[:_SHOWN] + "...")


def read(text: str, notation: Notation) -> Equation:
    """The tree of a law's text.

    Raises:
        LawSyntaxError: if the text is not in the grammar, nests brackets more than 50 deep, or multiplies
            fields or coordinates; it points at the column.
    """
    return _Parser(text, notation).law()


class _Parser:
    """Reads one text by recursive descent."""

    def __init__(self, text: str, notation: Notation) -> None:
        self.text, self.notation = text, notation
        self.tokens, self.place, self.depth = split(text), 0, 0

    def law(self) -> Equation:
        integral = self.token.text == "integral" and self.tokens[self.place + 1].text == "("
        if integral:
            self.place += 1
            left = self.bracket()
            self.expect("=")
            self.expect("const")
            parts: tuple[tuple[Fraction, Node], ...] = ((Fraction(1), left),)
        else:
            left = self.sum()
            self.expect("=")
            parts = ((Fraction(1), left), (Fraction(-1), self.sum()))
        if self.token.kind != "end":
            raise self.error(f"unexpected {_shown(self.token)} after the law")
        return Equation(Sum(parts, 0), integral)

    def error(self, problem: str, column: int | None = None) -> LawSyntaxError:
        where = self.token.column if column is None else column
        return LawSyntaxError(self.text, where, problem)

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def take(self, *signs: str) -> Token | None:
        if self.token.text not in signs or self.token.kind == "end":
            return None
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.error(f"expected {sign!r}, found {_shown(self.token)}")

    def sum(self) -> Node:
        column, parts = self.token.column, []
        sign = self.take("+", "-")
        while True:
            term = self.term()
            parts.append((Fraction(-1 if sign and sign.text == "-" else 1), term))
            if not (sign := self.take("+", "-")):
                return self._summed(parts, column)

    def _summed(self, parts: list[tuple[Fraction, Node]], column: int) -> Node:
        total = Fraction(0)
        for factor, part in parts:
            if not isinstance(part, Number):
                return parts[0][1] if len(parts) == 1 and factor == 1 else Sum(tuple(parts), column)
            total = self._short(total + factor * part.value, part.column)
        return Number(total, column)

    def term(self) -> Node:
        column, scale = self.token.column, Fraction(1)
        total: Node = self.factor()
        while sign := self.take("*", "/"):
            place = self.token.column
            right = self.factor()
            if sign.text == "/":
                if not isinstance(right, Number) or not right.value:
                    raise self.error("a law divides only by numbers other than zero", place)
                scale /= right.value
            elif isinstance(right, Number):
                scale *= right.value
            elif isinstance(total, Number):
                scale, total = scale * total.value, right
            else:
                names = {node.name: None for node in (total, right) if isinstance(node, Field)}
                hint = f"; if {' or '.join(names)} is a number, give it among the constants" if names else ""
                raise self.error(f"a law is linear: fields cannot be multiplied{hint}", place)
            self._short(scale, place)
        if isinstance(total, Number):
            return Number(self._short(total.value * scale, column), column)
        return total if scale == 1 else Sum(((scale, total),), column)

    def _short(self, value: Fraction, column: int) -> Fraction:
        if is_long(value):
            raise self.error("a number with too many digits", column)
        return value

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"more than {_DEEPEST} nested brackets")
        yield
        self.depth -= 1

    def bracket(self) -> Node:
        with self._deeper():
            self.expect("(")
            inner = self.sum()
        self.expect(")")
        return inner

    def factor(self) -> Node:
        token = self.token
        if token.text == "(":
            return self.bracket()
        if token.kind not in ("number", "name"):
            raise self.error(f"expected a number, a field or an operator, found {token.text!r}")
        self.place += 1
        if token.kind == "number":
            value = read_number(token.text)
            if value is None:
                raise self.error("a number is not between 1e-100 and 1e100", token.column)
            return Number(value, token.column)
        return self.operator(token) if self.token.text == "(" else self.name(token)

    def operator(self, token: Token) -> Applied:
        known = (*self.notation.derivatives, *(VECTOR_OPERATORS if self.notation.space else ()))
        if token.text not in known:
            choices = listing(known) if known else "none without coordinates: give some, such as t,x,y"
            hint = suggestion(token.text, known)
            raise self.error(f"unknown operator {_shown(token)}{hint}; there are {choices}", token.column)
        if token.text == "curl" and len(self.notation.space) not in (2, 3):
            number = len(self.notation.space)
            raise self.error(f"curl needs two or three space coordinates, not {number}", token.column)
        return Applied(token.text, self.bracket(), token.column)

    def name(self, token: Token) -> Number | Field:
        name = token.text
        if name in self.notation.constants:
            return Number(self.notation.constants[name], token.column)
        if name in self.notation.coordinates:
            raise self.error(
                f"the coordinate {name!r} makes the law depend on position, and such a coefficient does not "
                f"commute with derivatives; name the product, such as the flux r*ur, as a field of its own, "
                "so that the law has constant coefficients",
                token.column,
            )
        return Field(name, token.column)
