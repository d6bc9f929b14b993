"""Explain a law: the constraint on the weights, its potentials, and what they reach."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from physmix.commands.interface import guarded
from physmix.commands.laws import LawTexts, library, read_laws
from physmix.errors import SettingsError, UnsupportedLawError, listing
from physmix.laws import (
    TIME,
    Law,
    Potentials,
    hole_channels,
    periodic_channels,
    potentials_of,
    recognized,
    written,
)


def main() -> None:
    """The command physmix-explain."""
    parser = argparse.ArgumentParser(
        prog="physmix-explain",
        description="Print what a law asks of mixing weights, its potentials, and which lawful fields they "
        "reach. Exit code 0: all of them, up to the degree; 1: not all, or no potentials; 2: not a law.",
    )
    parser.add_argument("law", help="a name of the library, a YAML file, or a text such as 'div(u) = 0'")
    parser.add_argument("--coordinates", help="such as t,x,y; a law of the library knows its own")
    parser.add_argument("--vectors", default="", help="names of vector fields, for a text")
    parser.add_argument("--tensors", default="", help="names of symmetric tensor fields, for a text")
    parser.add_argument("--constants", default="", help="numbers by name for a text, such as nu=1/100,k=2")
    parser.add_argument("--periodic", default="", help="coordinates along which the domain closes")
    parser.add_argument("--degree", type=int, default=4, help="of the polynomials that are counted")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()

    def run() -> int:
        texts = find_law(given.law, _names(given.vectors), _names(given.tensors), _numbers(given.constants))
        coordinates = _names(given.coordinates or "") or texts.coordinates
        if not coordinates and (texts.vectors or texts.tensors):
            raise SettingsError("the law", "its coordinates are not known", "give --coordinates t,x,y")
        return explain(texts, coordinates, _names(given.periodic), degree=given.degree, as_json=given.json)

    sys.exit(guarded(run))


def find_law(
    law: str,
    vectors: Sequence[str] = (),
    tensors: Sequence[str] = (),
    constants: Mapping[str, str] | None = None,
) -> LawTexts:
    """The laws of a text, a file, or a name of the library.

    Raises:
        SettingsError: if there is no such law.
    """
    if "=" in law:
        named = dict(constants or {})
        return LawTexts({"law": law}, vectors=tuple(vectors), tensors=tuple(tensors), constants=named)
    if Path(law).suffix not in (".yaml", ".yml") and law not in library():
        remedy = f"give a text with '=', a YAML file, or one of {listing(library())}"
        raise SettingsError("the law", f"{law!r} is not in the library", remedy)
    return read_laws(Path(law))


def explain(
    texts: LawTexts,
    coordinates: Sequence[str],
    periodic: Sequence[str] = (),
    *,
    degree: int = 4,
    as_json: bool = False,
) -> int:
    """Print what is known of laws, and return the exit code.

    Raises:
        SettingsError: if a periodic coordinate is none of the law's, or the degree is not sensible.
        LawSyntaxError: if a text cannot be read.
    """
    if not 0 <= degree <= 10:
        raise SettingsError("the degree", f"it is {degree}", "give a number from 0 to 10")
    for name in periodic:
        if name not in coordinates or name == TIME:
            remedy = "name space coordinates of the law"
            raise SettingsError("the periodic directions", f"{name!r} is not one", remedy)
    laws = texts.parse(coordinates)
    totals = [law for law in laws if law.integral]
    local = [law for law in laws if not law.integral]
    fields = list(dict.fromkeys(field for law in local for field in law.fields))
    parts = [_describe(part, periodic) for part in potentials_of(local, fields, coordinates, degree)]
    described = {
        "name": texts.name,
        "source": texts.source,
        "coordinates": list(coordinates),
        "totals": [{"name": law.name, "text": str(law)} for law in totals],
        "parts": parts,
    }
    if as_json:
        print(json.dumps(described, indent=1))
    else:
        print("\n".join(_lines(described, periodic)))
    return int(not all(part["complete"] for part in parts))


def _describe(part: Potentials, periodic: Sequence[str]) -> dict[str, Any]:
    reason = None
    try:
        part.require()
    except UnsupportedLawError as error:
        reason = str(error)
    holes = hole_channels(part) if part.complete and part.component.laws else None
    return {
        "laws": [_law(law) for law in part.component.laws],
        "fields": list(part.component.fields),
        "orders": part.orders,
        "weights": sum(
            _number(len(part.coordinates), order)
            for field in part.component.fields
            for order in part.component.levels(field, part.level)
        ),
        "nullity": len(part.weights),
        "potentials": recognized(part.component.laws),
        "example": [_weights(vector, part.coordinates) for vector in part.weights],
        "counts": [vars(count) for count in part.counts],
        "complete": part.complete,
        "implied": [str(law) for law in part.implied],
        "reason": reason,
        "periodic": [written(f, part.coordinates) for f in periodic_channels(part, periodic)]
        if periodic
        else [],
        "holes": None if holes is None else vars(holes),
    }


def _law(law: Law) -> dict[str, str]:
    return {"name": law.name, "text": str(law)}


def _number(coordinates: int, order: int) -> int:
    """How many derivatives of one order there are."""
    number = 1
    for i in range(order):
        number = number * (coordinates + i) // (i + 1)
    return number


def _weights(vector: dict[Any, Any], coordinates: Iterable[str]) -> str:
    """The fields of one potential, as text: ux = dy(phi), uy = -dx(phi)."""
    names = tuple(coordinates)
    fields: dict[str, str] = {}
    for (field, operator), value in vector.items():
        law = Law("", names, {("phi", operator): value})
        text = str(law).removesuffix(" = 0")
        before = fields.get(field, "")
        joined = f"{before} - {text[1:]}" if text[0] == "-" else f"{before} + {text}"
        fields[field] = joined if before else text
    return ", ".join(f"{field} = {text}" for field, text in fields.items())


def _lines(described: dict[str, Any], periodic: Sequence[str]) -> list[str]:
    head = described["name"] or "the law"
    places = listing(described["coordinates"])
    lines = [f"{head}, over {places}" if described["coordinates"] else f"{head}, at each point"]
    if described["source"]:
        lines.append(f"  source: {described['source']}")
    lines += [
        f"  {law['name']}: {law['text']}\n    about a total: on a periodic grid, weights "
        "without the identity hold it, over any differences"
        for law in described["totals"]
    ]
    for part in described["parts"]:
        lines += [f"  {law['name']}: {law['text']}" for law in part["laws"]]
        orders = ", ".join(f"{field} {order}" for field, order in part["orders"].items())
        lines.append(f"    derivatives mixed, by field: {orders}")
        lines.append(
            f"    {part['weights']} weights for each potential, {part['nullity']} of them free"
            + (f": {part['potentials']}" if part["potentials"] else "")
        )
        lines += [f"      {text}" for text in part["example"][:6]]
        hidden = len(part["example"]) - 6
        lines += [f"      and {hidden} more"] if hidden > 0 else []
        counts = part["counts"]
        lines.append("    degree   " + " ".join(f"{c['degree']:>5}" for c in counts))
        lines.append("    lawful   " + " ".join(f"{c['lawful']:>5}" for c in counts))
        lines.append("    reached  " + " ".join(f"{c['reached']:>5}" for c in counts))
        verdict = f"complete to degree {counts[-1]['degree']} on a convex domain"
        lines.append("    " + (verdict if part["complete"] else part["reason"]))
        if periodic and part["complete"]:
            added = "; ".join(part["periodic"]) or "none"
            lines.append(
                f"    periodic along {listing(periodic)}, these fields are channels of their own: {added}"
            )
        if part["holes"] and part["holes"]["channels"]:
            lines.append("    " + _holes(part["holes"], described["coordinates"]))
    return lines


def _holes(holes: dict[str, int], coordinates: Sequence[str]) -> str:
    """What a body at rest adds; it is a hole at all times."""
    space = len([name for name in coordinates if name != TIME])
    kind = {(1, 2): "body in the plane", (1, 3): "tunnel", (2, 3): "body in space"}.get(
        (holes["dimension"], space)
    )
    if kind is None:
        return "bodies at rest add no channels"
    number = holes["channels"]
    return f"each {kind} adds {number} channel{'s' if number > 1 else ''} of its own"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> dict[str, str]:
    numbers = {}
    for part in _names(text):
        name, equals, number = part.partition("=")
        if not equals:
            raise SettingsError("the constants", f"{part!r} has no number", "write nu=1/100,k=2")
        numbers[name.strip()] = number.strip()
    return numbers
