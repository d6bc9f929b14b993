"""The potentials of laws in a mathematician's words, where their kind is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from physmix.laws.law import Law
from physmix.laws.notation import TIME
from physmix.laws.text import parse_laws

# From words to laws: the text of each, its coordinates, its vectors and tensors.
_KNOWN: tuple[tuple[str, dict[str, str], str, str, str], ...] = (
    ("a stream function", {"law": "div(u) = 0"}, "xy", "u", ""),
    ("a vector potential", {"law": "div(u) = 0"}, "xyz", "u", ""),
    ("a stream function of space and time", {"law": "dt(r) + div(m) = 0"}, "tx", "m", ""),
    ("a vector potential of space-time", {"law": "dt(r) + div(m) = 0"}, "txy", "m", ""),
    ("an antisymmetric tensor potential of space-time", {"law": "dt(r) + div(m) = 0"}, "txyz", "m", ""),
    ("an Airy stress function", {"law": "div(s) = 0"}, "xy", "", "s"),
    (
        "Beltrami stress functions (those of Maxwell and Morera are parts of them)",
        {"law": "div(s) = 0"},
        "xyz",
        "",
        "s",
    ),
    *(
        (words, {"mass": "dt(r) + div(m) = 0", "momentum": "dt(m) + div(s) = 0"}, coordinates, "m", "s")
        for words, coordinates in (
            ("an Airy function of space and time", "tx"),
            ("Beltrami stress functions of space-time", "txy"),
            ("Beltrami stress functions of space-time", "txyz"),
        )
    ),
    ("a scalar and a vector potential", {"a": "dt(B) + curl(E) = 0", "b": "div(B) = 0"}, "txyz", "BE", ""),
    ("a scalar and a vector potential", {"a": "dt(B) + curl(E) = 0", "b": "div(B) = 0"}, "txy", "B", ""),
)


def recognized(laws: Iterable[Law]) -> str | None:
    """What the potentials of these laws are called, or None.

    Laws are compared by their structure: which operators each law applies to how many fields. Names of
    fields, signs and sizes of coefficients play no part.
    """
    laws = tuple(laws)
    if laws and not any(law.order for law in laws):
        return "free coordinates of a relation at each point"
    structure = _structure(laws)
    for words, texts, coordinates, vectors, tensors in _KNOWN:
        if _structure(parse_laws(texts, coordinates, vectors=vectors, tensors=tensors)) == structure:
            return words
    return None


def _structure(laws: tuple[Law, ...]) -> object:
    by_law = Counter(tuple(sorted(operator for _, operator in law.terms)) for law in laws)
    fields = dict.fromkeys(field for law in laws for field in law.fields)
    by_field = Counter(
        tuple(sorted(op for law in laws for name, op in law.terms if name == field)) for field in fields
    )
    timed = laws[0].coordinates.index(TIME) if laws and TIME in laws[0].coordinates else None
    return timed, by_law, by_field
