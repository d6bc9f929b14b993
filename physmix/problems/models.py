"""Lawful models of problems, with random features as potentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from physmix.errors import SettingsError, listing
from physmix.laws import Scaling
from physmix.mixing import Lifting, PotentialModel, Wall, partitioned_features, random_features
from physmix.mixing.partition import PartitionedFeatures
from physmix.problems.problem import Problem

Subdomains = Sequence[int | Sequence[float]]


def feature_model(
    problem: Problem,
    features: int = 700,
    *,
    slope: float | Sequence[float] | None = None,
    subdomains: Subdomains | None = None,
    overlap: float = 1.0,
    margin: float = 0.4,
    activation: type[nn.Module] = nn.Tanh,
    drift: Mapping[str, float] | None = None,
    walls: Sequence[Wall] = (),
    liftings: Sequence[Lifting] = (),
    seed: int = 0,
) -> PotentialModel:
    """Fields of a problem, its laws held exactly, mixed from derivatives of frozen random features.

    Args:
        problem: gives fields, laws, units and the box that features fill.
        features: their number, in each subdomain.
        slope: the steepest, in units of one over the half width of the box (of a subdomain); a number for
            each coordinate where they differ. As steep as the features are dense where omitted.
        subdomains: along each coordinate how many, or the places where they meet, in physical units.
        overlap: see `partitioned_features`.
        margin: see `random_features`.
        activation: of the features, with a jet rule.
        drift: a velocity by coordinate, such as that of a stream: features are drawn in coordinates that
            move with it, and meet those of the box half-way through its time.
        walls: where fields equal the liftings, exactly; see `PotentialModel`.
        liftings: given potentials; see `PotentialModel`.
        seed: of the features.

    Raises:
        SettingsError: if numbers do not fit.
        UnsupportedLawError, NoFreedomError: see `PotentialModel`.
    """
    equations, region = problem.equations, problem.region
    scaling = Scaling.fitting(region.box, equations.sizes)
    ends = {k: (scaling.centre[k], scaling.length[k]) for k in region.box}
    box = [
        ((low - ends[k][0]) / ends[k][1], (high - ends[k][0]) / ends[k][1])
        for k, (low, high) in region.box.items()
    ]
    steep = default_slope(features, len(box)) if slope is None else slope
    if subdomains is None:
        network: nn.Module = random_features(
            box, features, slope=steep, margin=margin, activation=activation, seed=seed
        )
        count = features
    else:
        if len(subdomains) != len(box):
            raise SettingsError(
                "the subdomains", f"{len(subdomains)} numbers", f"give one for each of {len(box)}"
            )
        scaled = [
            one if isinstance(one, int) else [(x - centre) / length for x in one]
            for one, (centre, length) in zip(subdomains, ends.values(), strict=True)
        ]
        partition = partitioned_features(
            box,
            features,
            scaled,
            overlap=overlap,
            slope=steep,
            margin=margin,
            activation=activation,
            seed=seed,
        )
        network, count = partition, len(partition.owner)
    if drift:
        _carry(network, region.coordinates, drift, scaling)
    return PotentialModel(
        network,
        problem.laws,
        equations.fields,
        coordinates=region.coordinates,
        potentials=count,
        scaling=scaling,
        walls=walls,
        liftings=liftings,
    )


def _carry(
    network: nn.Module, coordinates: Sequence[str], drift: Mapping[str, float], scaling: Scaling
) -> None:
    """Features of x in place of features of x - velocity * t."""
    if "t" not in coordinates or (strange := set(drift) - set(coordinates)):
        what = "there is no time" if "t" not in coordinates else f"there is no {listing(sorted(strange))}"
        raise SettingsError("the drift", what, "give a velocity along coordinates of space, beside t")
    first = (network.features if isinstance(network, PartitionedFeatures) else network)[0]  # type: ignore[index]
    when = coordinates.index("t")
    with torch.no_grad():
        for name, speed in drift.items():
            passed = speed * scaling.length["t"] / scaling.length[name]
            first.weight[:, when] -= passed * first.weight[:, coordinates.index(name)]


def default_slope(features: int, coordinates: int) -> float:
    """As steep as features are dense: on average their transitions, of width 2 / slope, cover the box."""
    return 0.15 * features ** (1 / 2) if coordinates <= 2 else 0.35 * features ** (1 / coordinates)
