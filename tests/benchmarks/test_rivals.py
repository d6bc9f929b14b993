"""The rivals of the PINN suite: their errors are those of the flow, fall with time, and see a wrong flow."""

import importlib.util
import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from physmix.benchmarks.rivals import CASES, KOVASZNAY, TAYLOR_GREEN, rival
from physmix.benchmarks.rivals import elm as features
from physmix.benchmarks.rivals.process import answer
from physmix.errors import MissingPackageError, SettingsError

PACKAGE = {"DeepXDE": "deepxde", "PINA": "pina", "scikit-fem": "skfem"}
FIELDS = ("ux", "uy", "p")


def installed(name):
    package = PACKAGE.get(name)
    return package is None or importlib.util.find_spec(package) is not None


def worst(found):
    return max(found[name] for name in FIELDS)


def truth(case):
    points = case.points()
    wave = case.flow.fields(torch.from_numpy(points))
    return np.stack([values.numpy() for values in wave.values()], 1)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_errors_are_relative_and_blind_to_the_constant_of_the_pressure(case):
    true = truth(case)
    assert case.points().shape == (4000, len(case.box))
    shifted = true + np.array([0.0, 0.0, 7.0])
    if case.unsteady:  # one constant at each time
        shifted[:, 2] += case.points()[:, 0]
    assert worst(case.errors(shifted)) < 1e-13
    zero = case.errors(np.zeros_like(true))
    assert all(zero[name] == pytest.approx(1.0) for name in FIELDS)
    assert case.errors(true * np.array([1.0, 1.1, 1.0]))["uy"] == pytest.approx(0.1)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_collocation_is_the_derivative_of_its_residuals(case):
    machine = features.Collocation(case, 20, seed=0)
    machine.weights = np.random.default_rng(0).standard_normal((3, 20))
    matrix, before = machine.system()
    step = 1e-6 * np.random.default_rng(1).standard_normal((3, 20))
    machine.weights = machine.weights + step
    change = machine.system()[1] - before
    assert np.abs(change - matrix @ step.ravel()).max() < 1e-5 * np.abs(change).max()


@pytest.mark.parametrize("case", [KOVASZNAY, TAYLOR_GREEN], ids=CASES)
def test_more_features_are_closer_and_a_wrong_viscosity_is_farther(case):
    def errors(count, viscosity=case.viscosity):
        machine = features.Collocation(replace(case, viscosity=viscosity), count, seed=0)
        machine.solve(math.inf)
        return case.errors(machine.fields(case.points()))

    coarse, fine, wrong = errors(60), errors(150), errors(150, case.viscosity / 2)
    assert all(fine[name] < coarse[name] / 3 for name in FIELDS)
    assert all(wrong[name] > 2 * fine[name] for name in ("ux", "uy"))


@pytest.mark.skipif(not installed("scikit-fem"), reason="scikit-fem is not installed")
@pytest.mark.parametrize("case", [KOVASZNAY, TAYLOR_GREEN], ids=CASES)
def test_finer_elements_are_closer_and_a_wrong_viscosity_is_farther(case, monkeypatch):
    from physmix.benchmarks.rivals import finite_elements

    def errors(degree, viscosity=case.viscosity):
        monkeypatch.setattr(finite_elements, "_RUNGS", ((degree, 4, 10),))
        fields = finite_elements.solver(replace(case, viscosity=viscosity), 0)(1.0)
        return case.errors(fields(case.points()))

    coarse, fine, wrong = errors(3), errors(5), errors(5, case.viscosity / 2)
    assert all(fine[name] < coarse[name] / 3 for name in FIELDS)
    assert all(wrong[name] > 2 * fine[name] for name in ("ux", "uy"))


def test_a_process_of_its_own_answers():
    found = rival("random features without laws", "Kovasznay", 1.0)
    assert set(found) == {*FIELDS, "seconds"}
    assert worst(found) < 0.1
    assert 0 < found["seconds"] < 60


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("case", [KOVASZNAY, TAYLOR_GREEN], ids=CASES)
@pytest.mark.parametrize("name", ["DeepXDE", "PINA"])
def test_the_networks_are_given_the_equations_of_the_flow(name, case, monkeypatch):
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    residuals = {"DeepXDE": residuals_of_deepxde, "PINA": residuals_of_pina}[name]
    monkeypatch.setenv("DDE_BACKEND", "pytorch")
    points = torch.from_numpy(case.points()[::100])
    assert residuals(case, points).abs().max() < 1e-12
    assert residuals(replace(case, viscosity=case.viscosity / 2), points).abs().max() > 1e-3


def residuals_of_deepxde(case, points):
    import deepxde as dde

    from physmix.benchmarks.rivals import deepxde

    turn = 1 if case.unsteady else 0
    at = points.roll(-turn, 1).requires_grad_()
    fields = torch.stack(list(case.flow.fields(at.roll(turn, 1)).values()), 1)
    dde.grad.clear()
    return torch.cat(deepxde._data(dde, case).pde(at, fields), 1).detach()


def residuals_of_pina(case, points):
    from pina import LabelTensor

    from physmix.benchmarks.rivals import pina

    at = LabelTensor(points.clone(), list(case.flow.coordinates)).requires_grad_()
    plain = at.as_subclass(torch.Tensor)
    fields = LabelTensor(torch.stack(list(case.flow.fields(plain).values()), 1), list(FIELDS))
    found = pina._problem(case).conditions["inside"].equation.residual(at, fields)
    return found.as_subclass(torch.Tensor).detach()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["DeepXDE", "PINA"])
def test_errors_of_networks_fall_with_time(name, case):
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    short, long = rival(name, case, 1.0), rival(name, case, 60.0)
    assert all(math.isfinite(short[field]) for field in FIELDS)
    assert long["ux"] < 0.8 * short["ux"]


def test_a_missing_package_is_named(monkeypatch):
    order = {"name": "DeepXDE", "case": "Kovasznay", "seconds": 1.0, "seed": 0, "viscosity": None}
    monkeypatch.setitem(sys.modules, "deepxde", None)
    monkeypatch.setenv("DDE_BACKEND", "pytorch")  # put back afterwards
    found = json.loads(answer(json.dumps({**order, "threads": 1})))
    assert found == {"missing": ["deepxde", "bench"]}
    assert "pip install 'physmix[bench]'" in str(MissingPackageError(*found["missing"]))


@pytest.mark.parametrize(
    ("name", "case", "seconds", "words"),
    [
        ("DeepXD", "Kovasznay", 1.0, "did you mean DeepXDE"),
        ("PINA", "Kovasznai", 1.0, "did you mean Kovasznay"),
        ("PINA", "Kovasznay", 0.0, "positive time"),
    ],
)
def test_what_does_not_exist_is_refused(name, case, seconds, words):
    with pytest.raises(SettingsError, match=words):
        rival(name, case, seconds)
