"""The benchmark of laws: small cases hold, and twins fall short."""

import json
import math
import subprocess
import sys

import pytest
import torch

from physmix.benchmarks import (
    BENCHMARKS,
    between_walls,
    dense,
    on_grids,
    projector,
    reconciliation,
    scale,
    violation,
    walls,
)
from physmix.benchmarks.laws import dimensions_case, refused_case
from physmix.benchmarks.library import KNOWN, library
from physmix.benchmarks.row import ours
from physmix.checking.finding import Finding
from physmix.commands.benchmark import benchmark
from physmix.errors import MissingPackageError
from physmix.files import configurations
from physmix.grids import PeriodicGrid

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


@pytest.mark.parametrize("points", [(12, 9), (6, 5, 4)])
def test_solenoidal_fields_stay_and_noise_goes(points, monkeypatch):
    run = reconciliation.solenoidal_case(points)
    assert not short(run("case"))
    monkeypatch.setattr(reconciliation, "nearest_lawful", lambda fields, *_, **__: fields)
    assert short(run("twin")) == {reconciliation.LEFT}


@pytest.mark.parametrize("name", reconciliation.reconciled_laws(library()))
def test_reconciled_laws_are_those_of_dense_algebra(name):
    case = f"reconciliation, {name}"
    rows = LAWS[case](case)
    assert {row.metric for row in rows} >= {reconciliation.UNCHANGED, "off the dense projection"}
    assert not short(rows)


def test_a_field_that_is_left_as_it_is_falls_short(monkeypatch):
    monkeypatch.setattr(reconciliation, "nearest_lawful", lambda fields, *_, **__: fields)
    rows = LAWS["reconciliation, incompressible"]("twin")
    assert short(rows) == {reconciliation.LEFT, "off the dense projection"}


def test_reconciled_fields_are_those_of_cvxpy(monkeypatch):
    monkeypatch.setattr(reconciliation, "STARTS", 1)
    monkeypatch.setattr(reconciliation, "SCHEMES", ("spectral", "compact6"))
    rows = reconciliation.cvxpy_case("case")
    assert len(rows) == 2 * (3 + 4)
    assert not short(rows)


@pytest.mark.parametrize("scheme", reconciliation.SCHEMES)
@pytest.mark.parametrize("points", [(8, 5), (9, 4)])
def test_dense_derivatives_are_those_of_the_grid(scheme, points, generator):
    grid = PeriodicGrid(("x", "y"), points, (1.0, 2.5), scheme)
    field = torch.randn(1, *points, 1, generator=generator, dtype=torch.float64)
    for axis in (0, 1):
        found = torch.from_numpy(dense.derivative(field[0, ..., 0].numpy(), grid, axis))
        torch.testing.assert_close(found, grid.differentiate(field, axis)[0, ..., 0], rtol=0, atol=1e-12)


def test_a_size_is_measured():
    found = scale.measure((16, 16), rounds=1)
    assert found["peak"] > found["field"] == 16 * 16 * 2 * 8 / 1e9
    assert min(found.values()) > 0


@pytest.mark.parametrize(("points", "lengths"), projector.PLANES.values(), ids=list(projector.PLANES))
def test_our_projection_keeps_what_is_lawful(points, lengths):
    grid = PeriodicGrid(("x", "y"), points, lengths)
    figures = projector.figures(projector.our_projection(grid), grid)
    assert not short([ours("case", *figure) for figure in figures.items()])
    figures = projector.figures(lambda velocity: velocity, grid)
    assert short([ours("twin", *figure) for figure in figures.items()]) == {reconciliation.LEFT}


def test_the_peers_projection_is_called_as_it_works_best():
    pytest.importorskip("neuralop")
    rows = projector.projector_case((9, 9), (1.0, 1.0))("case")
    assert not short(rows)
    best = {row.metric: row.value for row in rows if "best reading" in row.system}
    assert best[reconciliation.LEFT] < 1e-10
    assert best["change of a lawful field, rough"] < 1e-10
    assert best[reconciliation.MEAN] == pytest.approx(1)
    assert torch.get_default_dtype() == torch.float32


def test_a_missing_peer_is_named_with_its_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("neuralop.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "neuralop", None)
    with pytest.raises(MissingPackageError, match=r"neuralop.*physmix\[bench\]"):
        benchmark("laws", pattern="divergence projection*33 x 33")


PARSED = """
import json
from physmix.benchmarks import parser
parser.TEXTS = 2000
if {evaluating}:
    parser.parse_law = lambda name, text, *_, **__: eval(text)
print(json.dumps([[row.metric, row.value, row.holds] for row in parser.parser_case("case")]))
"""


@pytest.mark.parametrize("evaluating", [False, True])
def test_random_texts_are_refused_or_read_and_never_evaluated(evaluating):
    """In a process of its own: the checks of types in tests evaluate code themselves."""
    code = PARSED.format(evaluating=evaluating)
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=True).stdout
    rows = {metric: (value, holds) for metric, value, holds in json.loads(out)}
    assert rows["exceptions but law errors"][1] is not evaluating
    assert rows["audited events while parsing"][1] is not evaluating
    assert (rows["share of laws among the texts"][0] > 0.1) is not evaluating


@pytest.mark.parametrize(
    "case", [name for name in LAWS if name.startswith("reconciliation between") and "scale" not in name]
)
def test_reconciliation_between_walls_holds(case, monkeypatch):
    rows = LAWS[case](case)
    assert not short(rows)
    noisy = [row.value for row in rows if row.system == "the noisy flow"]
    assert all(value > 1e-2 for value in noisy)
    if not noisy:
        return
    monkeypatch.setattr(between_walls.LawfulFields, "project", lambda _, fields: fields)
    assert short(LAWS[case]("twin")) == {reconciliation.LEFT}


def test_networks_on_grids_hold_in_the_sums_of_the_scheme(monkeypatch):
    monkeypatch.setattr(on_grids, "STEPS", 3)
    rows = LAWS["on grids, shallow_water"]("case")
    assert not short(rows)
    assert all(row.value > 1e-2 for row in rows if row.system.startswith("free twin"))
    monkeypatch.setattr(on_grids, "_derived", lambda values, *_: values)
    assert violation.OVER in short(LAWS["on grids, shallow_water"]("twin"))
