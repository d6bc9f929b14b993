"""Error against time: ours at several sizes, and rivals that are given several times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from physmix.benchmarks.rivals import RIVALS, rival
from physmix.benchmarks.row import Case, Row, ours, peer

PACE = "error against time"
BUDGETS = (2.0, 8.0, 30.0)
"""Seconds that rivals have."""
_ERROR, _SECONDS = "mean relative error, ", "seconds, "

Curve = Sequence[tuple[float, float]]
"""Seconds and errors."""


def pace_case(
    flow: str, sizes: Mapping[str, Callable[[], tuple[float, float]]], budgets: Sequence[float] = BUDGETS
) -> Case:
    """The seconds and the mean relative error of each of our sizes, and of each rival in each time.

    Args:
        flow: that rivals solve, one of their `CASES`.
        sizes: by name, each solves and returns seconds and error.
        budgets: of rivals, in seconds.
    """

    def run(case: str) -> list[Row]:
        rows = []
        for name, solve in sizes.items():
            seconds, error = solve()
            rows += [ours(case, f"{_SECONDS}{name}", seconds, "s"), ours(case, f"{_ERROR}{name}", error)]
        for system in RIVALS:
            for budget in budgets:
                found, name = rival(system, flow, budget), f"given {budget:g} s"
                seconds = found.pop("seconds")
                error = sum(found.values()) / len(found)
                rows += [
                    peer(case, system, f"{_SECONDS}{name}", seconds, "s"),
                    peer(case, system, f"{_ERROR}{name}", error),
                ]
        return rows

    return run


def curves(rows: Iterable[Row]) -> dict[str, dict[str, Curve]]:
    """What rows tell of error against time, by case and system, in the order of the seconds."""
    values = {(row.case, row.system, row.metric): row.value for row in rows}
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for (case, system, metric), seconds in values.items():
        error = values.get((case, system, metric.replace(_SECONDS, _ERROR)))
        if case.startswith(PACE) and metric.startswith(_SECONDS) and error is not None:
            title = case.removeprefix(f"{PACE}, ")
            found.setdefault(title, {}).setdefault(system, []).append((seconds, error))
    return {title: {name: sorted(c) for name, c in some.items()} for title, some in found.items()}
