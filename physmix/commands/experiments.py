"""Experiments: a flow becomes a model with a task, and a trained model becomes figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from physmix.checking import Finding, judge_rollout
from physmix.commands.description import Description
from physmix.commands.laws import LawTexts
from physmix.commands.models import build_model
from physmix.commands.registry import at_least, call, choose
from physmix.commands.rollouts import judge_path
from physmix.commands.trajectories import Trajectories
from physmix.flows import exact_solution, gas, read_flow
from physmix.flows.on_grid import OnGrid
from physmix.laws import TIME, Law
from physmix.problems import FlowReconstruction, primitive_tensor, relative_errors, sample_flow
from physmix.reporting import Picture
from physmix.surrogates import NextState, persistence, total_rows
from physmix.training import Task


@dataclass(frozen=True)
class Evaluation:
    """What a trained model is worth.

    Attributes:
        errors: relative L2 error of each field, not seen in training.
        details: further numbers for metrics.json, by name.
        pictures: predicted beside true fields.
        findings: of laws, on the task's own states.
    """

    errors: dict[str, float]
    details: dict[str, Any]
    pictures: list[Picture]
    findings: list[Finding]


@runtime_checkable
class Experiment(Protocol):
    """A model being trained, and how it is evaluated afterwards.

    Attributes:
        description: of the model.
        task: what is trained.
        samples: in the batch of a step, of all processes.
    """

    description: Description
    task: Task
    samples: int

    def evaluate(self, judged: Iterable[Law]) -> Evaluation:
        """Evaluate the model as it is now."""
        ...


@dataclass(frozen=True)
class Setting:
    """What every experiment starts from: the data, the laws, the model's settings.

    Of every batch this process has its share: its number, and how many train together.
    """

    data: Path
    laws: LawTexts
    judged: LawTexts
    model: Mapping[str, Any]
    seed: int
    share: tuple[int, int] = (0, 1)

    def describe(
        self,
        about: OnGrid,
        fields: tuple[str, ...],
        size: Mapping[str, float],
        mean: Mapping[str, float],
        floor: Mapping[str, float] | None = None,
    ) -> Description:
        """The description of a model of these fields."""
        return {
            "model": dict(self.model),
            "laws": self.laws.as_dict(),
            "judged": self.judged.as_dict(),
            "coordinates": [TIME, *about.axes],
            "fields": list(fields),
            "box": {name: list(edges) for name, edges in about.box().items()},
            "size": dict(size),
            "mean": dict(mean),
            "cells": dict(zip(about.axes, about.grid, strict=True)),
            "boundary": dict(about.boundary),
            "constants": dict(about.parameters),
            "floor": dict(floor or {}),
        }


class ReconstructionExperiment:
    """Reconstruct a flow from a few of its points."""

    def __init__(
        self,
        *,
        setting: Setting,
        fraction: float,
        collocation: int,
        hold_out: int,
        constitutive_weight: float,
    ) -> None:
        at_least("the task", 0.0, constitutive_weight=constitutive_weight)
        self.flow = read_flow(setting.data)
        samples = sample_flow(
            self.flow,
            fraction=fraction,
            collocation=collocation,
            hold_out=hold_out,
            seed=setting.seed,
        )
        self.description = setting.describe(self.flow, gas.SPACE_TIME, samples.sizes, samples.mean)
        model = build_model(self.description, setting.seed)
        self.samples = len(samples.points) + len(samples.collocation)
        self.task = FlowReconstruction(
            model, samples, constitutive_weight=constitutive_weight, share=setting.share
        )

    def evaluate(self, judged: Iterable[Law]) -> Evaluation:
        """Errors at held-out times and places, against the file and the exact solution."""
        del judged
        samples = self.task.samples
        details: dict[str, Any] = {
            "train_points": len(samples.points),
            "test_points": len(samples.test_points),
        }
        if (exact := exact_solution(self.flow)) is not None:
            details["errors_against_exact"] = self.task.exact_errors(exact)
        moment = float(samples.test_points[:, 0].unique()[-1])
        index = int(abs(self.flow.time - moment).argmin())
        axes = [torch.from_numpy(axis).double() for axis in self.flow.axes.values()]
        grid = torch.cartesian_prod(torch.tensor([moment], dtype=torch.float64), *axes)
        true = primitive_tensor(self.flow)[index]
        predicted = self.task.predict(grid).view_as(true)
        title = f"held-out time t = {moment:g}"
        return Evaluation(
            self.task.errors(), details, _pictures(self.flow, gas.PRIMITIVE, predicted, true, title), []
        )


class NextStateExperiment:
    """Predict the fields of the next stored time."""

    def __init__(
        self,
        *,
        setting: Setting,
        test_steps: int,
        batch: int,
        rollout: int,
        unroll: int,
        noise: float,
        penalty: float,
        floor: float,
        workers: int,
        shards: int,
    ) -> None:
        at_least("the task", 1, rollout=rollout, test_steps=test_steps)
        at_least("the task", 0.0, noise=noise, penalty=penalty, floor=floor, workers=workers)
        at_least("the task", 1, shards=shards)
        self.steps, self.samples = rollout, batch
        own: dict[str, Any] = {"unroll": unroll, "batch": batch, "seed": setting.seed, "share": setting.share}
        self.data = (
            Trajectories.of_folder(setting.data, **own, workers=workers, shards=shards)
            if setting.data.is_dir()
            else Trajectories.of_flow(read_flow(setting.data), **own, test_steps=test_steps)
        )
        fields = self.data.fields
        size, mean = self.data.sizes()
        self.description = setting.describe(self.data.about, fields, size, mean, self.data.floor(floor))
        model = build_model(self.description, setting.seed)
        judged = setting.judged.parse(self.description["coordinates"])
        self.task = NextState(
            model,
            self.data.batches,
            persistence(self.data.sample),
            noise=noise,
            penalty=penalty,
            totals=total_rows(judged, fields),
            seed=setting.seed,
        )

    def evaluate(self, judged: Iterable[Law]) -> Evaluation:
        """One-step errors beside persistence, and a roll-out from the first test state."""
        data, model, test, judged = self.data, self.task.model, self.data.test, tuple(judged)
        with torch.no_grad():
            after = torch.stack([model(one[:-1]) for one in test])
        present, predicted, true = (data.primitive(states) for states in (test[:, :-1], after, test[:, 1:]))
        names = data.primitive_fields
        errors, idle = relative_errors(predicted, true, names), relative_errors(present, true, names)
        states, found = judge_path(model, data, self.steps, judged)
        details = {
            "persistence_errors": idle,
            "persistence_over_error": {
                name: idle[name] / errors[name] if errors[name] else None for name in errors
            },
        } | found
        title = f"one step ahead, to t = {float(data.time[-1]):g}"
        pictures = _pictures(data.about, names, predicted[0, -1], true[0, -1], title)
        return Evaluation(errors, details, pictures, judge_rollout(states, data.fields, judged))


def _pictures(
    about: OnGrid, names: Sequence[str], predicted: Tensor, true: Tensor, title: str
) -> list[Picture]:
    (left, right), (bottom, top) = (about.box()[name] for name in about.axes)
    return [
        Picture(name, title, predicted[..., i].numpy(), true[..., i].numpy(), (left, right, bottom, top))
        for i, name in enumerate(names)
    ]


TASKS = {"reconstruction": ReconstructionExperiment, "next_state": NextStateExperiment}


def make_experiment(task: Mapping[str, Any], setting: Setting) -> Experiment:
    """The experiment of a task's configuration.

    Raises:
        SettingsError: if its settings do not fit.
    """
    kind = choose(TASKS, task.get("name"), "the task")
    rest = {key: value for key, value in task.items() if key != "name"}
    experiment: Experiment = call(kind, rest, "the task", setting=setting)
    return experiment
