"""Reconciliation of large fields: seconds, growth and memory, in a process of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from physmix.benchmarks.apart import apart, peak
from physmix.benchmarks.library import system
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.timing import best_ratio, in_turn
from physmix.grids import PeriodicGrid
from physmix.reconciliation import LawfulFields

GROWTH = "growth from a quarter of the points, over N log N"


def scale_case(points: Sequence[int]) -> Callable[[str], list[Row]]:
    """A divergence-free field of these points; the peer is one Fourier transform of the same field."""

    def run(case: str) -> list[Row]:
        found = apart(measure, tuple(points))
        return [
            ours(case, "seconds", found["seconds"], "s"),
            peer(case, "torch.fft.rfftn", "seconds", found["transform"], "s"),
            ours(case, "time over one transform", found["ratio"]),
            ours(case, GROWTH, found["growth"]),
            ours(case, "peak resident size", found["peak"], "GB"),
            peer(case, "the field itself", "size", found["field"], "GB"),
        ]

    return run


def measure(points: Sequence[int], rounds: int = 5) -> dict[str, float]:
    """The figures of one size; the peak is that of this process, so it is read before more is done."""
    names = [f"u{name}" for name in "xyz"[: len(points)]]
    laws = system({"div": "div(u) = 0"}, "xyz"[: len(points)], vectors="u").laws
    generator = torch.Generator().manual_seed(0)

    def prepared(shape: Sequence[int]) -> tuple[LawfulFields, torch.Tensor]:
        grid = PeriodicGrid(tuple("xyz"[: len(shape)]), tuple(shape), (1.0,) * len(shape))
        fields = torch.randn(1, 1, *shape, len(shape), generator=generator, dtype=torch.float64)
        return LawfulFields(laws, names, grid), fields

    lawful, fields = prepared(points)
    lawful.project(fields)
    most = peak()
    fewer, part = prepared((points[0] // 4, *points[1:]))
    axes = tuple(range(2, fields.ndim - 1))
    seconds = in_turn(
        {
            "ours": lambda: lawful.project(fields),
            "transform": lambda: torch.fft.rfftn(fields, dim=axes),
            "quarter": lambda: fewer.project(part),
        },
        rounds,
    )
    count = math.prod(points)
    return {
        "seconds": min(seconds["ours"]),
        "transform": min(seconds["transform"]),
        "ratio": best_ratio(seconds, "ours", "transform"),
        "growth": best_ratio(seconds, "ours", "quarter") / (4 * math.log(count) / math.log(count / 4)),
        "peak": most,
        "field": fields.nbytes / 1e9,
    }
