"""Lawful models of problems, with random features as potentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from physmix.errors import SettingsError, listing
from physmix.laws import Scaling
from physmix.mixing import (
    Enrichment,
    Lifting,
    PotentialModel,
    Wall,
    enriched,
    partitioned_features,
    pointwise_network,
    random_features,
)
from physmix.mixing.partition import PartitionedFeatures
from physmix.mixing.symmetry import Symmetry
from physmix.mixing.waves import default_waves, symmetric_waves, wave_features
from physmix.problems.problem import Problem
from physmix.problems.regions import Region
from physmix.problems.symmetric import feature_group

Subdomains = Sequence[int | Sequence[float]]


def feature_model(
    problem: Problem,
    features: int = 700,
    *,
    slope: float | Sequence[float] | None = None,
    subdomains: Subdomains | None = None,
    overlap: float = 1.0,
    margin: float = 0.4,
    activation: type[nn.Module] | None = None,
    carried: Mapping[str, float] | None = None,
    walls: Sequence[Wall] = (),
    liftings: Sequence[Lifting] = (),
    enrichments: Sequence[Enrichment] = (),
    symmetries: Sequence[Symmetry] = (),
    seed: int = 0,
) -> PotentialModel:
    """Fields of a problem, its laws held exactly, mixed from derivatives of frozen random features.

    Along periodic coordinates features are waves, see `wave_features`: then the fields repeat exactly, and
    their means over all periodic coordinates are numbers, which do not vary with the other ones.
    On a box without walls, potentials that others stand in for are left out; see `gauge_entries`.

    Args:
        problem: gives fields, laws, units and the box that features fill.
        features: their number, in each subdomain.
        slope: the steepest, in units of one over the half width of the box (of a subdomain); a number for
            each coordinate where they differ, and along a periodic one the largest number of waves; see
            `default_slope` where omitted.
        subdomains: along each coordinate how many, or the places where they meet, in physical units.
        overlap: see `partitioned_features`.
        margin: see `random_features`.
        activation: of the features, with a jet rule; tanh where omitted. Those of periodic regions are sines.
        carried: the velocity by coordinate that features are carried with, such as that of a stream: they
            are drawn in coordinates that move with it, and meet those of the box half-way through its time.
        walls: where fields equal the liftings, exactly; see `PotentialModel`.
        liftings: given potentials; see `PotentialModel`.
        enrichments: given functions among the features, such as those of `corner`.
        symmetries: of the solution in a periodic region, held exactly, but for the means of the fields;
            features that they make alike are one, so that a solve costs far less.
        seed: of the features.

    Raises:
        SettingsError: if numbers do not fit.
        UnsupportedLawError, NoFreedomError: see `PotentialModel`.
    """
    region = problem.region
    scaling = Scaling.fitting(region.box, problem.equations.sizes)
    ends = {k: (scaling.centre[k], scaling.length[k]) for k in region.box}
    box = [
        ((low - ends[k][0]) / ends[k][1], (high - ends[k][0]) / ends[k][1])
        for k, (low, high) in region.box.items()
    ]
    steep = _slopes(region, features, slope)
    waves = {i: steep[i] for i, name in enumerate(region.box) if name in region.around}
    if waves and activation is not None:
        raise SettingsError(
            "features of a periodic region", f"{activation.__name__} does not repeat", "leave activation out"
        )
    if symmetries and (subdomains is not None or not waves):
        where = "there are subdomains" if waves else "the region is not periodic"
        raise SettingsError("the symmetries", where, "leave them out")
    function = activation or nn.Tanh
    network: nn.Module
    if subdomains is not None:
        if len(subdomains) != len(box):
            raise SettingsError(
                "the subdomains", f"{len(subdomains)} numbers", f"give one for each of {len(box)}"
            )
        scaled = [
            one if isinstance(one, int) else [(x - centre) / length for x in one]
            for one, (centre, length) in zip(subdomains, ends.values(), strict=True)
        ]
        network = partitioned_features(
            box,
            features,
            scaled,
            overlap=overlap,
            slope=steep,
            margin=margin,
            activation=function,
            waves=waves,
            seed=seed,
        )
    elif waves:
        if symmetries:
            group = feature_group(problem, symmetries, scaling)
            network = symmetric_waves(box, features, waves, group, slope=steep, seed=seed)
        else:
            network = wave_features(box, features, waves, slope=steep, seed=seed)
    else:
        network = random_features(box, features, slope=steep, margin=margin, activation=function, seed=seed)
    if carried:
        if waves:
            raise SettingsError("carried features", "the region is periodic", "leave carried out")
        _carry(network, region.coordinates, carried, scaling)
    count = len(network(torch.zeros(1, len(box), dtype=torch.float64))[0])
    if enrichments:
        centre, length = (torch.tensor(one, dtype=torch.float64) for one in zip(*ends.values(), strict=True))
        network, count = enriched(
            network, count, enrichments, region.coordinates, centre=centre, length=length
        )
    return _lawful(problem, network, count, scaling=scaling, walls=walls, liftings=liftings)


def network_model(
    problem: Problem,
    hidden: Sequence[int],
    *,
    potentials: int = 16,
    slope: float = 2.0,
    activation: type[nn.Module] = nn.Tanh,
    walls: Sequence[Wall] = (),
    liftings: Sequence[Lifting] = (),
    seed: int = 0,
) -> PotentialModel:
    """Fields of a problem, its laws held exactly, mixed from derivatives of a network whose layers all move.

    Args:
        problem: gives fields, laws and units.
        hidden: widths of its layers.
        potentials: its outputs.
        slope: of the first layer, see `pointwise_network`.
        activation: between layers, with a jet rule.
        walls: see `feature_model`.
        liftings: see `feature_model`.
        seed: of the weights.

    Raises:
        SettingsError: if numbers do not fit.
        UnsupportedLawError, NoFreedomError: see `PotentialModel`.
    """
    if not hidden or min(*hidden, potentials) < 1:
        problem_found = f"hidden={list(hidden)}, potentials={potentials}"
        raise SettingsError("a network", problem_found, "give positive numbers")
    generator = torch.Generator().manual_seed(seed)
    network = pointwise_network(
        len(problem.coordinates), hidden, potentials, activation, slope=slope, generator=generator
    )
    scaling = Scaling.fitting(problem.region.box, problem.equations.sizes)
    return _lawful(
        problem, network, potentials, scaling=scaling, walls=walls, liftings=liftings, generator=generator
    )


def _lawful(problem: Problem, network: nn.Module, potentials: int, **settings: Any) -> PotentialModel:
    """The fields of a problem from these potentials."""
    return PotentialModel(
        network,
        problem.laws,
        problem.equations.fields,
        coordinates=problem.coordinates,
        potentials=potentials,
        gauge=problem.region.convex and not settings.get("walls") and not settings.get("liftings"),
        **settings,
    )


def _slopes(region: Region, features: int, slope: float | Sequence[float] | None) -> list[float]:
    """One for each coordinate; along a periodic one a number of waves."""
    if slope is None:
        steep, periodic = default_slope(features, len(region.box)), len(region.around)
        waves = default_waves(features, periodic, len(region.box) - periodic) if periodic else 0.0
        return [waves if name in region.around else steep for name in region.box]
    return [float(slope)] * len(region.box) if isinstance(slope, int | float) else [float(s) for s in slope]


def _carry(
    network: nn.Module, coordinates: Sequence[str], carried: Mapping[str, float], scaling: Scaling
) -> None:
    """Features of x in place of features of x - velocity * t."""
    if "t" not in coordinates or (strange := set(carried) - set(coordinates)):
        what = "there is no time" if "t" not in coordinates else f"there is no {listing(sorted(strange))}"
        raise SettingsError("carried features", what, "give a velocity along coordinates of space, beside t")
    first = (network.features if isinstance(network, PartitionedFeatures) else network)[0]  # type: ignore[index]
    when = coordinates.index("t")
    with torch.no_grad():
        for name, speed in carried.items():
            passed = speed * scaling.length["t"] / scaling.length[name]
            first.weight[:, when] -= passed * first.weight[:, coordinates.index(name)]


def default_slope(features: int, coordinates: int) -> float:
    """A slope that grows as features become dense; a start, since the best one depends on the solution.

    Measured in the plane: for Kovasznay's flow the error is 2.4 times that of the best slope with 150
    features, and the best of five with 400; in a channel with a bump, 200 in each subdomain, the best of
    three. For Taylor and Green's in time and the plane it is within 1.4 times the best with 150 and 300,
    but there slopes of their own for time and space gain far more.
    """
    return 0.1125 * features ** (1 / 2) if coordinates <= 2 else 0.35 * features ** (1 / coordinates)
