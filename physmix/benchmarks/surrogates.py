"""Surrogates: models that advance fields in time, and what they are fed with."""

from __future__ import annotations

from physmix.benchmarks.heads import HEADS
from physmix.benchmarks.loading import loader_case
from physmix.benchmarks.paired import paired_cases
from physmix.benchmarks.row import Case, Summary
from physmix.benchmarks.twins import Budget

SURROGATES: dict[str, Case | Summary] = {
    **paired_cases("64 x 64", Budget(), seeds=5),
    **HEADS,
    "loader, file of 6 GB": loader_case(6.0),
}
