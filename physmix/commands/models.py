"""Models as they are configured, described in a checkpoint, rebuilt, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from physmix.checking import Finding, judge_model, judge_rollout, random_states
from physmix.commands.description import Description, check_description
from physmix.commands.registry import ACTIVATIONS, call, choose
from physmix.errors import CheckpointError, PhysmixError
from physmix.laws import Law, Scaling, parse_laws
from physmix.mixing import PotentialModel, pointwise_network
from physmix.surrogates import FieldStack, rollout
from physmix.training import load_weights, read_description, read_weights


@dataclass(frozen=True)
class ModelKind:
    """How a kind of model is made from its description, and how its laws are judged."""

    build: Callable[..., nn.Module]
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
) -> PotentialModel:
    """Fields mixed from the derivatives of the outputs of a pointwise network."""
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
        parse_laws(description["laws"], coordinates),
        description["fields"],
        coordinates=coordinates,
        potentials=potentials,
        order=order,
        scaling=Scaling.fitting(description["box"], description["size"]),
        mean=description["mean"],
        generator=generator,
    )


def judge_potentials(
    model: PotentialModel, description: Description, laws: Iterable[Law], seed: int
) -> list[Finding]:
    """At fresh points and through random boxes of the domain."""
    return judge_model(model, laws, description["box"], seed=seed)


def build_stack(
    *,
    description: Description,
    generator: torch.Generator | None,
    latent: int,
    width: int,
    depth: int,
) -> FieldStack:
    """A stack of mixing blocks on a periodic grid."""
    coordinates = description["coordinates"]
    return FieldStack(
        parse_laws(description["laws"], coordinates),
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
    states = rollout(model, random_states(model.mean, 0.5 * model.size, 32, seed=seed), 20)
    return judge_rollout(states, model.fields, laws)


MODELS = {
    "potentials": ModelKind(build_potentials, judge_potentials),
    "stack": ModelKind(build_stack, judge_stack),
}


def build_model(description: Description, seed: int | None = None) -> nn.Module:
    """The model of a description, with initial weights drawn from the seed.

    Raises:
        SettingsError: if its settings do not fit.
    """
    settings: Mapping[str, Any] = description["model"]
    kind = choose(MODELS, settings.get("name"), "the model")
    rest = {key: value for key, value in settings.items() if key != "name"}
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return call(kind.build, rest, "the model", description=description, generator=generator)


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
    except (PhysmixError, ValueError, RuntimeError, MemoryError) as error:
        problem = f"does not describe a model ({error})"
        raise CheckpointError(folder / "model.json", problem, "copy it or train again") from error
    load_weights(folder, model, tensors)
    return model, description


def judge(model: nn.Module, description: Description, laws: Iterable[Law], seed: int) -> list[Finding]:
    """Judge laws on a model of any kind."""
    kind = choose(MODELS, description["model"].get("name"), "the model")
    return kind.judge(model, description, laws, seed)
