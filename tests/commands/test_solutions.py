"""Saved solutions under the checking command."""

import json

import pytest
from safetensors.torch import load_file, save_file

from physmix.commands.check import check
from physmix.commands.registry import ACTIVATIONS
from physmix.mixing import Wall
from physmix.problems import Condition, NavierStokes, Pin, Problem, Region, feature_model, network_model
from physmix.training import save_solution, solve
from physmix.training.saved import ACTIVATIONS as SAVED

REGION = Region(x=(0, 2), y=(0, 1))
PROBLEM = Problem(
    REGION,
    NavierStokes("xy", 0.1),
    [Condition(REGION.boundary, {"ux": lambda p: p[:, 1], "uy": 0.0}), Pin({"p": 0.0})],
    points=40,
    boundary_points=20,
)


@pytest.mark.parametrize("make", [network_model, feature_model], ids=["network", "features"])
def test_a_saved_solution_is_judged(make, tmp_path, capsys):
    model = make(PROBLEM, 10) if make is feature_model else make(PROBLEM, [6, 5])
    save_solution(tmp_path, solve(PROBLEM, model, steps=2))
    assert check([tmp_path]) == 0
    assert "holds    mass" in capsys.readouterr().out
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    tensors["mixing.weight"] += 0.1  # no longer lawful
    save_file(tensors, file)
    assert check([tmp_path]) == 2
    assert "breaks the laws" in capsys.readouterr().err


def test_weights_without_laws_are_found_out(tmp_path, capsys):
    save_solution(tmp_path, solve(PROBLEM, features=10, steps=2))
    file = tmp_path / "model.json"
    told = json.loads(file.read_text())
    told["judged"] = {**told["laws"], "laws": {"other": "dx(ux) - dy(uy) = 0"}}
    file.write_text(json.dumps(told))
    assert check([tmp_path]) == 1
    assert "VIOLATED other" in capsys.readouterr().out


def test_what_plain_words_cannot_rebuild_is_not_judged(tmp_path):
    from physmix.jets import coordinates

    _, y = coordinates("xy")
    model = feature_model(PROBLEM, 12, walls=[Wall(y, fields=("ux", "uy"))])
    save_solution(tmp_path, solve(PROBLEM, model, steps=1))
    assert check([tmp_path]) == 2


def test_names_of_activations_are_those_of_configurations():
    assert {name: kind for kind, name in SAVED.items()} == ACTIVATIONS
