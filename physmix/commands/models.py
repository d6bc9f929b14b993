"""Models as they are configured, described in a checkpoint, rebuilt, and judged."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from physmix.checking import (
    Finding,
    check_grid_laws,
    check_model_laws,
    judge_model,
    judge_rollout,
    random_states,
)
from physmix.commands.description import Description, check_description
from physmix.commands.laws import LawTexts
from physmix.commands.notation import Notation, written_out
from physmix.commands.registry import ACTIVATIONS, at_least, call, choose
from physmix.commands.steps import STEPS, judge_step
from physmix.commands.walls import read_liftings, read_walls
from physmix.errors import CheckpointError, PhysmixError
from physmix.laws import Law, Scaling
from physmix.mixing import PotentialModel, pointwise_network
from physmix.optimization import check_composition
from physmix.problems import Equations, Problem, Region, feature_model
from physmix.surrogates import FieldStack, rollout
from physmix.training import load_weights, read_description, read_weights


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Attributes:
        build: makes it from its description and its own settings.
        example: an input of the model, on which its composition is checked.
        check: raises unless laws can be judged on the described model.
        judge: judges laws on a model, from a seed.
    """

    build: Callable[..., nn.Module]
    example: Callable[[Any], Tensor]
    check: Callable[[Description, Iterable[Law]], None]
    judge: Callable[[Any, Description, Iterable[Law], int], list[Finding]]


def build_potentials(
    *,
    description: Description,
    generator: torch.Generator | None,
    potentials: int,
    order: int,
    hidden: Sequence[int],
    activation: str,
    slope: float,
    walls: Sequence[Mapping[str, Any]] = (),
    liftings: Sequence[Mapping[str, Any]] = (),
) -> PotentialModel:
    """Fields mixed from the derivatives of the outputs of a pointwise network."""
    at_least("the model", 1, potentials=potentials, hidden=min(hidden, default=0))
    at_least("the model", 0, order=order)
    coordinates = description["coordinates"]
    network = pointwise_network(
        len(coordinates),
        hidden,
        potentials,
        choose(ACTIVATIONS, activation, "the model's activation"),
        slope=slope,
        generator=generator,
    )
    return PotentialModel(
        network,
        LawTexts.of(description["laws"]).parse(coordinates),
        description["fields"],
        coordinates=coordinates,
        potentials=potentials,
        order=order,
        scaling=Scaling.fitting(description["box"], description["size"]),
        mean=description["mean"],
        generator=generator,
        walls=read_walls(walls, coordinates),
        liftings=read_liftings(liftings, coordinates, order),
    )


def build_layers(
    *,
    description: Description,
    generator: torch.Generator | None,
    widths: Sequence[int],
    activation: str,
    activated: bool,
) -> PotentialModel:
    """Fields of a solution: mixed from features, or from a network, with derivatives of the lowest orders.

    Args:
        description: see `Description`.
        generator: unused where weights are loaded.
        widths: of the coordinates and of each layer.
        activation: between layers.
        activated: whether the last layer has one too, as random features have.
    """
    at_least("the model", 1, widths=min(widths, default=0))
    at_least("the model", 2, layers=len(widths))
    coordinates = description["coordinates"]
    kind = choose(ACTIVATIONS, activation, "the model's activation")
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs, dtype=torch.float64), kind()]
    return PotentialModel(
        nn.Sequential(*(layers if activated else layers[:-1])),
        LawTexts.of(description["laws"]).parse(coordinates),
        description["fields"],
        coordinates=coordinates,
        potentials=widths[-1],
        scaling=Scaling.fitting(description["box"], description["size"]),
        generator=generator,
    )


def judge_potentials(
    model: PotentialModel, description: Description, laws: Iterable[Law], seed: int
) -> list[Finding]:
    """At fresh points and through random boxes of the domain."""
    return judge_model(model, laws, description["box"], seed=seed)


def features_of(
    *,
    notation: Notation,
    coordinates: Sequence[str],
    features: int = 700,
    slope: float | Sequence[float] | None = None,
    subdomains: Sequence[int | Sequence[float]] | None = None,
    overlap: float = 1.0,
    margin: float = 0.4,
    walls: Sequence[Mapping[str, Any]] = (),
    liftings: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The arguments of `feature_model` from a configuration."""
    at_least("the model", 1, features=features)
    return {
        "features": features,
        "slope": slope,
        "subdomains": subdomains,
        "overlap": overlap,
        "margin": margin,
        "walls": read_walls(written_out(walls, notation), coordinates),
        "liftings": read_liftings(written_out(liftings, notation), coordinates, 1),
    }


def build_features(
    *,
    description: Description,
    generator: torch.Generator | None,
    features: int,
    slope: float | Sequence[float] | None = None,
    subdomains: Sequence[int | Sequence[float]] | None = None,
    overlap: float = 1.0,
    margin: float = 0.4,
    walls: Sequence[Mapping[str, Any]] = (),
    liftings: Sequence[Mapping[str, Any]] = (),
    convex: bool = True,
) -> PotentialModel:
    """Fields mixed from the derivatives of frozen random features: the model of a solved problem."""
    coordinates, laws = description["coordinates"], LawTexts.of(description["laws"])
    region = Region(**{name: tuple(ends) for name, ends in description["box"].items()})
    if not convex:  # how it is cut does not matter, but that it is
        region = region.inside(lambda points: points[:, 0].square() + 1)
    names = {"vectors": laws.vectors, "tensors": laws.tensors, "sizes": description["size"]}
    equations = Equations("equations", coordinates, description["fields"], laws.laws, **names)
    return feature_model(
        Problem(region, equations),
        features,
        slope=slope,
        subdomains=subdomains,
        overlap=overlap,
        margin=margin,
        walls=read_walls(walls, coordinates),
        liftings=read_liftings(liftings, coordinates, 1),
        seed=0 if generator is None else int(torch.randint(2**31, (), generator=generator)),
    )


def build_stack(
    *,
    description: Description,
    generator: torch.Generator | None,
    latent: int,
    width: int,
    depth: int,
) -> FieldStack:
    """A stack of mixing blocks on a periodic grid."""
    at_least("the model", 1, width=width, depth=depth)
    at_least("the model", 0, latent=latent)
    coordinates = description["coordinates"]
    return FieldStack(
        LawTexts.of(description["laws"]).parse(coordinates),
        description["fields"],
        dimensions=len(coordinates) - 1,
        latent=latent,
        width=width,
        depth=depth,
        scaling=Scaling.fitting({}, description["size"]),
        mean=description["mean"],
        generator=generator,
    )


def judge_stack(model: FieldStack, description: Description, laws: Iterable[Law], seed: int) -> list[Finding]:
    """Over a roll-out from fresh random states around the mean of the flow."""
    del description
    dimensions = model.dimensions
    points = {1: 64, 2: 32}.get(dimensions, 12)
    start = random_states(model.mean, 0.5 * model.size, [points] * dimensions, seed=seed)
    return judge_rollout(rollout(model, start, 20), model.fields, laws)


MODELS = {
    "layers": ModelKind(
        build_layers,
        lambda model: model.centre.expand(2, -1),
        lambda made, laws: check_model_laws(laws, made["fields"], made["coordinates"]),
        judge_potentials,
    ),
    "potentials": ModelKind(
        build_potentials,
        lambda model: model.centre.expand(2, -1),
        lambda made, laws: check_model_laws(laws, made["fields"], made["coordinates"]),
        judge_potentials,
    ),
    "features": ModelKind(
        build_features,
        lambda model: model.centre.expand(2, -1),
        lambda made, laws: check_model_laws(laws, made["fields"], made["coordinates"]),
        judge_potentials,
    ),
    "stack": ModelKind(
        build_stack,
        lambda model: model.mean.expand(1, *[4] * model.dimensions, -1),
        lambda made, laws: check_grid_laws(laws, made["fields"]),
        judge_stack,
    ),
}
MODELS |= {
    name: ModelKind(
        build,
        lambda model: model.mean.expand(1, *model.head.grid.shape((0,) * len(model.head.grid.axes)), -1),
        lambda made, laws: check_grid_laws(laws, made["fields"]),
        judge_step,
    )
    for name, build in STEPS.items()
}


def kind_of(description: Description) -> ModelKind:
    """The kind of a described model.

    Raises:
        SettingsError: if there is none of its name.
    """
    return choose(MODELS, description["model"].get("name"), "the model")


def build_model(description: Description, seed: int | None = None) -> nn.Module:
    """The model of a description, with initial weights drawn from the seed.

    Raises:
        SettingsError: if its settings do not fit.
        CompositionError: if something in it breaks laws after the layers that hold them.
    """
    kind = kind_of(description)
    rest = {key: value for key, value in description["model"].items() if key != "name"}
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    model = call(kind.build, rest, "the model", description=description, generator=generator)
    if LawTexts.of(description["laws"]).laws:
        check_composition(model, kind.example(model))
    return model


def load_model(folder: Path) -> tuple[nn.Module, Description]:
    """The trained model of a checkpoint folder.

    Raises:
        CheckpointError: if the folder does not hold one whole checkpoint.
    """
    description = read_description(folder)
    tensors = read_weights(folder)
    try:
        check_description(description, tensors)
        model = build_model(description)
    except (PhysmixError, ArithmeticError, ValueError, RuntimeError, MemoryError) as error:
        problem = f"does not describe a model ({error})"
        raise CheckpointError(folder / "model.json", problem, "copy it or train again") from error
    load_weights(folder, model, tensors)
    return model, description


def check_judged(description: Description, laws: Iterable[Law]) -> None:
    """Raise PhysmixError unless laws can be judged on a described model."""
    kind_of(description).check(description, laws)


def judge(model: nn.Module, description: Description, laws: Iterable[Law], seed: int) -> list[Finding]:
    """Judge laws on a model of any kind."""
    return kind_of(description).judge(model, description, laws, seed)
