"""Surrogates: models that advance fields in time, and what they are fed with."""

from __future__ import annotations

from physmix.benchmarks.loading import loader_case
from physmix.benchmarks.row import Case

SURROGATES: dict[str, Case] = {
    "loader, file of 6 GB": loader_case(6.0),
}
