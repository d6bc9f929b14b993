"""Reconciliation of fields on periodic grids, beside dense algebra and cvxpy.

Lawful fields are made, and results judged, by the matrices of `dense`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import get_args

import numpy as np
import torch

from physmix.benchmarks.dense import Array, DenseLaws, derivative
from physmix.benchmarks.library import System, system
from physmix.benchmarks.row import Row, ours, peer
from physmix.errors import ProjectionError
from physmix.grids import PeriodicGrid, Scheme
from physmix.laws import Law, parse_laws
from physmix.reconciliation import nearest_lawful

UNCHANGED, LEFT, BETTER, MEAN = (
    "change of a lawful field",
    "violation left",
    "error after over before",
    "change of the mean",
)
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
STARTS = 10
GRIDS = ((48, 33), (64, 64), (12, 9, 10))
LENGTHS = (1.0, 2.5, 0.6, 1.7)
_SMALL = {1: (9,), 2: (6, 5), 3: (5, 4, 3), 4: (4, 3, 3, 3)}
TOTALS = parse_laws(
    {"sum": "Y1 + Y2 + Y3 = rho", "mass": "integral(rho) = const", "both": "integral(Y1 + 2*e) = const"}, "xy"
)
_MIXED = {"div": "div(u) = 0", "slope": "dx(a) - dy(ux) = 0", "sum": "2*a + b = 1"}


def solenoidal_case(points: Sequence[int]) -> Callable[[str], list[Row]]:
    """A divergence-free field with a mean flow, as it is and under white noise, in every scheme."""

    def run(case: str) -> list[Row]:
        names = [f"u{name}" for name in "xyz"[: len(points)]]
        laws = system({"div": "div(u) = 0"}, "xyz"[: len(points)], vectors="u").laws
        rows = []
        for scheme in SCHEMES:
            grid = _grid("xyz"[: len(points)], points, scheme)
            truth = divergence_free(grid)
            noisy = truth + 0.1 * np.random.default_rng(1).standard_normal(truth.shape)
            same, found = (reconciled(start[None], names, laws, grid)[0] for start in (truth, noisy))
            terms = np.stack([derivative(found[..., i], grid, i) for i in range(len(points))])
            left = np.abs(terms.sum(0)).max() / np.abs(terms).sum(0).max()
            axes = tuple(range(len(points)))
            mean = np.abs(found.mean(axes) - noisy.mean(axes)).max() / np.abs(truth).max()
            rows += [
                ours(case, metric, float(value), system=f"physmix, {scheme}")
                for metric, value in {
                    UNCHANGED: np.abs(same - truth).max() / np.abs(truth).max(),
                    LEFT: left,
                    BETTER: np.linalg.norm(found - truth) / np.linalg.norm(noisy - truth),
                    MEAN: mean,
                }.items()
            ]
        # One of the components is free noise that goes: 1 - 1/d of its square stays.
        return [*rows, peer(case, "what white noise should give", BETTER, math.sqrt(1 - 1 / len(points)))]

    return run


def divergence_free(grid: PeriodicGrid) -> Array:
    """The curl of a smooth potential by dense matrices, and a mean flow: (*grid, component)."""
    turns = [2 * math.pi * np.arange(n) / n for n in grid.points]
    angles = np.meshgrid(*turns, indexing="ij")
    waves = [(1, 1, 2), (2, -1, 1), (1, 3, -1)]
    psi = [np.cos(sum(k * a for k, a in zip(wave, angles, strict=False)) + i) for i, wave in enumerate(waves)]
    if len(angles) == 2:
        curl = [derivative(psi[0] + psi[1], grid, 1), -derivative(psi[0] + psi[1], grid, 0)]
    else:
        pairs = ((1, 2), (2, 0), (0, 1))
        curl = [derivative(psi[j], grid, i) - derivative(psi[i], grid, j) for i, j in pairs]
    return np.stack(curl, -1) + np.arange(3.0, 3.0 - len(curl), -1.0)


def law_case(laws: Sequence[Law], coordinates: Sequence[str], times: int = 1) -> Callable[[str], list[Row]]:
    """Any laws on a small grid, weighted, beside the pseudo-inverse of their dense rows."""

    def run(case: str) -> list[Row]:
        names = list(dict.fromkeys(field for law in laws for field in law.fields))
        weights = {name: (1.0, 3.0, 0.5)[i % 3] for i, name in enumerate(names)}
        worst: dict[str, float] = {}
        for scheme in SCHEMES:
            grid = _grid(coordinates, _SMALL[len(coordinates)], scheme)
            dense = DenseLaws(laws, names, grid, times=times, weights=weights)
            shape = (times, *grid.points, len(names))
            noise = np.random.default_rng(2).standard_normal((2, *shape))
            truth = dense.project(3 + noise[0].ravel()).reshape(shape)
            noisy = truth + 0.1 * noise[1]
            same, found = (reconciled(start, names, laws, grid, weights) for start in (truth, noisy))
            best = dense.project(noisy.ravel()).reshape(shape)
            distances = [
                math.sqrt(float(dense.weights @ (one - truth).ravel() ** 2)) for one in (found, noisy)
            ]
            figures = {
                UNCHANGED: np.abs(same - truth).max() / np.abs(truth).max(),
                LEFT: dense.violation(found.ravel()),
                BETTER: distances[0] / distances[1],
                "off the dense projection": np.abs(found - best).max() / np.abs(noisy).max(),
            }
            worst = {metric: max(worst.get(metric, 0.0), float(value)) for metric, value in figures.items()}
        return [ours(case, metric, value, system="physmix, worst scheme") for metric, value in worst.items()]

    return run


def cvxpy_case(case: str) -> list[Row]:
    """Four fields under three laws with weights, within bounds and without, beside a general solver."""
    laws, names = parse_laws(_MIXED, "xy", vectors="u"), ["ux", "uy", "a", "b"]
    weights = {"ux": 2.0, "a": 0.5}
    rows = []
    for scheme, bounds in product(SCHEMES, ({}, {"a": (-0.05, 0.55), "ux": (-0.2, math.inf)})):
        grid = _grid("xy", (6, 5), scheme)
        dense = DenseLaws(laws, names, grid, weights=weights)
        apart, left, outside, unanswered = [0.0], [0.0], [0.0], 0
        for start in 0.6 * np.random.default_rng(3).standard_normal((STARTS, 1, *grid.points, len(names))):
            best = _solved(dense, start, names, bounds)  # a lawful field is within these bounds
            try:
                found = reconciled(start, names, laws, grid, weights, bounds)
            except ProjectionError:
                unanswered += 1
                continue
            apart.append(np.abs(found - best).max())
            left.append(dense.violation(found.ravel()))
            for name, (low, high) in bounds.items():
                value = found[..., names.index(name)]
                outside.append(np.maximum(low - value, value - high).max())
        label = f"physmix, {scheme}, {'within bounds' if bounds else 'no bounds'}"
        rows += [
            ours(case, metric, float(value), system=label)
            for metric, value in {
                "off the optimum of cvxpy": max(apart),
                LEFT: max(left),
                **({"outside the bounds": max(outside)} if bounds else {}),
                "problems left without an answer": unanswered,
            }.items()
        ]
    return rows


def _solved(
    dense: DenseLaws, start: Array, names: Sequence[str], bounds: dict[str, tuple[float, float]]
) -> Array:
    import cvxpy  # noqa: PLC0415

    rows, side = dense.independent()
    variable = cvxpy.Variable(start.size)
    distance = cvxpy.sum(cvxpy.multiply(dense.weights, cvxpy.square(variable - start.ravel())))
    field = cvxpy.reshape(variable, (start.size // len(names), len(names)), order="C")
    limits = [rows @ variable == side]
    for name, (low, high) in bounds.items():
        column = field[:, names.index(name)]
        limits += [column >= low] + ([column <= high] if math.isfinite(high) else [])
    problem = cvxpy.Problem(cvxpy.Minimize(distance), limits)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    return np.asarray(variable.value).reshape(start.shape)


def _grid(coordinates: Sequence[str], points: Sequence[int], scheme: Scheme) -> PeriodicGrid:
    return PeriodicGrid(tuple(coordinates), tuple(points), LENGTHS[: len(points)], scheme)


def reconciled(
    fields: Array,
    names: Sequence[str],
    laws: Sequence[Law],
    grid: PeriodicGrid,
    weights: dict[str, float] | None = None,
    bounds: dict[str, tuple[float, float]] | None = None,
) -> Array:
    """One trajectory, (time, *grid, field)."""
    found = nearest_lawful(torch.from_numpy(fields[None]), names, laws, grid, weights=weights, bounds=bounds)
    return found[0].numpy()


def reconciled_laws(library: dict[str, System]) -> dict[str, Callable[[str], list[Row]]]:
    """A case for each law of the library, on a grid of its own coordinates, and one with totals."""
    cases = {name: law_case(one.laws, one.coordinates or "xy") for name, one in library.items()}
    return {**cases, "shares and totals over time": law_case(TOTALS, "xy", times=4)}
