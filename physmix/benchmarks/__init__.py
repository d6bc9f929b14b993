"""Benchmarks: our figures and those of peers, from one run."""

import physmix.benchmarks.foreign  # noqa: F401  before what imports torchvision
from physmix.benchmarks.constraints import CONSTRAINTS
from physmix.benchmarks.jets import JETS
from physmix.benchmarks.laws import LAWS
from physmix.benchmarks.pinn import PINN
from physmix.benchmarks.row import Case, Row, Summary, table
from physmix.benchmarks.solvers import SOLVERS
from physmix.benchmarks.surrogates import SURROGATES

BENCHMARKS: dict[str, dict[str, Case | Summary]] = {
    "constraints": {**CONSTRAINTS},
    "jets": {**JETS},
    "laws": {**LAWS},
    "pinn": {**PINN, **SOLVERS},
    "surrogates": SURROGATES,
}
"""Each benchmark's cases, by name."""

__all__ = ["BENCHMARKS", "Case", "Row", "Summary", "table"]
