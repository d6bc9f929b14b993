"""The description of a model in its checkpoint: plain JSON, and not trusted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from physmix.commands.laws import LawTexts
from physmix.errors import SettingsError

Description = dict[str, Any]
"""What rebuilds a model, as JSON:

    model     its settings, with their name
    laws      those held by the weights, as in a file of conf/law
    judged    the same, of those it is judged by
    coordinates, fields    names, in order
    box       lowest and highest value of each coordinate
    size, mean             of each field
    cells, boundary        of the grid along each coordinate of space: how many, and what is at its ends
    constants              of the flow, such as gamma
    floor                  lowest values that states may have, by name
"""

MOST_CELLS = 10**8  # of a grid that a description may ask for


def _laws(value: object) -> bool:
    try:
        LawTexts.of(value)
    except SettingsError:
        return False
    return True


def _names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _numbers(value: object) -> bool:
    return isinstance(value, Mapping) and all(_number(v) for v in value.values())


def _cells(value: object) -> bool:
    if not isinstance(value, Mapping) or not all(type(v) is int and v > 0 for v in value.values()):
        return False
    return math.prod(value.values()) <= MOST_CELLS


def _texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values())


def _edges(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(v, list) and len(v) == 2 and all(map(_number, v)) and v[0] < v[1] for v in value.values()
    )


_PARTS: dict[str, Callable[[object], bool]] = {
    "model": lambda value: isinstance(value, Mapping),
    "laws": _laws,
    "judged": _laws,
    "coordinates": _names,
    "fields": _names,
    "box": _edges,
    "size": _numbers,
    "mean": _numbers,
    "cells": _cells,
    "boundary": _texts,
    "constants": _numbers,
    "floor": _numbers,
}


_ABSENT = ("cells", "boundary", "constants", "floor")
"""Parts that a model without a grid has not."""


def check_description(description: Description, tensors: Mapping[str, Tensor]) -> None:
    """Check that a description has the parts and types of one of ours, and no more than its size.

    Args:
        description: from a file.
        tensors: the weights that come with it.

    Raises:
        ValueError: in words, if it has not.
    """
    for key in _ABSENT:
        description.setdefault(key, {})
    for key, fits in _PARTS.items():
        if not fits(description.get(key)):
            raise ValueError(f"its {key} is missing or of another type")
    if set(description["box"]) != set(description["coordinates"]):
        raise ValueError("its box is not that of its coordinates")
    # Every width is a side of some tensor: so a small file cannot ask for a huge model.
    largest = max([len(tensors), *(side for t in tensors.values() for side in t.shape)])
    # What is given by formulas and places has no widths; how many there may be is said where it is read.
    given = ("walls", "liftings", "enrichments", "symmetries", "carried")
    widths = {k: v for k, v in description["model"].items() if k not in given}
    if any(size > largest for size in _integers(widths)):
        raise ValueError("its model is larger than its weights")


def _integers(value: object) -> Iterator[int]:
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _integers(part)
    elif isinstance(value, int):
        yield value
