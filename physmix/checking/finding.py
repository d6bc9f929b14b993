"""A finding: one law, judged by one method, with its number and its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Relative violations up to which a law holds, by the precision of the numbers; see `Finding.of` for more."""

_EXCUSED = 1e3
"""Rounding excuses a violation of so many tolerances; fields that lose more to it are not lawful."""


@dataclass(frozen=True)
class Finding:
    """A relative violation: max |L y| / max (sum of |terms| of the law).

    Attributes:
        law: its name.
        method: how it was evaluated, in words.
        violation: the number.
        tolerance: up to which the law holds: that of its precision, or what rounding alone may cause.
        trivial: whether every term is zero, so that nothing was tested.
        round_off: the violation that rounding alone may cause, where it is known.
    """

    law: str
    method: str
    violation: float
    tolerance: float
    trivial: bool = False
    round_off: float | None = None

    @classmethod
    def of(
        cls,
        law: str,
        method: str,
        missed: float,
        size: float,
        precision: torch.dtype,
        round_off: float | None = None,
    ) -> Finding:
        """The finding for max |L y| = missed and max (sum of |terms|) = size."""
        trivial = size == 0.0
        tolerance = TOLERANCES[precision]
        if round_off is not None:
            tolerance = min(max(tolerance, round_off), _EXCUSED * tolerance)
        return cls(law, method, missed if trivial else missed / size, tolerance, trivial, round_off)

    @property
    def holds(self) -> bool:
        """Whether the law holds; a violation that is not a number never does."""
        return self.violation <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON, with its verdict; a number that is not finite becomes null."""
        return {**asdict(self), "violation": finite(self.violation), "holds": self.holds}


def finite(number: float) -> float | None:
    """The number, or None where JSON has no word for it."""
    return number if math.isfinite(number) else None


def worst(findings: Iterable[Finding]) -> dict[str, float]:
    """The largest violation of each law over all methods; not a number is larger than any."""
    result: dict[str, float] = {}
    for finding in findings:
        known = result.get(finding.law, 0.0)
        larger = math.isnan(finding.violation) or finding.violation > known
        result[finding.law] = finding.violation if larger else known
    return result


def together(parts: Iterable[Iterable[Finding]]) -> list[Finding]:
    """The findings on parts of a data set as those on all of it: the worst of each law and method."""
    found: dict[tuple[str, str], Finding] = {}
    for part in parts:
        for new in part:
            key = (new.law, new.method)
            old = found.get(key, new)
            larger = math.isnan(new.violation) or new.violation > old.violation
            trivial = new.trivial and old.trivial
            found[key] = replace(new if larger else old, trivial=trivial)
    return list(found.values())
