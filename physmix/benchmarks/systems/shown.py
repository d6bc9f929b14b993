"""What the demonstration of a system gives: figures beside those of peers, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from physmix.benchmarks.row import Row
from physmix.reporting import Panel


@dataclass(frozen=True)
class Shown:
    """The outcome of a demonstration.

    Attributes:
        rows: figures of ours with their targets, and of peers from the same run.
        panels: of the picture.
        columns: panels in a row.
    """

    rows: Sequence[Row]
    panels: Sequence[Panel]
    columns: int = 3


@dataclass(frozen=True)
class System:
    """One use of constrained channel mixing.

    Attributes:
        number: in the list of the twelve.
        title: what a user of the field calls it.
        claim: what its demonstration verifies.
        demonstrate: does so; its keyword arguments stand in conf/application.
    """

    number: int
    title: str
    claim: str
    demonstrate: Callable[..., Shown]
