"""Experiments: a flow becomes a model with a task, and a trained model becomes figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from physmix.checking import Finding, judge_rollout
from physmix.commands.description import Description
from physmix.commands.laws import LawTexts
from physmix.commands.models import build_model
from physmix.commands.registry import at_least, call, choose
from physmix.errors import SettingsError
from physmix.flows import Flow, exact_solution, gas
from physmix.laws import TIME, Law
from physmix.problems import FlowReconstruction, primitive_tensor, relative_errors, sample_flow
from physmix.reporting import Picture
from physmix.surrogates import NextState, Windows, persistence, rollout, total_rows
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
    """A model being trained, and how it is evaluated afterwards."""

    description: Description
    task: Task

    def evaluate(self, judged: Iterable[Law]) -> Evaluation:
        """Evaluate the model as it is now."""
        ...


@dataclass(frozen=True)
class Setting:
    """What every experiment starts from: the flow, the laws, the model's settings."""

    flow: Flow
    laws: LawTexts
    judged: LawTexts
    model: Mapping[str, Any]
    seed: int

    def describe(
        self,
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
            "coordinates": [TIME, *self.flow.axes],
            "fields": list(fields),
            "box": {name: list(edges) for name, edges in self.flow.box().items()},
            "size": dict(size),
            "mean": dict(mean),
            "cells": dict(zip(self.flow.axes, self.flow.grid, strict=True)),
            "boundary": dict(self.flow.boundary),
            "constants": dict(self.flow.parameters),
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
        self.flow = setting.flow
        samples = sample_flow(
            setting.flow,
            fraction=fraction,
            collocation=collocation,
            hold_out=hold_out,
            seed=setting.seed,
        )
        self.description = setting.describe(gas.SPACE_TIME, samples.sizes, samples.mean)
        model = build_model(self.description, setting.seed)
        self.task = FlowReconstruction(model, samples, constitutive_weight=constitutive_weight)

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
        return Evaluation(self.task.errors(), details, _pictures(self.flow, predicted, true, title), [])


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
    ) -> None:
        at_least("the task", 1, rollout=rollout, test_steps=test_steps)
        at_least("the task", 0.0, noise=noise, penalty=penalty, floor=floor)
        self.flow, self.steps = setting.flow, rollout
        if "gamma" not in setting.flow.parameters or not setting.flow.periodic:
            raise SettingsError(
                "the data",
                f"the flow {setting.flow.name!r} is not a periodic gas with a scalar gamma",
                "store gamma in /scalars, and periodic boundary conditions",
            )
        self.gamma = setting.flow.parameters["gamma"]
        primitive = primitive_tensor(setting.flow)
        self.states = torch.stack(gas.conserved(*primitive.unbind(-1), gamma=self.gamma), -1)[None]
        self.train_steps = self.states.shape[1] - 1 - test_steps
        seen = self.states[:, : self.train_steps + 1]
        windows = Windows(seen, unroll=unroll, batch=batch, seed=setting.seed)
        flat = seen.flatten(0, -2)
        least = primitive[: self.train_steps + 1].flatten(0, -2).amin(0).tolist()
        lowest = dict(zip(gas.PRIMITIVE, least, strict=True))
        self.description = setting.describe(
            gas.CONSERVED,
            dict(zip(gas.CONSERVED, flat.std(0).tolist(), strict=True)),
            dict(zip(gas.CONSERVED, flat.mean(0).tolist(), strict=True)),
            {name: floor * lowest[name] for name in ("density", "pressure")} if floor else {},
        )
        model = build_model(self.description, setting.seed)
        judged = setting.judged.parse(self.description["coordinates"])
        unit = torch.stack([persistence(_pieces(seen, step))[-1] for step in range(1, unroll + 1)])
        self.task = NextState(
            model,
            windows,
            unit,
            noise=noise,
            penalty=penalty,
            totals=total_rows(judged, gas.CONSERVED),
            seed=setting.seed,
        )

    def evaluate(self, judged: Iterable[Law]) -> Evaluation:
        """One-step errors beside persistence, and a roll-out from the first state."""
        model, whole = self.task.model, self.states[0]
        present = whole[self.train_steps : -1]
        with torch.no_grad():
            after = model(present)
        shown = [self._primitive(states) for states in (present, after, whole[self.train_steps + 1 :])]
        errors, idle = relative_errors(shown[1], shown[2]), relative_errors(shown[0], shown[2])
        states = rollout(model, whole[:1], self.steps)
        known = min(self.steps, len(whole) - 1)
        details = {
            "persistence_errors": idle,
            "persistence_over_error": {
                name: idle[name] / errors[name] if errors[name] else None for name in errors
            },
            "rollout_steps": self.steps,
            "rollout_error_steps": known,
            "rollout_errors": relative_errors(
                self._primitive(states[known, 0]), self._primitive(whole[known])
            ),
        }
        title = f"one step ahead, to t = {self.flow.time[-1]:g}"
        pictures = _pictures(self.flow, shown[1][-1], shown[2][-1], title)
        return Evaluation(errors, details, pictures, judge_rollout(states, gas.CONSERVED, judged))

    def _primitive(self, states: Tensor) -> Tensor:
        return torch.stack(gas.primitive(*states.unbind(-1), gamma=self.gamma), -1)


def _pieces(states: Tensor, steps: int) -> Tensor:
    """All pieces of so many steps, first and last state alone, as one batch."""
    return torch.stack([states[:, :-steps], states[:, steps:]], 2).flatten(0, 1)


def _pictures(flow: Flow, predicted: Tensor, true: Tensor, title: str) -> list[Picture]:
    (left, right), (bottom, top) = (flow.box()[name] for name in flow.axes)
    return [
        Picture(name, title, predicted[..., i].numpy(), true[..., i].numpy(), (left, right, bottom, top))
        for i, name in enumerate(gas.PRIMITIVE)
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
