"""Solutions on disk, and solves that go on after an interruption."""

import json

import pytest
import torch

from physmix.errors import CheckpointError
from physmix.problems import Condition, Equations, Problem, Region, feature_model, network_model
from physmix.training import LBFGS, SOAP, Adam, LevenbergMarquardt, load_solution, save_solution, solve
from physmix.training.keeping import packed, unpacked

HEAT = Equations(
    "heat",
    coordinates=("t", "x"),
    fields=("T", "q"),
    laws={"energy": "dt(T) + dx(q) = 0"},
    residual=lambda y: {"Fourier": y["q"] + y["k"] * y.d("T", "x")},
)
BAR = Region(t=(0, 1), x=(0, 3))
START = Condition(BAR.start, {"T": lambda p: torch.sin(p[:, 1])})
PROBLEM = Problem(BAR, HEAT, [START], {"k": 0.2}, points=30, boundary_points=20)


class Stopped(Exception):  # noqa: N818
    pass


def network():
    torch.manual_seed(0)
    return network_model(PROBLEM, [5], potentials=4)


@pytest.mark.parametrize(
    "solver", [LevenbergMarquardt(), LBFGS(), Adam(batch=20), SOAP()], ids=lambda s: s.name
)
def test_a_solve_goes_on_to_the_same_numbers(solver, tmp_path, monkeypatch):
    if solver.name == "soap":
        pytest.importorskip("pytorch_optimizer")
    whole = solve(PROBLEM, network(), solver=solver, steps=6)
    monkeypatch.setattr("physmix.training.trace._KEPT_EVERY", 0.0)
    count = iter(range(100))

    def stop(step):
        if next(count) == 3:
            raise Stopped

    file = tmp_path / "state.safetensors"
    with pytest.raises(Stopped):
        solve(PROBLEM, network(), solver=solver, steps=6, state=file, progress=stop)
    parted = solve(PROBLEM, network(), solver=solver, steps=6, state=file)
    assert [one.loss for one in parted.trace.steps] == [one.loss for one in whole.trace.steps]
    assert parted.unknowns == whole.unknowns
    for found, expected in zip(parted.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(found, expected)
    again = solve(PROBLEM, network(), solver=solver, steps=6, state=file)  # nothing is left to do
    assert again.trace.steps == parted.trace.steps
    assert again.unknowns == whole.unknowns


def test_a_solve_that_had_ended_has_ended(tmp_path):
    """What ends a solver may be known in the last step alone."""
    file = tmp_path / "state.safetensors"
    ended = solve(PROBLEM, feature_model(PROBLEM, 8), steps=50, state=file)
    assert ended.trace.ended
    again = solve(PROBLEM, feature_model(PROBLEM, 8), steps=50, state=file)
    assert (again.trace.steps, again.trace.reason) == (ended.trace.steps, ended.trace.reason)
    assert torch.equal(again.model.mixing.weight, ended.model.mixing.weight)


def test_a_state_of_another_solve_is_refused(tmp_path):
    file = tmp_path / "state.safetensors"
    solve(PROBLEM, network(), steps=2, state=file)
    with pytest.raises(CheckpointError, match="another"):
        solve(PROBLEM, network_model(PROBLEM, [6]), steps=2, state=file)
    with pytest.raises(CheckpointError, match="another"):
        solve(PROBLEM, network(), steps=2, state=file, solver="lbfgs")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="cut short"):
        solve(PROBLEM, network(), steps=2, state=file)


@pytest.mark.parametrize("make", [network, lambda: feature_model(PROBLEM, 8)], ids=["network", "features"])
def test_a_solution_comes_back(make, tmp_path):
    solution = solve(PROBLEM, make(), steps=3)
    save_solution(tmp_path, solution)
    torch.manual_seed(1)
    back = load_solution(tmp_path, PROBLEM, make())
    at = BAR.sample(20, seed=3).points
    assert torch.equal(back.at(at)["T"], solution.at(at)["T"])
    assert (back.unknowns, back.trace) == (solution.unknowns, solution.trace)
    assert back.limited_by == solution.limited_by


def test_what_is_no_solution_is_refused(tmp_path):
    solution = solve(PROBLEM, network(), steps=2)
    save_solution(tmp_path, solution)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_solution(tmp_path, PROBLEM, network_model(PROBLEM, [7], potentials=4))
    file = tmp_path / "model.json"
    whole = json.loads(file.read_text())
    for change in ({"steps": [[1, 2]]}, {"unknowns": {"k": "x"}}, {"unknowns": {}}, {"ended": 1}):
        file.write_text(json.dumps({**whole, "solution": {**whole["solution"], **change}}))
        with pytest.raises(CheckpointError, match="does not hold a solution"):
            load_solution(tmp_path, PROBLEM, network())


def test_what_is_packed_comes_back():
    value = {"a": {0: [torch.ones(2), None], 1: {"n": 3}}, "rates": [0.1, True]}
    found = unpacked(packed(value))
    assert torch.equal(found["a"][0][0], torch.ones(2))
    assert found["a"][0][1] is None
    assert (found["a"][1], found["rates"]) == ({"n": 3}, [0.1, True])
