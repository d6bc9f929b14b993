"""The divergence projection of neuraloperator 2, beside ours, on periodic grids of the plane.

Its text says that components lie along (width, height), and sizes are given as (height, width); its
example, and its wavenumbers on a square, have them the other way. It projects as many waves as it is
told and drops the others. So it is measured as documented, with all waves; and as that reading of it
that leaves least divergence, in float64 as torch's default, the precision in which it makes wavenumbers.
Divergence is judged by the dense matrices of `dense`, which neither of the two uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product

import numpy as np
import torch

from physmix.benchmarks.dense import Array, derivative
from physmix.benchmarks.library import system
from physmix.benchmarks.reconciliation import LEFT, MEAN, UNCHANGED, divergence_free, reconciled
from physmix.benchmarks.row import Row, ours, peer
from physmix.grids import PeriodicGrid

PLANES: dict[str, tuple[tuple[int, int], tuple[float, float]]] = {
    "33 x 33": ((33, 33), (1.0, 1.0)),
    "32 x 32": ((32, 32), (1.0, 1.0)),
    "33 x 33, lengths 1 and 2.5": ((33, 33), (1.0, 2.5)),
    "47 x 33": ((47, 33), (1.0, 1.0)),
    "64 x 32, lengths 2 and 1": ((64, 32), (2.0, 1.0)),
    "48 x 33, lengths 1 and 2.5": ((48, 33), (1.0, 2.5)),
}
_Projection = Callable[[Array], Array]


def projector_case(points: Sequence[int], lengths: Sequence[float]) -> Callable[[str], list[Row]]:
    """The divergence left, and what becomes of a lawful field and of a mean flow."""

    def run(case: str) -> list[Row]:
        from neuralop.layers.spectral_projection import (  # noqa: PLC0415
            spectral_projection_divergence_free as divergence_projection,
        )

        grid = PeriodicGrid(("x", "y"), tuple(points), tuple(lengths), "spectral")

        def theirs(velocity: Array, along: str, sizes: str, *, shortest: bool) -> Array:
            order, back = (1 if along == "height" else -1), (1 if sizes == "height, width" else -1)
            modes = tuple(n if shortest or n % 2 else n - 2 for n in points)
            first = torch.from_numpy(np.moveaxis(velocity[..., ::order], -1, 0)[None].copy())
            found = divergence_projection(first, tuple(lengths)[::back], modes)[0].numpy()
            return np.moveaxis(found, 0, -1)[..., ::order]

        rows = [ours(case, metric, value) for metric, value in figures(our_projection(grid), grid).items()]
        documented = figures(partial(theirs, along="width", sizes="height, width", shortest=True), grid)
        rows += [peer(case, "neuralop, as documented", *figure) for figure in documented.items()]
        readings = {}
        with _double():
            for along, sizes, shortest in product(
                ("height", "width"), ("height, width", "width, height"), (True, False)
            ):
                waves = "all waves" if shortest else "without the shortest waves"
                name = f"neuralop, best reading: u along {along}, sizes ({sizes}), {waves}"
                readings[name] = figures(partial(theirs, along=along, sizes=sizes, shortest=shortest), grid)
        best = min(readings, key=lambda name: readings[name][LEFT])
        return [*rows, *(peer(case, best, *figure) for figure in readings[best].items())]

    return run


def our_projection(grid: PeriodicGrid) -> _Projection:
    """Ours, of (*grid, component)."""
    laws = system({"div": "div(u) = 0"}, "xy", vectors="u").laws
    return lambda velocity: reconciled(velocity[None], ["ux", "uy"], laws, grid)[0]


def figures(project: _Projection, grid: PeriodicGrid) -> dict[str, float]:
    """What a projection leaves and changes, by metric."""
    truth, generator = divergence_free(grid), np.random.default_rng(4)
    noise, rough = (generator.standard_normal((*grid.points, 2)) for _ in range(2))
    rough = np.stack([derivative(rough[..., 0], grid, 1), -derivative(rough[..., 0], grid, 0)], -1)
    found = project(truth + noise)
    terms = np.stack([derivative(found[..., axis], grid, axis) for axis in (0, 1)])
    mean, kept = (truth + noise).mean((0, 1)), found.mean((0, 1))
    return {
        LEFT: float(np.abs(terms.sum(0)).max() / np.abs(terms).sum(0).max()),
        f"{UNCHANGED}, smooth, its mean apart": _change(project, truth),
        f"{UNCHANGED}, rough": _change(project, rough),
        MEAN: float(np.linalg.norm(kept - mean) / np.linalg.norm(mean)),
    }


def _change(project: _Projection, lawful: Array) -> float:
    after, before = (one - one.mean((0, 1)) for one in (project(lawful), lawful))
    return float(np.abs(after - before).max() / np.abs(before).max())


@contextmanager
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
