"""The benchmark of lawful surrogates beside their twins, on gases that are small."""

import json
import math

import pytest
import torch

from physmix.benchmarks import BENCHMARKS, heads, paired
from physmix.benchmarks.paired import END, ONE, TWINS, judged, paired_cases
from physmix.benchmarks.row import Summary
from physmix.benchmarks.twins import FIELDS, Budget, Corrected, Gases, streams, trained
from physmix.commands.benchmark import benchmark
from physmix.errors import SettingsError
from physmix.surrogates.networks import UNet


def drifting():
    """Gases at random that drift along x."""
    draw = torch.Generator().manual_seed(0)
    start = 1 + 0.2 * torch.rand(4, 16, 16, 4, generator=draw, dtype=torch.float64).cumsum(1) / 16
    start[..., 1:3] *= 0.2
    start[..., 3] += 2
    return Gases.of(torch.stack([start.roll(step, 1) for step in range(5)], 1), 1)


BUDGET = Budget(data=drifting, steps=3, batch=2, modes=4, width=4, depth=2, potentials=3)


@pytest.fixture
def _small(monkeypatch):
    monkeypatch.setattr(paired, "_LONG", 12)
    monkeypatch.setitem(BENCHMARKS, "surrogates", paired_cases("small", BUDGET, seeds=2))


@pytest.mark.usefixtures("_small")
def test_twins_are_compared_and_what_was_measured_is_kept(tmp_path, capsys):
    file = tmp_path / "rows.json"
    assert benchmark("surrogates", file, "small, seed 0, *") == 0
    with pytest.raises(SettingsError, match="needs the rows"):
        benchmark("surrogates", file, "small, all seeds")
    before = json.loads(file.read_text())
    assert benchmark("surrogates", file) in (0, 1)
    rows = json.loads(file.read_text())
    assert rows[: len(before)] == before
    found = {(row["case"], row["system"], row["metric"]): row["value"] for row in rows}
    means = [
        sum(found[f"small, seed {seed}, lawful", "physmix", ONE] for seed in (0, 1)) / 2,
        min(
            sum(found[f"small, seed {seed}, {twin}", f"{twin} twin", ONE] for seed in (0, 1)) / 2
            for twin in TWINS
            if twin != "lawful"
        ),
    ]
    ratio = found["small, all seeds", "physmix", f"{ONE}, over the best twin's"]
    assert math.isclose(ratio, means[0] / means[1])
    assert found["small, all seeds", "physmix", "times less drift than the free twin"] > 1e3
    assert all(
        row["holds"]
        for row in rows
        if row["target"] and END not in row["metric"] and ONE not in row["metric"]
    )
    capsys.readouterr()


def test_twins_start_alike_and_differ_in_what_holds_them():
    one = lambda **given: trained(BUDGET, 3, **given)
    lawful, free, soft = one(lawful=True), one(lawful=False), one(lawful=False, soft=True)
    assert lawful.head.laws
    assert not free.head.laws
    assert [tuple(p.shape) for p in lawful.network.parameters()] == [
        tuple(p.shape) for p in free.network.parameters()
    ]
    state = drifting().test[:, 0]
    with torch.no_grad():
        assert not torch.equal(free(state), soft(state))
        missed = lambda model: float((model(state) - state).mean((1, 2)).abs().max())
        assert missed(lawful) < 1e-15
        assert missed(Corrected(free)) < 1e-15
        assert missed(free) > 1e-6


def test_a_model_that_is_right_has_no_errors():
    class Drift(torch.nn.Module):
        def forward(self, state):
            return state.roll(1, 1)

    found = judged(Drift(), drifting())
    assert found.pop("least density and pressure, over their bounds") > 1
    assert all(value < 1e-6 for value in found.values())


def test_costs_of_a_head_are_measured(monkeypatch):
    for name, value in (("_POINTS", 16), ("_BATCH", 1), ("_ROUNDS", 1)):
        monkeypatch.setattr(heads, name, value)
    rows = heads.head_case(lambda outputs: UNet(len(FIELDS), outputs, 2, width=4, levels=1))("head")
    assert [row.metric for row in rows if row.target] == [
        "training step over the network's",
        "inference over the network's",
    ]
    assert all(row.value > 0 for row in rows)


@pytest.mark.slow
def test_streams_are_gases_of_one_grid():
    gases = streams(16, 4, 3)
    assert isinstance(BENCHMARKS["surrogates"]["64 x 64, all seeds"], Summary)
    assert gases.train.shape == (3, 3, 16, 16, 4)
    assert gases.members.contains(gases.test).all()
