"""Laws: known dimensions, violations by rounding alone, refusals, walls, nearest fields, and texts."""

from __future__ import annotations

from collections.abc import Callable

from physmix.benchmarks.between_walls import walled_case, walled_cvxpy_case, walled_scale_case
from physmix.benchmarks.library import AUTONOMOUS, KNOWN, System, library
from physmix.benchmarks.normalisation import normalisation_case
from physmix.benchmarks.on_grids import grid_case
from physmix.benchmarks.parser import parser_case
from physmix.benchmarks.projector import PLANES, projector_case
from physmix.benchmarks.reconciliation import GRIDS, cvxpy_case, reconciled_laws, solenoidal_case
from physmix.benchmarks.row import Case, Row, ours
from physmix.benchmarks.scale import scale_case
from physmix.benchmarks.violation import violation_case
from physmix.benchmarks.walls import cavity_case, channel_case, tensor_case
from physmix.errors import UnsupportedLawError
from physmix.laws import compile_complete, potentials_of

DEGREE = 4


def dimensions_case(system: System, known: int | None = None) -> Callable[[str], list[Row]]:
    """Lawful polynomials up to a degree, and those that the potentials reach, in exact arithmetic."""

    def run(case: str) -> list[Row]:
        parts = potentials_of(system.laws, system.fields, system.coordinates, DEGREE)
        counts = [count for part in parts for count in part.counts]
        kernel, image = sum(c.lawful for c in counts), sum(c.reached for c in counts)
        nullity = sum(len(part.weights) for part in parts)
        rows = [
            ours(case, "nullity", nullity),
            ours(case, f"kernel to degree {DEGREE}", kernel),
            ours(case, f"image to degree {DEGREE}", image),
            ours(case, "lawful fields reached", image / kernel),
        ]
        if known is not None:
            rows.append(ours(case, "nullity off its known value", abs(nullity - known)))
        return rows

    return run


def refused_case(system: System) -> Callable[[str], list[Row]]:
    """A system without potentials: the error names its laws, says so, and what to use instead."""

    def run(case: str) -> list[Row]:
        metric = "refused, naming what to use"
        try:
            compile_complete(system.laws, system.fields, system.coordinates)
        except UnsupportedLawError as error:
            said = str(error)
            words = [*(law.name for law in system.laws), "no potentials", "residual"]
            return [ours(case, metric, float(all(word in said for word in words)))]
        return [ours(case, metric, 0.0)]

    return run


_LIBRARY = library()
_DIFFERENTIAL = {name: system for name, system in _LIBRARY.items() if system.order}
LAWS: dict[str, Case] = {
    **{f"dimensions, {name}": dimensions_case(system) for name, system in _LIBRARY.items()},
    **{f"dimensions, {name}": dimensions_case(system, known) for name, (system, known) in KNOWN.items()},
    **{f"violation, {name}": violation_case(system) for name, system in _DIFFERENTIAL.items()},
    **{
        f"normalisation, {name}": normalisation_case(system)
        for name, system in _LIBRARY.items()
        if system.order
    },
    **{f"on grids, {name}": grid_case(system) for name, system in _DIFFERENTIAL.items()},
    **{f"refused, {name}": refused_case(system) for name, system in AUTONOMOUS.items()},
    "walls, cavity": cavity_case,
    "walls, channel with a cylinder": channel_case,
    "walls, steady tensor around a cylinder": tensor_case,
    **{f"reconciliation, solenoidal, {' x '.join(map(str, grid))}": solenoidal_case(grid) for grid in GRIDS},
    **{f"reconciliation, {name}": case for name, case in reconciled_laws(_LIBRARY).items()},
    "reconciliation, beside cvxpy": cvxpy_case,
    **{
        f"reconciliation, scale, {' x '.join(map(str, grid))}": scale_case(grid)
        for grid in ((512, 512), (128, 128, 128))
    },
    "reconciliation between walls, 48 x 33": walled_case((48, 33), body=False, varied=False),
    "reconciliation between walls, 48 x 33, a body, weights by point": walled_case(
        (48, 33), body=True, varied=True
    ),
    "reconciliation between walls, 14 x 11 x 9, a body": walled_case((14, 11, 9), body=True, varied=False),
    "reconciliation between walls, beside cvxpy": walled_cvxpy_case,
    **{
        f"reconciliation between walls, scale, {' x '.join(map(str, grid))}": walled_scale_case(grid)
        for grid in ((512, 512), (128, 128, 128))
    },
    **{
        f"divergence projection of a neural-operator library, {name}": projector_case(*plane)
        for name, plane in PLANES.items()
    },
    "parser, 100,000 random texts": parser_case,
}
