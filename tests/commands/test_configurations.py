"""Every yaml in conf/ is instantiated, and group names are folder names."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from physmix.benchmarks.systems import SYSTEMS
from physmix.commands.ensemble import EnsembleSettings, draw_members
from physmix.commands.experiments import Setting, make_experiment
from physmix.commands.laws import LawTexts
from physmix.commands.models import MODELS
from physmix.commands.registry import FLOWS, call, choose
from physmix.commands.train import read_stages
from physmix.errors import SettingsError
from physmix.files import configurations

FILES = sorted(p.relative_to(configurations()) for p in configurations().rglob("*.yaml"))
GROUPS = {
    "application",
    "ensemble",
    "experiment",
    "flow",
    "launch",
    "law",
    "model",
    "problem",
    "task",
    "training",
}
EXPERIMENTS = sorted(p.stem for p in FILES if p.parent.name == "experiment")


def of(group):
    return sorted(p.stem for p in FILES if p.parent.name == group)


def load(group, name):
    return yaml.safe_load((configurations() / group / f"{name}.yaml").read_text())


def test_every_file_is_in_a_group_that_is_tested_here():
    assert {p.parent.name for p in FILES if p.parent.name} == GROUPS
    assert {p.stem for p in FILES if not p.parent.name} == {"applications", "train", "simulate", "solve"}


@pytest.mark.parametrize("group", sorted(GROUPS - {"ensemble", "experiment", "launch", "training"}))
def test_names_are_those_of_the_files(group):
    for name in of(group):
        assert load(group, name)["name"] == name


COARSE = {
    "cells": 4,
    "degree": 2,
    "duration": 0.01,
    "points": 8,
    "refinement": 1,
    "modes": 16,
    "snapshots": 2,
    "spin_up": 0.0,
}


@pytest.mark.parametrize("name", of("flow"))
def test_flows_are_simulated(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load("flow", name)
    settings |= {key: value for key, value in COARSE.items() if key in settings}
    flow = call(choose(FLOWS, settings.pop("solver"), "solver"), settings, "the flow")
    assert flow.name == name


@pytest.mark.parametrize("name", of("ensemble"))
def test_ensembles_have_members_of_their_flow(name, tmp_path, settings):
    composed = settings(f"ensemble={name}", f"output={tmp_path}", name="simulate")
    ensemble = call(EnsembleSettings, composed["ensemble"], "the ensemble")
    assert ensemble.name == name
    members = draw_members(composed["flow"], ensemble, tmp_path)
    make = choose(FLOWS, members[0].solver, "solver")
    taken = inspect.signature(make).parameters
    for member in members:
        assert set(member.settings) <= set(taken)
        assert all(low <= member.settings[key] <= high for key, (low, high) in ensemble.ranges.items())


def test_every_system_has_a_configuration_with_all_its_settings():
    assert set(of("application")) == set(SYSTEMS)
    for name, system in SYSTEMS.items():
        settings = load("application", name)
        assert set(settings) - {"name"} == set(inspect.signature(system.demonstrate).parameters)


@pytest.mark.parametrize("name", of("training"))
def test_trainings_make_stages(name):
    training = load("training", name)
    stages = read_stages(training)
    assert [s.steps for s in stages] == [s["steps"] for s in training["stages"]]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("law", ["lawful", "none"])
def test_every_experiment_takes_one_step(experiment, law, few):
    settings = few(experiment, *(["law=none"] if law == "none" else []))
    setting = Setting(
        data=Path(settings["data"]),
        laws=LawTexts.of(settings["law"]),
        judged=LawTexts.of(settings["judged"]),
        model=settings["model"],
        seed=0,
    )
    task = make_experiment(settings["task"], setting).task
    losses = task.losses(0)
    assert set(losses) == set(task.weights)
    sum(losses.values()).backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in task.model.parameters() if p.requires_grad
    )


def test_models_and_tasks_are_all_used():
    used = {load("model", name)["name"] for name in of("model")}
    assert used == set(MODELS) - {"layers"}  # what solutions are made of


def test_settings_are_checked():
    def make(
        *, size: int, rate: float = 1.0, name: str = "a", more: Mapping[str, Any] | None = None
    ) -> tuple:
        return size, rate, name

    assert call(make, {"size": 3, "rate": 2}, "here") == (3, 2, "a")
    for settings, message in [
        ({"size": 3, "rat": 1.0}, r"unknown key 'rat' \(did you mean rate\?\)"),
        ({}, "without size"),
        ({"size": "3"}, "size='3' is not of type int"),
        ({"size": True}, "size=True is not of type int"),
        ({"size": 3, "more": "b"}, r"more='b' is not of type Mapping\[str, Any\] . None"),
    ]:
        with pytest.raises(SettingsError, match=message):
            call(make, settings, "here")
    with pytest.raises(SettingsError, match=r"no 'addam' .did you mean adam"):
        choose({"adam": 1, "sgd": 2}, "addam", "here")
