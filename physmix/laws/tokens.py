"""The text of a law, split into numbers, names and signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from physmix.errors import LawSyntaxError

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(rf"\s*(?:({_NUMBER})|([A-Za-z_]\w*)|([-+*/()=]))", re.ASCII)
_LONGEST = 2_000
_SMALLEST, _LARGEST = Fraction(1, 10**100), Fraction(10**100)
_BITS = 2_048  # of a numerator or denominator: products of long numbers stay quick


@dataclass(frozen=True)
class Token:
    """One word: its kind ("number", "name", "sign" or "end"), its text, and where it begins."""

    kind: str
    text: str
    column: int


def split(text: str) -> list[Token]:
    """The tokens of a text, and the end as the last one.

    Raises:
        LawSyntaxError: for a text that is too long, or a character that is in no token.
    """
    if len(text) > _LONGEST:
        raise LawSyntaxError(text, _LONGEST, f"longer than {_LONGEST} characters")
    tokens, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            place += len(text[place:]) - len(text[place:].lstrip())
            raise LawSyntaxError(text, place, f"unexpected character {text[place]!r}")
        group = match.lastindex or 1
        tokens.append(Token(("number", "name", "sign")[group - 1], match[group], match.start(group)))
        place = match.end()
    return [*tokens, Token("end", "the end", end)]


def read_number(text: str) -> Fraction | None:
    """The exact value of a decimal number, or None if it is not zero or of a size between 1e-100 and 1e100.

    The exponent is looked at first, since 1e999999999 written out would fill the memory.
    """
    _, _, exponent = text.lower().partition("e")
    if len(exponent.lstrip("+-").lstrip("0")) > 3 or abs(int(exponent or 0)) > 999:
        return None
    value = Fraction(text)
    return value if in_range(value) else None


def in_range(value: Fraction) -> bool:
    """Whether a coefficient is zero or of a size between 1e-100 and 1e100."""
    return not value or _SMALLEST <= abs(value) <= _LARGEST


def is_long(value: Fraction) -> bool:
    """Whether a number has so many digits that arithmetic with it is slow."""
    return max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS
