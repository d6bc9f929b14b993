"""A finding: one law, judged by one method, with its number and its verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Relative violations up to which a law is said to hold, by the precision of the numbers."""


@dataclass(frozen=True)
class Finding:
    """A relative violation: max |L y| / max (sum of |terms| of the law).

    Attributes:
        law: its name.
        method: how it was evaluated, in words.
        violation: the number.
        tolerance: up to which the law holds.
        round_off: the violation that rounding alone may cause, where it is known.
    """

    law: str
    method: str
    violation: float
    tolerance: float
    round_off: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the law holds; a violation that is not a number never does."""
        return self.violation <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON, with its verdict."""
        return {**asdict(self), "holds": self.holds}


def worst(findings: Iterable[Finding]) -> dict[str, float]:
    """The largest violation of each law, over all methods."""
    result: dict[str, float] = {}
    for finding in findings:
        result[finding.law] = max(result.get(finding.law, 0.0), finding.violation)
    return result
