"""Frozen features as configurations and checkpoints hold them: plain keys and texts, not trusted.

features:    700                                   in each subdomain
slope:       2.0                                   the steepest; along periodic coordinates the most waves
subdomains:  [4, [0.3, 0.6]]                       numbers, or the places where they meet
overlap, margin                                    see `partitioned_features` and `random_features`
carried:     {x: 1.0}                              the velocity by which features move
walls, liftings                                    see `physmix.commands.walls`
symmetries:  - {mirrors: {y: 0}, shifts: {x: 0.5}, odd: [uy]}            in a periodic region
enrichments: - {corner: {x: 0, y: 1}, start: -pi/2, opening: pi/2, powers: [2, 3], radius: 0.2}
             - {eddies: {x: 0, y: 0}, start: 0, opening: pi/2, count: 2} powers of a corner at rest
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from physmix.commands.description import Description
from physmix.commands.laws import LawTexts
from physmix.commands.notation import Notation, written_out
from physmix.commands.registry import at_least, call
from physmix.commands.walls import read_liftings, read_walls
from physmix.errors import SettingsError, listing
from physmix.mixing import Enrichment, PotentialModel, corner, eddy_powers
from physmix.mixing.symmetry import Symmetry
from physmix.problems import Equations, Problem, Region, feature_model

_MOST = {"angles": 64, "count": 16}  # of a file that is not trusted
_TEXTS = ("walls", "liftings", "enrichments")


def features_of(
    *,
    notation: Notation,
    coordinates: Sequence[str],
    features: int = 700,
    slope: float | Sequence[float] | None = None,
    subdomains: Sequence[int | Sequence[float]] | None = None,
    overlap: float = 1.0,
    margin: float = 0.4,
    carried: Mapping[str, Any] | None = None,
    walls: Sequence[Mapping[str, Any]] = (),
    liftings: Sequence[Mapping[str, Any]] = (),
    symmetries: Sequence[Mapping[str, Any]] = (),
    enrichments: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The arguments of `feature_model` from a configuration."""
    at_least("the model", 1, features=features)
    return {
        "features": features,
        "slope": slope,
        "subdomains": subdomains,
        "overlap": overlap,
        "margin": margin,
        "carried": notation.values(carried or {}),
        "walls": read_walls(written_out(walls, notation), coordinates),
        "liftings": read_liftings(written_out(liftings, notation), coordinates, 1),
        "symmetries": [call(_symmetry, one, "a symmetry", notation=notation) for one in symmetries],
        "enrichments": [
            _enrichment(one, coordinates, notation) for one in written_out(enrichments, notation)
        ],
    }


def _symmetry(
    *,
    notation: Notation,
    mirrors: Mapping[str, Any] | None = None,
    shifts: Mapping[str, Any] | None = None,
    odd: Sequence[str] = (),
) -> Symmetry:
    return Symmetry(notation.values(mirrors or {}), notation.values(shifts or {}), tuple(odd))


def _enrichment(settings: Mapping[str, Any], coordinates: Sequence[str], notation: Notation) -> Enrichment:
    kind = next((name for name in ("corner", "eddies") if name in settings), None)
    if kind is None:
        raise SettingsError("an enrichment", f"its keys are {listing(settings)}", "give corner, or eddies")

    def make(
        *,
        place: Mapping[str, Any],
        start: float,
        opening: float,
        powers: Sequence[float] = (),
        count: int = 1,
        angles: int = 10,
        radius: float = 1.0,
    ) -> Enrichment:
        at_least("an enrichment", 1, count=count, angles=angles)
        if too_many := [k for k, most in _MOST.items() if {"angles": angles, "count": count}[k] > most]:
            raise SettingsError("an enrichment", f"{listing(too_many)} is huge", f"give at most {_MOST}")
        if (kind == "corner") != bool(powers) or not 0 < opening < 2 * math.pi:
            remedy = "give powers to a corner, count to eddies, and an opening below 2*pi"
            raise SettingsError("an enrichment", f"powers={list(powers)}, opening={opening}", remedy)
        return corner(
            coordinates,
            notation.values(place),
            start,
            opening,
            powers=powers or eddy_powers(opening, count),
            angles=angles,
            radius=radius,
        )

    own = {"place" if key == kind else key: value for key, value in settings.items()}
    return call(make, own, "an enrichment")


def describe(problem: Problem, model: Mapping[str, Any], notation: Notation) -> Description:
    """The description of the model of a problem in its checkpoint."""
    equations, region = problem.equations, problem.region
    laws: dict[str, Any] = {
        "name": "_".join(equations.laws),
        "vectors": list(equations.vectors),
        "tensors": list(equations.tensors),
        "laws": dict(equations.laws),
    }
    written: dict[str, Any] = {key: written_out(model[key], notation) for key in _TEXTS if key in model}
    # What a checkpoint holds is plain: no constants, whose names it would not know.
    if "symmetries" in model:
        kinds = ("mirrors", "shifts")
        written["symmetries"] = [
            {k: notation.values(v) if k in kinds else v for k, v in one.items()}
            for one in model["symmetries"]
        ]
    if "carried" in model:
        written["carried"] = notation.values(model["carried"])
    shape = {"convex": region.convex, "periodic": list(region.around)}
    return {
        "model": {"name": "features", **model, **written, **shape},
        "laws": laws,
        "judged": laws,
        "coordinates": list(problem.coordinates),
        "fields": list(equations.fields),
        "box": {name: list(ends) for name, ends in region.box.items()},
        "size": {name: float(equations.sizes.get(name, 1.0)) for name in equations.fields},
        "mean": {},
        **{none: {} for none in ("cells", "boundary", "constants", "floor")},  # of grids and surrogates
    }


def build_features(
    *,
    description: Description,
    generator: torch.Generator | None,
    convex: bool = True,
    periodic: Sequence[str] = (),
    **settings: Any,
) -> PotentialModel:
    """Fields mixed from the derivatives of frozen random features: the model of a solved problem."""
    coordinates, laws = description["coordinates"], LawTexts.of(description["laws"])
    box = {name: tuple(description["box"][name]) for name in coordinates}
    region = Region(**box).periodic(*periodic)
    if not convex and not periodic:  # how it is cut does not matter, but that it is
        region = region.inside(lambda points: points[:, 0].square() + 1)
    names = {"vectors": laws.vectors, "tensors": laws.tensors, "sizes": description["size"]}
    equations = Equations("equations", coordinates, description["fields"], laws.laws, **names)
    given = {"notation": Notation.of({}, {}), "coordinates": coordinates}
    features = call(features_of, settings, "the model", **given)
    _check_waves(region, features)
    seed = 0 if generator is None else int(torch.randint(2**31, (), generator=generator))
    return feature_model(Problem(region, equations), **features, seed=seed)


def _check_waves(region: Region, features: Mapping[str, Any]) -> None:
    """A small file must not ask for more waves than features could have."""
    slope = features["slope"]
    if isinstance(slope, Sequence) and len(slope) == len(region.box):
        most = [2 * s + 1 for name, s in zip(region.box, slope, strict=True) if name in region.around]
        if math.prod(most) > 100 * features["features"]:
            raise SettingsError("the model", f"slope={list(slope)} asks for too many waves", "lower it")
