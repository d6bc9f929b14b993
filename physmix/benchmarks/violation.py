"""Violations of laws by random and trained networks, over what rounding allows, beside a free twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from physmix.benchmarks.library import System
from physmix.benchmarks.row import Row, ours, peer
from physmix.checking import judge_model
from physmix.checking.finding import Finding
from physmix.laws import Law, Scaling, potentials_of
from physmix.mixing import PotentialModel, pointwise_network
from physmix.optimization import projected

STEPS, POINTS, HIDDEN = 200, 128, (32, 32, 32)
OVER, RELATIVE, LESS = (
    "violation over its bound",
    "relative violation",
    "times less violation than the free twin",
)


def violation_case(system: System) -> Callable[[str], list[Row]]:
    """Random and trained networks, in both precisions, in units of one and in units far apart."""

    def run(case: str) -> list[Row]:
        rows = []
        for units, scaling in (("units of one", Scaling()), ("units 1e-6 to 1e6", far_units(system))):
            # One twin for all: that it violates the law by as much as it can is no matter of rounding.
            twin = _judged(system, (), scaling, torch.float64, STEPS)
            rows += [
                peer(
                    case, f"free twin, {units}, {finding.method}, {finding.law}", RELATIVE, finding.violation
                )
                for finding in twin
            ]
            for dtype in (torch.float64, torch.float32):
                for steps in (0, STEPS):
                    kind = f"{'trained' if steps else 'random'} {str(dtype)[6:]}, {units}"
                    rows += _rows(case, kind, _judged(system, system.laws, scaling, dtype, steps), twin)
        return rows

    return run


def far_units(system: System) -> Scaling:
    """Units between 1e-6 and 1e6 for every coordinate and field, none related to another."""
    generator = torch.Generator().manual_seed(3)

    def draw(names: Sequence[str]) -> dict[str, float]:
        powers = torch.randint(-6, 7, (len(names),), generator=generator)
        return {name: 10.0 ** int(power) for name, power in zip(names, powers, strict=True)}

    return Scaling(length=draw(system.coordinates), size=draw(system.fields))


def _model(system: System, laws: tuple[Law, ...], scaling: Scaling, dtype: torch.dtype) -> PotentialModel:
    """Our model, or without laws its twin: the same network and units, and the highest order of ours."""
    parts = potentials_of(system.laws, system.fields, system.coordinates)
    order = max(level for part in parts for level in part.orders.values())
    generator = torch.Generator().manual_seed(0)
    inputs = len(system.coordinates)
    network = pointwise_network(inputs, HIDDEN, 8, slope=1.5, generator=generator).to(dtype)
    return PotentialModel(
        network,
        laws,
        system.fields,
        coordinates=system.coordinates,
        potentials=8,
        order=None if laws else order,
        scaling=scaling,
        generator=generator,
    )


def train(model: PotentialModel, steps: int, points: Tensor | None = None) -> None:
    """Fit noise, which is far from any law; at points of the box of size one where none are given."""
    generator = torch.Generator().manual_seed(1)
    dtype = model.mixing.weight.dtype
    if points is None:
        inside = 2 * torch.rand(POINTS, len(model.coordinates), generator=generator, dtype=dtype) - 1
        points = model.centre + model.length * inside
    target = 3 * torch.randn(len(points), len(model.fields), generator=generator, dtype=dtype)
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=0.01), model)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(points) / model.size - target).square().mean().backward()
        optimizer.step()


def _judged(
    system: System, laws: tuple[Law, ...], scaling: Scaling, dtype: torch.dtype, steps: int
) -> list[Finding]:
    """What the independent judge finds; fewer boxes in more dimensions, where faces have more nodes."""
    model = _model(system, laws, scaling, dtype)
    train(model, steps)
    pairs = zip(model.coordinates, model.centre.tolist(), model.length.tolist(), strict=True)
    box = {name: (centre - length, centre + length) for name, centre, length in pairs}
    boxes = {4: 1, 3: 4}.get(len(box), 8)
    return judge_model(model, system.laws, box, points=64, boxes=boxes)


def over_bound(finding: Finding) -> float:
    """The violation over 100 times round-off; no number where nothing was tested against it."""
    if finding.trivial or not finding.round_off:
        return float("nan")
    return finding.violation / (100 * finding.round_off)


def _rows(case: str, kind: str, own: list[Finding], free: list[Finding]) -> list[Row]:
    rows = []
    tiny = torch.finfo(torch.float64).tiny  # a violation may be zero
    for method in dict.fromkeys(finding.method for finding in own):
        pairs = [(a, b) for a, b in zip(own, free, strict=True) if a.method == method]
        name = f"physmix, {kind}, {method}"
        less = min(b.violation / max(a.violation, tiny) for a, b in pairs)
        rows += [
            ours(case, OVER, max(over_bound(a) for a, _ in pairs), system=name),
            ours(case, RELATIVE, max(a.violation for a, _ in pairs), system=name),
            ours(case, LESS, less, system=name),
        ]
    return rows
