"""One figure of a benchmark, and the table of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from physmix.benchmarks.targets import TARGETS


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        case: what was measured.
        system: on what: ours, or a peer.
        metric: the quantity.
        value: the figure.
        unit: of the figure.
        target: "<= x" or ">= x" for a figure of ours that has one; None without one, and for a peer.
    """

    case: str
    system: str
    metric: str
    value: float
    unit: str
    target: str | None

    @property
    def holds(self) -> bool | None:
        """Whether the figure reaches its target; a figure that is not a number never does."""
        if self.target is None:
            return None
        sign, bound = self.target.split()
        return self.value <= float(bound) if sign == "<=" else self.value >= float(bound)

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON, with its verdict."""
        value = self.value if math.isfinite(self.value) else None
        return {**asdict(self), "value": value, "holds": self.holds}


Case = Callable[[str], list[Row]]
"""Measures one case; it is given its own name."""


@dataclass(frozen=True)
class Summary:
    """A case that tells something of others, which stand before it.

    Attributes:
        of: is given its own name and all rows so far.
    """

    of: Callable[[str, Sequence[Row]], list[Row]]


def ours(case: str, metric: str, value: float, unit: str = "", system: str = "physmix", **bound: str) -> Row:
    """A row of ours, with the target of its metric; `target` overrides it for one row."""
    return Row(case, system, metric, float(value), unit, bound.get("target", TARGETS.get(metric)))


def peer(case: str, system: str, metric: str, value: float, unit: str = "") -> Row:
    """A row of a peer, or of a twin that must fail."""
    return Row(case, system, metric, float(value), unit, None)


def table(rows: Iterable[Row]) -> str:
    """The rows as text, one a line, in columns."""
    head = ("case", "system", "metric", "value", "target", "")
    marks = {None: "", True: "holds", False: "FALLS SHORT"}
    lines = [
        (r.case, r.system, r.metric, f"{r.value:.3g} {r.unit}".strip(), r.target or "", marks[r.holds])
        for r in rows
    ]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *lines]
    )
