"""The benchmark of solved flows: errors that are those of the solution, and twins that fall short."""

from dataclasses import replace

import pytest
import torch

from physmix.benchmarks import growth, known, pace, pinn, streaming
from physmix.benchmarks.violation import OVER
from physmix.problems import NavierStokes
from physmix.reporting.figures import as_png, pace_figure


def small(make, **settings):
    """A benchmark with fewer features and points, and no rivals."""
    asked = make()
    problem = replace(asked.problem, points=600, boundary_points=240)
    return replace(asked, problem=problem, settings={**asked.settings, **settings}, rivals="")


def rows_of(asked):
    return {row.metric: row for row in known.solve_case(lambda: asked)("case")}


def test_rows_tell_errors_time_and_violation():
    rows = rows_of(small(pinn.kovasznay, features=110, slope=2.5))
    errors = [rows[f"relative error of {name}"].value for name in ("ux", "uy", "p")]
    assert rows["mean relative error"].value == pytest.approx(sum(errors) / 3)
    assert max(errors) < 2e-2
    assert rows["mean relative error"].holds is False  # a small solve falls short of a record
    assert rows["seconds"].holds
    assert rows[OVER].holds


def test_equations_of_another_flow_are_farther_from_it():
    asked = small(pinn.kovasznay, features=110, slope=2.5)
    wrong = replace(asked, problem=replace(asked.problem, equations=NavierStokes("xy", 1 / 20)))
    assert rows_of(wrong)["mean relative error"].value > 10 * rows_of(asked)["mean relative error"].value


def test_a_march_is_measured_in_the_same_way():
    asked = small(pinn.burgers, features=30, steps=3)
    cuts = [-0.5, -0.1, 0.1, 0.5]
    problem = replace(asked.problem, region=asked.problem.region.even().graded(x=cuts))
    rows = rows_of(
        replace(asked, problem=problem, settings={**asked.settings, "subdomains": (1, cuts)}, windows=2)
    )
    assert rows["steps"].value <= 6
    assert 0 < rows["mean relative error"].value < 0.5


def test_pressures_are_compared_up_to_a_function_of_time():
    points = torch.rand(300, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drift = torch.exp(points[:, 0])
    wave = torch.sin(7 * points[:, 1])
    left = drift + wave - known._gauge(drift + wave, points, "txy")
    assert float((left - (wave - wave.mean())).abs().mean()) < 0.2
    assert float((drift - known._gauge(drift, points, "txy")).abs().max()) < 1e-6


def test_memory_and_error_of_streamed_points_are_told(monkeypatch):
    monkeypatch.setattr(streaming, "POINTS", 20_000)
    monkeypatch.setattr(streaming, "FEATURES", 60)
    rows = {row.metric: row.value for row in streaming.streaming_case("case")}
    assert 0.05 < rows["peak resident memory"] < 4
    assert rows["relative error"] < 0.1
    assert streaming.measure(2000, 12)["error"] > rows["relative error"]


def test_errors_against_time_are_curves_by_flow_and_system(monkeypatch):
    def slow(system, flow, seconds):
        return {"ux": 2 / seconds, "p": 4 / seconds, "seconds": seconds + 0.5}

    monkeypatch.setattr(pace, "rival", slow)
    sizes = {"9 features": lambda: (3.0, 1e-3), "4 features": lambda: (1.0, 1e-1)}
    rows = pace.pace_case("Kovasznay", sizes, budgets=(2.0, 6.0))(f"{pace.PACE}, Kovasznay")
    (panel,) = pace.curves([*rows, *pace.pace_case("x", {}, ())("another case")]).values()
    assert panel["physmix"] == [(1.0, 1e-1), (3.0, 1e-3)]
    assert panel["PINA"] == [(2.5, 1.5), (6.5, 0.5)]
    assert list(panel) == ["physmix", *pace.RIVALS]
    assert as_png(pace_figure({"Kovasznay": panel, "Burgers": panel})).startswith(b"\x89PNG")


def test_larger_domains_with_more_subdomains_have_the_same_error(monkeypatch):
    monkeypatch.setattr(growth, "apart", lambda measure, *given, threads: measure(*given))
    rows = {row.metric: row for row in growth.growth_case("chain", ((1, 2), (1, 8)))("case")}
    assert rows["largest over smallest error"].value < 2
    assert rows["relative error with 8"].value < 1e-2
    assert rows[f"{growth.METRIC} than 2"].target == "<= 8"
