"""The benchmark of surrogates: its cases run, on files that are small."""

import numpy as np
import pytest

from physmix.benchmarks import loading
from physmix.benchmarks.loading import _in_process, loader_case, write_waves
from physmix.checking import judge_flow
from physmix.flows import read_flow
from physmix.laws import parse_laws


@pytest.fixture
def _small(monkeypatch):
    monkeypatch.setattr(loading, "_POINTS", 16)
    monkeypatch.setattr(loading, "_TIMES", 12)


@pytest.mark.usefixtures("_small")
def test_waves_are_lawful_and_of_the_size_that_is_asked_for(tmp_path):
    path = tmp_path / "waves.hdf5"
    write_waves(path, 4e-4)
    assert path.stat().st_size == pytest.approx(4e5, rel=0.15)
    flow = read_flow(path)
    assert not np.array_equal(flow.scalars["density"][0], flow.scalars["density"][1])
    laws = parse_laws({"mass": "integral(rho) = const", "energy": "integral(E) = const"}, "txy")
    assert all(finding.holds for finding in judge_flow(flow, laws))


def _hold(path, workers):
    del path, workers
    held = np.ones(2**27 // 8)
    return (float(held.sum()),)


def test_memory_is_measured_of_a_process_and_its_own(tmp_path):
    (total,), largest = _in_process(_hold, tmp_path, 0)
    assert total == 2**24
    assert 2**27 < largest < 2**31


@pytest.mark.slow
def test_the_loader_is_measured(monkeypatch):
    monkeypatch.setattr(loading, "_ROUNDS", 1)
    rows = loader_case(0.4)("loader")
    assert [row.metric for row in rows if row.target] == [
        "resident memory of all processes",
        "speed over training from memory",
    ]
    assert all(np.isfinite(row.value) and row.value > 0 for row in rows)
