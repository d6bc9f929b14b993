"""Kernel and image of laws, degree by degree, against known algebra and against ranks over fractions."""

import random
from fractions import Fraction

import pytest
import torch

from physmix.benchmarks.library import MOMENTUM, VACUUM
from physmix.constraints import rational_null_space
from physmix.errors import NoFreedomError, UnknownFieldError, UnsupportedLawError
from physmix.laws import (
    compile_complete,
    compile_laws,
    gauge_entries,
    hole_channels,
    parse_laws,
    periodic_channels,
    potentials_of,
    recognized,
    written,
)
from physmix.laws.completeness import reached_rows
from physmix.laws.modular import rank, residue
from physmix.operators import Operators


def parsed(texts, coordinates, vectors="", tensors=""):
    laws = parse_laws(texts, coordinates, vectors=vectors, tensors=tensors)
    return laws, list(dict.fromkeys(field for law in laws for field in law.fields))


def only(texts, coordinates, vectors="", tensors="", degree=3):
    (part,) = potentials_of(*parsed(texts, coordinates, vectors, tensors), coordinates, degree)
    return part


KNOWN = [  # texts, coordinates, vectors, tensors, level, nullity, dimensions by degree
    (MOMENTUM, "tx", "m", "s", 2, 1, [3, 4, 5, 6, 7]),
    (MOMENTUM, "txy", "m", "s", 2, 6, [6, 15, 27, 42, 60]),
    (MOMENTUM, "txyz", "m", "s", 2, 20, [10, 36, 84, 160, 270]),
    ({"div": "div(u) = 0"}, "xy", "u", "", 1, 1, [2, 3, 4, 5, 6]),
    ({"div": "div(u) = 0"}, "xyz", "u", "", 1, 3, [3, 8, 15, 24, 35]),
    ({"div": "div(u) = 0"}, "wxyz", "u", "", 1, 6, [4, 15, 36, 70, 120]),
    ({"div": "div(s) = 0"}, "xyz", "", "s", 2, 6, [6, 15, 27, 42, 60]),
    ({"sum": "a + b = c"}, "x", "", "", 0, 2, [2, 2, 2, 2, 2]),
]


@pytest.mark.parametrize(("texts", "coordinates", "vectors", "tensors", "level", "nullity", "sizes"), KNOWN)
def test_dimensions_by_degree(texts, coordinates, vectors, tensors, level, nullity, sizes):
    part = only(texts, coordinates, vectors, tensors, degree=4)
    assert part.complete
    assert (part.level, len(part.weights)) == (level, nullity)
    assert [count.lawful for count in part.counts] == sizes
    assert [count.reached for count in part.counts] == sizes
    part.require()


def test_a_lower_order_would_not_reach_everything():
    """Symmetric tensors have no potentials of first order."""
    laws, fields = parsed(MOMENTUM, "tx", "m", "s")
    part = only(MOMENTUM, "tx", "m", "s")
    assert part.level == 2
    with pytest.raises(NoFreedomError):
        compile_laws(laws, fields, Operators.derivatives("tx", 1))


def test_each_field_has_an_order_of_its_own():
    """v = -dx(u): u is the potential itself, v its derivative."""
    part = only({"law": "dx(u) + v = 0"}, "xy")
    assert part.orders == {"u": 0, "v": 1}
    constraint = compile_complete(*parsed({"law": "dx(u) + v = 0"}, "xy"), "xy")
    weight = dict(
        zip(
            [(f, m) for f in constraint.fields for m in constraint.operators.monomials],
            constraint.weights.sample(6)[:].tolist(),
            strict=True,
        )
    )
    assert weight["v", (1, 0)] == -weight["u", (0, 0)] != 0
    assert [key for key, value in weight.items() if value] == [("u", (0, 0)), ("v", (1, 0))]


def test_orders_that_do_not_fit_are_all_mixed():
    """With friction the law has terms of two orders, and potentials all the same."""
    part = only({"drag": "dt(m) + dx(s) + 2*m = 0"}, "tx")
    assert part.component.orders is None
    assert part.complete
    assert part.orders == {"m": 1, "s": 1}
    constraint = compile_complete(*parsed({"drag": "dt(m) + dx(s) + 2*m = 0"}, "tx"), "tx")
    assert constraint.weights.nullity == 1


def test_laws_that_share_no_field_have_orders_of_their_own():
    texts = {**MOMENTUM, "sum": "Y1 + Y2 = 1"}
    laws, fields = parsed(texts, "txy", "m", "s")
    momentum, fractions, free = potentials_of(laws, [*fields, "T"], "txy")
    assert (momentum.level, fractions.level, free.level) == (2, 0, 0)
    assert fractions.component.fields == ("Y1", "Y2")
    assert free.component.laws == ()


AUTONOMOUS = [({"advection": "dt(u) + dx(u) = 0"}, "tx", ""), (VACUUM, "txyz", "BE")]


@pytest.mark.parametrize(("texts", "coordinates", "vectors"), AUTONOMOUS, ids=["advection", "vacuum"])
def test_laws_without_potentials_are_refused_by_name(texts, coordinates, vectors):
    part = only(texts, coordinates, vectors, degree=1)
    assert part.autonomous
    assert not part.complete
    with pytest.raises(UnsupportedLawError, match=f"{next(iter(texts))}.*no potentials"):
        part.require()
    with pytest.raises(UnsupportedLawError, match="no potentials"):
        compile_complete(*parsed(texts, coordinates, vectors), coordinates)


def test_torsion_is_named():
    """dx(z) = 0 for z = dx(u) + dy(v): potentials reach z = 0 only."""
    part = only({"law": "dx(dx(u) + dy(v)) = 0"}, "xy")
    assert not part.autonomous
    assert [set(law.terms.items()) for law in part.implied] == [
        {(("u", (1, 0)), Fraction(1)), (("v", (0, 1)), Fraction(1))}
    ]
    with pytest.raises(UnsupportedLawError, match=r"also obey 'dy\(v\) \+ dx\(u\) = 0'"):
        part.require()


def test_totals_and_unknown_fields_are_refused():
    laws = parse_laws({"total": "integral(rho) = const"}, "x")
    with pytest.raises(UnsupportedLawError, match="derivatives in t, x, y, and the fields depend on x, y"):
        compile_complete(parse_laws({"mass": "dt(rho) + dx(m) = 0"}, "txy"), ["rho", "m"], "xy")
    with pytest.raises(UnsupportedLawError, match="total over the domain"):
        potentials_of(laws, ["rho"], "x")
    with pytest.raises(UnknownFieldError):
        potentials_of(parse_laws({"law": "dx(u) = 0"}, "x"), ["v"], "x")


PERIODIC = [
    ({"div": "div(u) = 0"}, "xy", "u", "", "xy", ["ux = 1", "uy = 1"]),
    ({"div": "div(u) = 0"}, "xy", "u", "", "x", ["uy = 1"]),  # a net flux across the periodic strip
    ({"div": "div(u) = 0"}, "xy", "u", "", "", []),
    (MOMENTUM, "txy", "m", "s", "xy", ["rho = 1", "mx = 1", "my = 1"]),
    ({"mixed": "dx(a) + dy(b) + dx(dx(b)) = 0"}, "xy", "", "", "xy", ["a = 1", "b = 1"]),
    ({"balance": "div(s) = 0"}, "xy", "", "s", "xy", ["sxx = 1", "sxy = 1", "syy = 1"]),
]


@pytest.mark.parametrize(("texts", "coordinates", "vectors", "tensors", "periodic", "added"), PERIODIC)
def test_what_periodic_directions_add(texts, coordinates, vectors, tensors, periodic, added):
    part = only(texts, coordinates, vectors, tensors)
    assert [written(field, coordinates) for field in periodic_channels(part, periodic)] == added


HOLES = [  # flux around a body; force and torque on it; rigid motions of space
    ({"div": "div(u) = 0"}, "xy", "u", "", (1, 1)),
    ({"div": "div(u) = 0"}, "xyz", "u", "", (2, 1)),
    ({"balance": "div(s) = 0"}, "xy", "", "s", (1, 3)),
    ({"balance": "div(s) = 0"}, "xyz", "", "s", (2, 6)),
    ({"drag": "dt(m) + dx(s) + m = 0"}, "tx", "", "", (1, 0)),
]


@pytest.mark.parametrize(("texts", "coordinates", "vectors", "tensors", "expected"), HOLES)
def test_what_holes_add(texts, coordinates, vectors, tensors, expected):
    found = hole_channels(only(texts, coordinates, vectors, tensors))
    assert (found.dimension, found.channels) == expected


def test_potentials_are_called_by_their_names():
    assert recognized(parse_laws({"a": "dx(p) - 2*dy(q) = 0"}, "xy")) == "a stream function"
    assert recognized(parse_laws({"a": "div(s) = 0"}, "xy", tensors="s")) == "an Airy stress function"
    assert "Beltrami" in recognized(parse_laws({"a": "div(s) = 0"}, "xyz", tensors="s"))
    assert recognized(parse_laws({"a": "dx(dx(u)) + dy(v) = 0"}, "xy")) is None


def test_ranks_modulo_a_prime_are_ranks_over_fractions():
    draw = random.Random(0)
    for _ in range(100):
        height, width, inner = draw.randrange(1, 9), draw.randrange(1, 9), draw.randrange(1, 5)
        left = [[draw.randrange(-3, 4) for _ in range(inner)] for _ in range(height)]
        right = [[draw.randrange(-3, 4) for _ in range(width)] for _ in range(inner)]
        rows = [{j: sum(a * right[k][j] for k, a in enumerate(row)) for j in range(width)} for row in left]
        fractions = [{j: Fraction(v) for j, v in row.items()} for row in rows]
        assert rank(rows, width) == width - len(rational_null_space(fractions, width))


def test_complete_weights_are_those_of_the_compiler():
    laws, fields = parsed(MOMENTUM, "txy", "m", "s")
    constraint = compile_complete(laws, fields, "txy")
    part = only(MOMENTUM, "txy", "m", "s")
    place = {
        (f, m): i for i, (f, m) in enumerate((f, m) for f in fields for m in constraint.operators.monomials)
    }
    weights = torch.zeros(6, len(place), dtype=torch.float64)
    for k, vector in enumerate(part.weights):
        for entry, value in vector.items():
            weights[k, place[entry]] = float(value)
    assert float(constraint.weights.violation(weights)) <= 1e-15
    assert int(torch.linalg.matrix_rank(weights)) == constraint.weights.nullity


def reached(part, weights, degree, held=()):
    rows = reached_rows(part.component, weights, part.level, degree, len(part.coordinates), held)
    keys = {key: place for place, key in enumerate(dict.fromkeys(key for row in rows for key in row))}
    return rank([{keys[k]: residue(v) for k, v in row.items()} for row in rows], len(keys))


GAUGES = [(MOMENTUM, "txy", 3), (MOMENTUM, "txyz", 6), ({"div": "div(u) = 0"}, "xyz", 2)]
GAUGES += [({"div": "div(u) = 0"}, "wxyz", 3), ({"div": "div(s) = 0"}, "xyz", 3)]


@pytest.mark.parametrize(("texts", "coordinates", "left"), GAUGES)
def test_a_gauge_reaches_as_much_with_fewer_weights(texts, coordinates, left):
    """Their number is that of fields less laws, and no fewer would do."""
    part = only(texts, coordinates, "um", "s")
    taken_off = gauge_entries(part)
    kept = [vector for vector in part.weights if not any(entry in vector for entry in taken_off)]
    assert len(kept) == left == len(part.component.fields) - len(part.component.laws)
    for count in part.counts:
        assert reached(part, kept, count.degree) == count.lawful
    assert reached(part, kept[1:], 3) < part.counts[3].lawful
    laws, fields = parsed(texts, coordinates, "um", "s")
    assert compile_complete(laws, fields, coordinates, gauge=True).weights.nullity == left


def test_a_gauge_misses_fields_along_a_periodic_coordinate():
    """Here what is left differentiates along x, which no periodic function undoes."""
    part = only({"div": "div(u) = 0"}, "xyz", "u")
    (entry,) = gauge_entries(part)
    kept = [vector for vector in part.weights if entry not in vector]
    assert reached(part, kept, 2, [0]) < reached(part, part.weights, 2, [0])
