"""The text of a law, parsed by a small grammar and never evaluated.

    law    := sum '=' sum | 'integral' '(' sum ')' '=' 'const'
    sum    := ['+' | '-'] term (('+' | '-') term)*
    term   := factor (('*' | '/') factor)*
    factor := number | field | 'd' coordinate '(' sum ')' | '(' sum ')'

A product needs a number on one side, since a law is linear; a quotient needs one below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from physmix.errors import LawSyntaxError
from physmix.laws.law import Law
from physmix.operators import Monomial

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?|\.\d+)|([A-Za-z_]\w*)|([-+*/()=]))", re.ASCII)
_LONGEST, _DEEPEST = 2_000, 50
_SMALLEST, _LARGEST = Fraction(1, 10**100), Fraction(10**100)

# The constant 1 stands under the empty name, which no field can have.
Expression = dict[tuple[str, Monomial], Fraction]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


class _Parser:
    def __init__(self, text: str, coordinates: tuple[str, ...]) -> None:
        self.text, self.coordinates = text, coordinates
        self.zero: Monomial = (0,) * len(coordinates)
        self.tokens, self.place, self.depth = self._split(), 0, 0

    def _split(self) -> list[_Token]:
        if len(self.text) > _LONGEST:
            raise LawSyntaxError(self.text, _LONGEST, f"longer than {_LONGEST} characters")
        tokens, place, end = [], 0, len(self.text.rstrip())
        while place < end:
            match = _TOKEN.match(self.text, place)
            if match is None:
                place += len(self.text[place:]) - len(self.text[place:].lstrip())
                raise self.error(f"unexpected character {self.text[place]!r}", place)
            kind = ("number", "name", "sign")[(match.lastindex or 1) - 1]
            tokens.append(_Token(kind, match[match.lastindex or 1], match.start(match.lastindex or 1)))
            place = match.end()
        return [*tokens, _Token("end", "the end", end)]

    def error(self, problem: str, column: int | None = None) -> LawSyntaxError:
        where = self.tokens[self.place].column if column is None else column
        return LawSyntaxError(self.text, where, problem)

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def take(self, *signs: str) -> _Token | None:
        if self.token.text not in signs or self.token.kind == "end":
            return None
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.error(f"expected {sign!r}, found {self.token.text!r}")

    def law(self, name: str) -> Law:
        integral = self.token.text == "integral" and self.tokens[self.place + 1].text == "("
        if integral:
            self.place += 2
            left = self.sum()
            self.expect(")")
            self.expect("=")
            if not self.take("const"):
                raise self.error(f"expected 'const', found {self.token.text!r}")
            right: Expression = {}
        else:
            left = self.sum()
            self.expect("=")
            right = self.sum()
        if self.token.kind != "end":
            raise self.error(f"unexpected {self.token.text!r} after the law")
        terms = _add(left, right, -1)
        source = -terms.pop(("", self.zero), Fraction(0))
        if not terms:
            raise self.error("no field is left in the law", 0)
        if integral and (source or any(any(m) for _, m in terms)):
            raise self.error("an integral is taken of fields, without constants or derivatives", 0)
        for value in [*terms.values(), source]:
            if value and not _SMALLEST <= abs(value) <= _LARGEST:
                raise self.error("a coefficient is not between 1e-100 and 1e100", 0)
        return Law(name, self.coordinates, terms, source, integral)

    def sum(self) -> Expression:
        sign = self.take("+", "-")
        total = _scale(self.term(), -1 if sign and sign.text == "-" else 1)
        while sign := self.take("+", "-"):
            total = _add(total, self.term(), -1 if sign.text == "-" else 1)
        return total

    def term(self) -> Expression:
        total = self.factor()
        while sign := self.take("*", "/"):
            column = self.token.column
            right = self.factor()
            number = self.constant(right)
            if sign.text == "/":
                if not number:
                    raise self.error("a law divides only by numbers other than zero", column)
                total = _scale(total, 1 / number)
            elif number is not None:
                total = _scale(total, number)
            elif (number := self.constant(total)) is not None:
                total = _scale(right, number)
            else:
                raise self.error("a law is linear: fields cannot be multiplied", column)
        return total

    def factor(self) -> Expression:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"more than {_DEEPEST} nested brackets")
        result = self.single()
        self.depth -= 1
        return result

    def single(self) -> Expression:
        token = self.token
        if token.kind == "number":
            self.place += 1
            value = Fraction(token.text)
            return {("", self.zero): value} if value else {}
        if self.take("("):
            inner = self.sum()
            self.expect(")")
            return inner
        if token.kind != "name":
            raise self.error(f"expected a number, a field or an operator, found {token.text!r}")
        self.place += 1
        if self.token.text != "(":
            return {(token.text, self.zero): Fraction(1)}
        known = {f"d{name}": i for i, name in enumerate(self.coordinates)}
        if token.text not in known:
            choices = ", ".join(known) or "none: the fields live at no coordinates"
            raise self.error(f"unknown operator {token.text!r}; there are {choices}", token.column)
        self.expect("(")
        inner = self.sum()
        self.expect(")")
        return _derive(inner, known[token.text])

    def constant(self, expression: Expression) -> Fraction | None:
        """The number an expression is, or None if it has fields."""
        if any(field for field, _ in expression):
            return None
        return expression.get(("", self.zero), Fraction(0))


def _scale(expression: Expression, factor: Fraction | int) -> Expression:
    return {key: value * factor for key, value in expression.items() if factor}


def _add(left: Expression, right: Expression, sign: int) -> Expression:
    total = dict(left)
    for key, value in right.items():
        total[key] = total.get(key, Fraction(0)) + sign * value
    return {key: value for key, value in total.items() if value}


def _derive(expression: Expression, place: int) -> Expression:
    def raised(monomial: Monomial) -> Monomial:
        return (*monomial[:place], monomial[place] + 1, *monomial[place + 1 :])

    return {(field, raised(m)): value for (field, m), value in expression.items() if field}


def parse_law(name: str, text: str, coordinates: Iterable[str]) -> Law:
    """Read one law, such as "dt(rho) + dx(mx) + dy(my) = 0".

    Args:
        name: the word used for the law in messages and metrics.
        text: the law.
        coordinates: the coordinates the fields depend on; coordinate x has the operator dx.

    Raises:
        LawSyntaxError: it points at the column.
    """
    if not isinstance(text, str):
        raise LawSyntaxError(repr(text), 0, "not a text")
    return _Parser(text, tuple(coordinates)).law(name)


def parse_laws(texts: Mapping[str, str], coordinates: Iterable[str]) -> tuple[Law, ...]:
    """Read several laws, from name to text."""
    coordinates = tuple(coordinates)
    return tuple(parse_law(name, text, coordinates) for name, text in texts.items())
