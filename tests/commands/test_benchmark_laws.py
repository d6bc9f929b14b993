"""The benchmark of laws: small cases hold, and twins fall short."""

import math

import pytest

from physmix.benchmarks import BENCHMARKS, violation, walls
from physmix.benchmarks.laws import dimensions_case, refused_case
from physmix.benchmarks.library import KNOWN, library
from physmix.checking.finding import Finding
from physmix.files import configurations

LAWS = BENCHMARKS["laws"]
model_of = violation._model


def short(rows):
    return {row.metric for row in rows if row.holds is False}


def test_every_law_of_the_library_is_measured():
    names = {path.stem for path in (configurations() / "law").glob("*.yaml")} - {"none", "totals"}
    assert set(library()) == names
    assert {f"dimensions, {name}" for name in names} <= set(LAWS)
    assert {f"violation, {name}" for name in names - {"mixture_fractions"}} <= set(LAWS)


@pytest.mark.parametrize("case", [name for name in LAWS if name.startswith(("dimensions", "refused"))])
def test_exact_cases_hold(case):
    rows = LAWS[case](case)
    assert any(row.holds for row in rows)
    assert not short(rows)


def test_a_wrong_nullity_and_an_accepted_law_fall_short():
    system, nullity = KNOWN["divergence-free vectors in 2"]
    assert short(dimensions_case(system, nullity + 1)("twin")) == {"nullity off its known value"}
    assert short(refused_case(system)("twin")) == {"refused, naming what to use"}


def test_violations_are_those_of_rounding_and_free_fields_fall_short(monkeypatch):
    monkeypatch.setattr(violation, "STEPS", 3)
    monkeypatch.setattr(violation, "HIDDEN", (6, 6, 6))
    rows = LAWS["violation, incompressible"]("case")
    assert {row.metric for row in rows} == {violation.OVER, violation.RELATIVE, violation.LESS}
    assert not short(rows)
    monkeypatch.setattr(violation, "_model", lambda system, _, *rest: model_of(system, (), *rest))
    assert short(LAWS["violation, incompressible"]("twin")) == {violation.OVER, violation.LESS}


def test_a_law_of_zeros_tests_nothing():
    assert math.isnan(violation.over_bound(Finding("law", "method", 0.0, 1e-12, trivial=True)))


@pytest.mark.parametrize("case", [name for name in LAWS if name.startswith("walls")])
def test_walls_hold(case, monkeypatch):
    monkeypatch.setattr(walls, "STEPS", 5)
    rows = LAWS[case](case)
    assert not short(rows)
    assert {row.metric for row in rows} >= {walls.ERROR, walls.TRACTION, violation.OVER}
    for row in rows:
        if row.target is None and row.metric == walls.ERROR:
            assert row.value > 1e-2
        if row.target is None and row.metric == walls.DRAG:
            assert row.value < 1e-12
