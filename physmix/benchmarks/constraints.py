"""The constraint engine: true optima, exact projections, and no overhead, beside its peers."""

from __future__ import annotations

from physmix.benchmarks.feasibility import conflicts_case
from physmix.benchmarks.optimum import optimum_case
from physmix.benchmarks.overhead import (
    correction_case,
    inference_case,
    orthogonal_case,
    projection_case,
    training_case,
)
from physmix.benchmarks.precision import autocast_case, drift_case
from physmix.benchmarks.projections import PROJECTIONS, optimality_case
from physmix.benchmarks.row import Case

CONSTRAINTS: dict[str, Case] = {
    **{
        f"optimum, {name}, condition 1e3": optimum_case(name, 1e3, 8000)
        for name in ("linear", "complex linear", "simplex", "box", "orthonormal", "cvxpy-defined")
    },
    **{f"1,000 projections, {name}": optimality_case(name) for name in PROJECTIONS},
    "1,000 contradictory systems": conflicts_case,
    "100,000 float32 steps": drift_case,
    "bf16 autocast": autocast_case,
    "projection, 24 weights x 128": projection_case,
    "orthonormal step, 256 channels": orthogonal_case,
    "training step, 64 channels at 128 x 128": training_case,
    "inference, 64 channels at 128 x 128": inference_case,
    **{
        f"forward, {channels} channels, {points:,} points": correction_case(channels, points)
        for channels, points in ((8, 1_000_000), (64, 200_000), (256, 20_000), (1024, 2_000))
    },
}
