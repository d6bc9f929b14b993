"""Models as they are configured, described in a checkpoint, rebuilt, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from physmix.checking import (
    Finding,
    check_grid_laws,
    check_model_laws,
    judge_rollout,
    random_states,
)
from physmix.commands.description import Description, check_description
from physmix.commands.features import build_features
from physmix.commands.laws import LawTexts
from physmix.commands.pointwise import build_layers, build_potentials, judge_potentials
from physmix.commands.registry import at_least, call, choose
from physmix.commands.steps import STEPS, judge_step
from physmix.errors import CheckpointError, PhysmixError
from physmix.laws import Law, Scaling
from physmix.optimization import check_composition
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
