"""Totals of what laws conserve: carried from one window of time to the next, and held against fluxes.

A law dt(q) + dx(f) + ... = 0 that holds at every point keeps the integral of q over space, less what flows
out, inside of a window. Where two windows meet, a constant is what moves the integral of q and no law.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from physmix.laws import Law
from physmix.mixing import PotentialModel
from physmix.mixing.support import WeightLayout
from physmix.problems import Condition, MeshRegion, Part, Problem, Region, State, quadrature
from physmix.problems.parts import Round, Side
from physmix.problems.samples import Sample, joined
from physmix.problems.terms import Given, value_at
from physmix.training.trace import Trace

_NODES = 16  # along each coordinate of a panel, in which windows and features are smooth


@runtime_checkable
class Window(Protocol):
    """What one model says of its window of time, or of all of it; see `Solution`."""

    @property
    def problem(self) -> Problem: ...  # noqa: D102  as of Solution, also below
    @property
    def model(self) -> PotentialModel: ...  # noqa: D102
    @property
    def trace(self) -> Trace: ...  # noqa: D102
    def at(self, points: Tensor) -> State: ...  # noqa: D102


@dataclass(frozen=True)
class Conserved:
    """What a law conserves.

    Attributes:
        law: its name.
        density: the field under the derivative along time.
        factor: of the density in the law.
        fluxes: by coordinate of space, the fields under its derivative, with their factors.
    """

    law: str
    density: str
    factor: float
    fluxes: Mapping[str, Mapping[str, float]]

    def outflow(self, y: State) -> Tensor:
        """Through a boundary with the outward normal of the state, per area."""
        parts = [
            value * y[name] * y[f"n{axis}"]
            for axis, sums in self.fluxes.items()
            for name, value in sums.items()
        ]
        return torch.stack(parts).sum(0) / self.factor


def conserved(laws: Iterable[Law]) -> list[Conserved]:
    """Of laws dt(q) + the divergence of fluxes = 0; others are passed over."""
    found = []
    for law in laws:
        along: dict[str, dict[str, float]] = {}
        for (name, orders), value in law.terms.items():
            axis = "".join(c * n for c, n in zip(law.coordinates, orders, strict=True))
            along.setdefault(axis, {})[name] = float(value)
        density = along.pop("t", {})
        if len(density) == 1 and all(len(axis) == 1 for axis in along) and not (law.source or law.integral):
            ((name, factor),) = density.items()
            found.append(Conserved(law.name, name, factor, along))
    return found


def totals_of(laws: Iterable[Law], given: Mapping[str, Given]) -> list[Conserved]:
    """Those of which the total at the start is given."""
    return [one for one in conserved(laws) if one.density in given]


def at_start(condition: object) -> bool:
    """Whether a condition holds at the start, on all of it."""
    return isinstance(condition, Condition) and any(part.name == "t=low" for part in condition.parts)


def given_at_start(problem: Problem) -> dict[str, Given]:
    """The fields that are given over all of the start."""
    return {
        name: value
        for one in problem.conditions
        if isinstance(one, Condition) and at_start(one)
        for name, value in one.values.items()
    }


def total(
    integrand: Callable[[Sample], Tensor], where: Region | Part, model: PotentialModel, **fixed: float
) -> float:
    """The integral over a region or a part of its boundary of what is as smooth as a model is.

    Args:
        integrand: one number for each point of a sample.
        where: to integrate over.
        model: the windows of its subdomains, if it has any, begin and end where panels meet.
        fixed: coordinates that are held, such as t=1.0.
    """
    region = where if isinstance(where, Region) else where.region
    assert isinstance(region, Region)
    held = {*fixed, where.axis} if isinstance(where, Side) else {*fixed}
    if isinstance(region, MeshRegion) or not isinstance(where, Region | Side | Round):
        held |= {*region.box} - {"t"}  # cells and curves have fine quadratures of their own
    places = {name: some for name, some in _breaks(model, region).items() if name not in held}
    samples, weights = [], []
    for panel in itertools.product(*map(itertools.pairwise, places.values())):
        inner = region.even().over(**dict(zip(places, panel, strict=True)))
        sample, weight = quadrature(
            inner if isinstance(where, Region) else inner.part(where.name), _NODES, **fixed
        )
        samples.append(sample)
        weights.append(weight)
    return float((torch.cat(weights) * integrand(joined(*samples))).sum())


def carry_totals(solution: Window, given: Mapping[str, Given]) -> None:
    """Give each density the total at the start that it has in what is given there, by a constant.

    Where walls hold the constant nothing is changed: there fluxes are exact already.

    Args:
        solution: whose bias is moved.
        given: fields at the start, by name.
    """
    model, region = solution.model, solution.problem.region
    start, mixing = region.box["t"][0], model.mixing
    carried = totals_of(solution.problem.laws, given)
    if not carried:
        return
    volume = total(lambda sample: torch.ones(len(sample.points), dtype=torch.float64), region, model, t=start)
    move = torch.zeros_like(mixing.bias)
    for one in carried:
        missed = given_total(one, given, solution) - density_total(one, solution, start)
        place = model.fields.index(one.density)
        move[place] = missed / volume / model.size[place]
    with torch.no_grad():
        mixing.bias.copy_(mixing.constraint.bias.project(mixing.bias + move))


def density_total(one: Conserved, solution: Window, time: float, *, size: bool = False) -> float:
    """The total of a density of a solution, or of its size |q|."""

    def density(sample: Sample) -> Tensor:
        value = solution.at(sample.points)[one.density]
        return value.abs() if size else value

    return total(density, solution.problem.region, solution.model, t=time)


def given_total(one: Conserved, given: Mapping[str, Given], like: Window) -> float:
    """The total of what is given at the start, as smooth as a solution."""
    region, value = like.problem.region, given[one.density]
    return total(lambda sample: value_at(value, sample.points), region, like.model, t=region.box["t"][0])


def outflow(one: Conserved, solution: Window, *, size: bool = False) -> float:
    """What leaves the region of a solution in its time; or all that passes, either way."""

    def through(sample: Sample) -> Tensor:
        names = solution.problem.coordinates
        normals = {f"n{axis}": sample.normals[:, i] for i, axis in enumerate(names)}
        value = one.outflow(solution.at(sample.points).with_known(normals))
        return value.abs() if size else value

    return sum(total(through, part, solution.model) for part in solution.problem.region.boundary)


def _breaks(model: PotentialModel, region: Region) -> dict[str, list[float]]:
    """Along each coordinate, where windows of subdomains begin or end, and the ends of the region."""
    partition = WeightLayout(model).partition
    found = {}
    for i, (name, (low, high)) in enumerate(region.box.items()):
        places = torch.linspace(low, high, 5, dtype=torch.float64)
        if partition is not None and len(partition.cuts[i]):
            cut, half = partition.cuts[i], partition.overlap[i] / 2
            scaled = torch.cat([cut - half, cut, cut + half])
            places = torch.cat([places[[0, -1]], model.centre[i] + model.length[i] * scaled])
        places = places.clamp(low, high).sort().values
        apart = places.diff() > 1e-9 * (high - low)
        found[name] = [low, *places[1:-1][apart[:-1]].tolist(), high]
        if found[name][-1] - found[name][-2] <= 1e-9 * (high - low):
            del found[name][-2]
    return found
