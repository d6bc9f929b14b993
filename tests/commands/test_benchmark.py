"""The benchmark command: rows, targets, exit codes, and going on where it was."""

import json

import pytest

from physmix.benchmarks import BENCHMARKS, Row, table
from physmix.benchmarks.feasibility import conflicts_case
from physmix.benchmarks.row import ours, peer
from physmix.commands.benchmark import benchmark
from physmix.errors import SettingsError


@pytest.fixture
def counted(monkeypatch):
    calls = []

    def case(value):
        def run(name):
            calls.append(name)
            return [ours(name, "idempotence", value), peer(name, "twin", "idempotence", 1.0)]

        return run

    monkeypatch.setitem(BENCHMARKS, "small", {"good": case(0.0), "bad": case(1.0)})
    return calls


def test_a_figure_that_falls_short_is_exit_code_one(counted, capsys):
    assert benchmark("small", pattern="good") == 0
    assert benchmark("small") == 1
    assert "FALLS SHORT" in capsys.readouterr().out


def test_measured_cases_are_reused(counted, tmp_path):
    file = tmp_path / "rows.json"
    benchmark("small", file, "good")
    benchmark("small", file)
    assert counted == ["good", "bad"]
    rows = json.loads(file.read_text())
    keys = {"case", "system", "metric", "value", "unit", "target", "holds"}
    assert all(set(row) == keys for row in rows)
    assert [row["holds"] for row in rows] == [True, None, False, None]


def test_a_figure_that_is_no_number_never_holds():
    row = Row("a", "physmix", "m", float("nan"), "", "<= 1")
    assert row.holds is False
    assert row.as_dict()["value"] is None
    assert "FALLS SHORT" in table([row])


def test_unknown_cases_and_foreign_files_are_refused(counted, tmp_path):
    with pytest.raises(SettingsError, match="good; bad"):
        benchmark("small", pattern="nothing")
    file = tmp_path / "rows.json"
    file.write_text('{"rows": 1}')
    with pytest.raises(SettingsError, match="does not hold rows"):
        benchmark("small", file)
    assert file.read_text() == '{"rows": 1}'


def test_a_figure_is_drawn_of_errors_against_time_alone(counted, monkeypatch, tmp_path):
    def case(name):
        rows = [
            ours(name, "seconds, 9 features", 2.0, "s"),
            ours(name, "mean relative error, 9 features", 1e-3),
        ]
        return [
            *rows,
            peer(name, "twin", "seconds, given 1 s", 1.0),
            peer(name, "twin", "mean relative error, given 1 s", 1.0),
        ]

    monkeypatch.setitem(BENCHMARKS["small"], "error against time, small", case)
    figure = tmp_path / "errors.png"
    benchmark("small", pattern="error*", figure=figure)
    assert figure.read_bytes().startswith(b"\x89PNG")
    for pattern, path in (("good", figure), ("error*", tmp_path / "errors.txt")):
        with pytest.raises(SettingsError, match="cannot be drawn"):
            benchmark("small", pattern=pattern, figure=path)


def test_conflicts_are_found(monkeypatch):
    monkeypatch.setattr("physmix.benchmarks.feasibility.SYSTEMS", 50)
    (row,) = conflicts_case("conflicts")
    assert row.holds
