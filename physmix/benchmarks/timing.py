"""Times of alternatives, measured in turn so that a noisy machine disturbs all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median


def in_turn(
    alternatives: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    *,
    settled: bool = False,
) -> dict[str, list[float]]:
    """Seconds of each alternative in each round, after one round of warming up.

    For work on one thread `time.process_time` leaves out what other processes took. If `settled`, each
    is run once more before it is timed, so that it finds memory as in a loop of its own, and not as
    another has left it.
    """
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(rounds + 1):
        for name, run in alternatives.items():
            if settled:
                run()
            began = clock()
            run()
            if number:
                seconds[name].append(clock() - began)
    return seconds


def ratio(seconds: Mapping[str, list[float]], above: str, below: str) -> float:
    """The median over rounds of one alternative's time over another's."""
    return median(a / b for a, b in zip(seconds[above], seconds[below], strict=True))


def best_ratio(seconds: Mapping[str, list[float]], above: str, below: str) -> float:
    """The shortest time of one alternative over that of another: for equal work, free of noise."""
    return min(seconds[above]) / min(seconds[below])
