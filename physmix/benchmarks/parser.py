"""Random texts for the parser of laws: each is a law or a law error, and nothing in it is evaluated.

Half of the texts come from the grammar, with ranks that may not fit; the others are valid laws with
mutations, strings of the grammar's words, deep brackets, and characters of all of Unicode. Whether
something is evaluated is asked of Python's own audit (PEP 578), which sees every eval, exec, compile,
import, file, socket and process, however it is called.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from physmix.benchmarks.library import library
from physmix.benchmarks.row import Row, ours
from physmix.errors import LawSyntaxError
from physmix.laws import Law, parse_law

TEXTS, SEED = 100_000, 0
DECLARED: dict[str, Any] = {"vectors": ["B"], "tensors": ["s"], "constants": {"c": "1/3"}}
COORDINATES = ("", "t", "x", "tx", *["xy", "txy", "xyz", "txyz"] * 3)
OPERATORS = ("dt", "dx", "dy", "dz", "div", "grad", "curl", "laplacian", "integral")
WORDS = (
    *(*OPERATORS, "const", "u", "B", "s", "rho", "c", "ux", "sxy", "syx", "x", "t", "__import__", "lambda"),
    *("0", "1", "2.5e-3", "1e101", "1e99999", "(", "(", "(", ")", ")", ")", "+", "-", "*", "/", "=", " = 0"),
)
LEAVES = ("u", "v", "B", "s", "ux", "syx", "0", "c", "7", "x", "div(u)", "grad(u)", "curl(u)", "2/3*rho")
CODE = ("__import__('os').system('true')", "eval('1')", "().__class__", "open('/')", "u if 1 else v", "{u}")
CHARACTERS = "dtxyuv0123456789.()+-*/=_e \t\nintegralcos'\"[]{}:;,\\%#@!"


def grown(random: Random, depth: int | None = None) -> str:
    """What the grammar makes of its own parts: nearly always well formed."""
    depth = random.randrange(5) if depth is None else depth
    kind = random.randrange(5) if depth else 0
    if kind == 0:
        return random.choice(LEAVES)
    inner = grown(random, depth - 1)
    if kind == 1:
        return f"{random.choice(('', *OPERATORS[:8]))}({inner})"
    if kind == 2:
        return f"{random.choice(('2', 'c', '1/3', '0', 'u', '1.5e-7'))}*({inner})"
    return f"{inner} {random.choice('+-')} {grown(random, depth - 1)}"


def equation(random: Random) -> str:
    """Two sums, or a total."""
    if random.random() < 0.1:
        return f"integral({grown(random)}) = const"
    return f"{grown(random)} = {grown(random)}"


def nested(random: Random) -> str:
    """Brackets and operators inside one another, more or less closed again."""
    opened = [
        random.choice(("(", "2*(", *(f"{word}(" for word in OPERATORS))) for _ in range(random.randrange(70))
    ]
    inner, end = random.choice(("u", "B + s", "0", "u - ux", "")), random.choice((" = 0", " = grad(p)", ""))
    return "".join(opened) + inner + ")" * max(len(opened) + random.choice((-1, 0, 0, 1)), 0) + end


def words(random: Random) -> str:
    """The grammar's words in any order."""
    return "".join(random.choice(WORDS) for _ in range(random.randrange(40)))


def characters(random: Random) -> str:
    """Characters that a text or a program may have, or any code points: surrogates and controls as well."""
    if random.random() < 0.5:
        return "".join(random.choice(CHARACTERS) for _ in range(random.randrange(60)))
    highest = random.choice((0x7F, 0x2FF, 0xFFFF, sys.maxunicode))
    return "".join(chr(random.randint(0, highest)) for _ in range(random.randrange(40)))


def mutated(random: Random, laws: list[str]) -> str:
    """A valid law in which a few places are cut, doubled, exchanged or filled with something else."""
    text = random.choice(laws)
    for _ in range(random.randrange(5)):
        one, two = sorted(random.randint(0, len(text)) for _ in range(2))
        two = min(two, one + 12)
        piece = random.choice(
            ("", text[one:two] * 2, text[one:two][::-1], words(random)[:12], random.choice(CODE))
        )
        text = text[:one] + random.choice((piece, piece, characters(random)[:3])) + text[two:]
    return text


def texts(seed: int, count: int) -> Iterator[tuple[str, str, bool]]:
    """Text, coordinates, and whether names are declared."""
    random = Random(seed)  # noqa: S311 - no secret
    laws = [str(law).split(": ")[-1] for one in library().values() for law in one.laws]
    kinds: tuple[Callable[[], str], ...] = (
        *[lambda: equation(random)] * 4,
        *[lambda: mutated(random, laws)] * 2,
        *(lambda: words(random), lambda: characters(random), lambda: nested(random)),
    )
    for _ in range(count):
        yield random.choice(kinds)(), random.choice(COORDINATES), random.random() < 0.5


def is_law_or_refused(text: str, coordinates: str, *, declared: bool) -> bool:
    """Whether the text became laws (true) or was refused by a law error (false); others are raised."""
    try:
        laws = parse_law("law", text, coordinates, **(DECLARED if declared else {}))
    except LawSyntaxError:
        return False
    if not laws or not all(isinstance(law, Law) and law.terms for law in laws):
        raise AssertionError(text)
    return True


@contextmanager
def audited() -> Iterator[list[str]]:
    """The events that Python audits in this thread meanwhile, by name."""
    seen: list[str] = []
    listening, thread = [True], threading.get_ident()

    def hook(event: str, _: tuple[Any, ...]) -> None:
        if listening and threading.get_ident() == thread:
            seen.append(event)

    sys.addaudithook(hook)  # which Python never removes; it is deaf afterwards
    try:
        yield seen
    finally:
        listening.clear()


def parser_case(case: str) -> list[Row]:
    """Exceptions that are no law errors, and what was evaluated, over many texts."""
    chosen = list(texts(SEED, TEXTS))
    lawful, wrong = 0, list[str]()
    with audited() as events:
        for text, coordinates, declared in chosen:
            try:
                lawful += is_law_or_refused(text, coordinates, declared=declared)
            except Exception:  # noqa: BLE001 - each is counted
                wrong.append(text)
    return [
        ours(case, "texts", len(chosen)),
        ours(case, "share of laws among the texts", lawful / len(chosen)),
        ours(case, "exceptions but law errors", len(wrong), system=_system(wrong)),
        ours(case, "audited events while parsing", len(events), system=_system(events)),
    ]


def _system(faults: list[str]) -> str:
    return f"physmix, such as {faults[0]!a}" if faults else "physmix"
