"""Reconciliation between walls on cells of unequal widths, judged by differences in NumPy and by cvxpy."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from physmix.benchmarks.reconciliation import BETTER, LEFT, UNCHANGED
from physmix.benchmarks.row import Row, ours, peer
from physmix.grids import BoundedAxis, Place, StaggeredGrid
from physmix.laws import parse_laws
from physmix.reconciliation import LawfulFields

Faces = Mapping[str, Tensor]
Array = np.ndarray


def walled_case(cells: Sequence[int], *, body: bool, varied: bool) -> Callable[[str], list[Row]]:
    """A flow through a channel: unchanged if lawful, and nearer to it from noise.

    Args:
        cells: along each coordinate.
        body: whether some cells are solid.
        varied: whether weights vary from point to point, over a factor of 1000, and the noise with them.
    """

    def run(case: str) -> list[Row]:
        grid, places, solid = _channel(cells, body=body)
        generator = torch.Generator().manual_seed(4)
        open_ends = {name: grid.walls(place, solid=solid) for name, place in places.items()}
        weights = {name: _weights(grid, place, varied) for name, place in places.items()}
        held = {name: torch.where(open_ends[name], torch.inf, weights[name]) for name in places}
        laws = parse_laws({"div": "div(u) = 0"}, "xyz"[: len(cells)], vectors="u")
        truth = _turned(grid, body=body)
        lawful = LawfulFields(laws, places, grid, held)
        noisy = {
            name: truth[name]
            + 0.1
            * torch.where(open_ends[name], 0.0, weights[name] ** -0.5)
            * torch.randn(truth[name].shape, generator=generator, dtype=torch.float64)
            for name in places
        }
        same, found = lawful.project(truth), lawful.project(noisy)
        missed, size = outflow(found, grid)
        largest = max(float(part.abs().max()) for part in truth.values())
        change = max(float((same[name] - truth[name]).abs().max()) for name in places) / largest
        distances = [
            sum(float((weights[n] * (one[n] - truth[n]).square()).sum()) for n in places) ** 0.5
            for one in (found, noisy)
        ]
        walls = max(float((found[n] - truth[n])[:, open_ends[n]].abs().max()) for n in places)
        return [
            ours(case, UNCHANGED, change),
            ours(case, LEFT, missed / size),
            ours(case, BETTER, distances[0] / distances[1]),
            ours(case, "change of what is held", walls, target="<= 0"),
            peer(case, "the noisy flow", "violation", np.divide(*outflow(noisy, grid))),
        ]

    return run


def walled_cvxpy_case(case: str) -> list[Row]:
    """Small channels with a body and weights by point, beside a general solver."""
    import cvxpy  # noqa: PLC0415  slow to import

    grid, places, solid = _channel((6, 5), body=True)
    held = {
        name: torch.where(grid.walls(place, solid=solid), torch.inf, _weights(grid, place, varied=True))
        for name, place in places.items()
    }
    laws = parse_laws({"div": "div(u) = 0"}, "xy", vectors="u")
    lawful = LawfulFields(laws, places, grid, held)
    off = 0.0
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        start = _noise(grid, places, held, generator)
        start["ux"][:, [0, -1]] = 1.0
        found = lawful.project(start)
        variables = {n: cvxpy.Variable(grid.shape(p)) for n, p in places.items()}
        x, y = (np.diff(axis.positions(1).numpy()) for axis in grid.axes.values())
        net = cvxpy.multiply(cvxpy.diff(variables["ux"], axis=0), 1 / x[:, None])
        net = net + cvxpy.multiply(cvxpy.diff(variables["uy"], axis=1), 1 / y[None])
        rules, cost = [net == 0], 0.0
        for name, variable in variables.items():
            given, weight = start[name][0].numpy(), held[name].numpy()
            free = np.isfinite(weight)
            rules.append(variable[~free] == given[~free])
            cost = cost + cvxpy.sum_squares(
                cvxpy.multiply(np.where(free, weight, 0.0) ** 0.5, variable - given)
            )
        cvxpy.Problem(cvxpy.Minimize(cost), rules).solve(
            solver=cvxpy.CLARABEL, tol_gap_abs=1e-14, tol_gap_rel=1e-14, tol_feas=1e-14
        )
        for name, variable in variables.items():
            off = max(off, float(np.abs(found[name][0].numpy() - variable.value).max()))
    return [ours(case, "off the optimum of cvxpy", off)]


def walled_scale_case(cells: Sequence[int]) -> Callable[[str], list[Row]]:
    """Noise between walls on many cells: seconds with what is prepared once, and the peak of this process."""

    def run(case: str) -> list[Row]:
        grid, places, _ = _channel(cells, body=False)
        laws = parse_laws({"div": "div(u) = 0"}, "xyz"[: len(cells)], vectors="u")
        generator = torch.Generator().manual_seed(5)
        held = {n: torch.where(grid.walls(p), torch.inf, 1.0).double() for n, p in places.items()}
        start = _noise(grid, places, held, generator)
        began = time.perf_counter()
        lawful = LawfulFields(laws, places, grid, held)
        prepared = time.perf_counter()
        found = lawful.project(start)
        done = time.perf_counter()
        missed, size = outflow(found, grid)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # Linux counts in kilobytes
        return [
            ours(case, "seconds", done - prepared, "s"),
            ours(case, "seconds to prepare", prepared - began, "s"),
            ours(case, LEFT, missed / size),
            ours(case, "peak resident size", peak, "GB"),
        ]

    return run


def outflow(flow: Faces, grid: StaggeredGrid) -> tuple[float, float]:
    """The largest net outflow of a cell over its volume, and the largest sum of its terms."""
    terms = []
    for axis, (name, one) in enumerate(zip(flow, grid.axes.values(), strict=True)):
        widths = np.diff(one.positions(1).numpy())
        shape = [-1 if i == axis else 1 for i in range(len(grid.axes))]
        terms.append(np.diff(flow[name][0].numpy(), axis=axis) / widths.reshape(shape))
    return float(np.abs(np.sum(terms, 0)).max()), float(np.sum(np.abs(terms), 0).max())


def _channel(cells: Sequence[int], *, body: bool) -> tuple[StaggeredGrid, dict[str, Place], Tensor | None]:
    """Cells of widths that vary fourfold, where the components live, and a solid block near the entry."""
    names, axes = "xyz"[: len(cells)], {}
    for i, (name, count) in enumerate(zip(names, cells, strict=True)):
        widths = np.random.default_rng(i).uniform(0.5, 2.0, count)
        nodes = np.concatenate([[0.0], np.cumsum(widths)]) / widths.sum()
        axes[name] = BoundedAxis(torch.from_numpy(nodes))
    places = {f"u{name}": tuple(int(i == j) for j in range(len(cells))) for i, name in enumerate(names)}
    solid = torch.zeros(tuple(cells), dtype=torch.bool)
    solid[tuple(slice(n // 3, n // 3 + max(1, n // 5)) for n in cells)] = True
    return StaggeredGrid(axes), places, solid if body else None


def _noise(
    grid: StaggeredGrid, places: Mapping[str, Place], held: Faces, generator: torch.Generator
) -> dict[str, Tensor]:
    """White noise, zero where values are held."""
    found = {}
    for name, place in places.items():
        noise = torch.randn(1, *grid.shape(place), generator=generator, dtype=torch.float64)
        found[name] = torch.where(held[name].isinf(), 0.0, noise)
    return found


def _turned(grid: StaggeredGrid, *, body: bool) -> dict[str, Tensor]:
    """A flow along x past the body, by differences in NumPy of a stream function that is constant on it."""
    nodes = [axis.positions(1).numpy() for axis in grid.axes.values()]
    middles = [(one[1:] + one[:-1]) / 2 for one in nodes[2:]]
    x, y, *rest = np.meshgrid(*nodes[:2], *middles, indexing="ij")
    psi = y + 0.3 * np.sin(np.pi * x) * np.sin(2 * np.pi * y) * (1 + sum(np.cos(3 * z) for z in rest))
    if body:
        block = tuple(slice(n // 3, n // 3 + max(1, n // 5) + 1) for n in (len(x) - 1, x.shape[1] - 1))
        psi[block] = 0.4
    widths = [np.diff(one) for one in nodes]
    over_y = widths[1].reshape(1, -1, *[1] * len(rest))
    over_x = widths[0].reshape(-1, 1, *[1] * len(rest))
    flow = {"ux": np.diff(psi, axis=1) / over_y, "uy": -np.diff(psi, axis=0) / over_x}
    if rest:
        flow["uz"] = np.zeros(grid.shape((0, 0, 1)))
    return {name: torch.from_numpy(part)[None] for name, part in flow.items()}


def _weights(grid: StaggeredGrid, place: Place, varied: bool) -> Tensor:  # noqa: FBT001
    """One, or a smooth factor from 0.03 to 30 where varied."""
    at = torch.meshgrid(
        *[axis.positions(level) for axis, level in zip(grid.axes.values(), place, strict=True)], indexing="ij"
    )
    wave = torch.sin(5 * torch.stack([(i + 1) * part for i, part in enumerate(at)]).sum(0))
    return 10 ** (1.5 * wave) if varied else torch.ones_like(wave)
