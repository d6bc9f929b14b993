"""Laws to constraints: dimensions known from algebra, scaling, and refusals."""

from fractions import Fraction

import pytest
import torch

from physmix.errors import (
    ContradictionError,
    NoFreedomError,
    SettingsError,
    UnknownFieldError,
    UnsupportedLawError,
)
from physmix.grids import neighbour_operators
from physmix.laws import Scaling, compile_laws, parse_laws
from physmix.operators import Operators


def tensor_laws(dimensions):
    """Every row of a symmetric space-time tensor is divergence-free."""
    coordinates = "txyz"[: dimensions + 1]
    entry = lambda i, j: f"M{min(i, j)}{max(i, j)}"
    n = range(len(coordinates))
    texts = {f"row{i}": " + ".join(f"d{coordinates[j]}({entry(i, j)})" for j in n) + " = 0" for i in n}
    return coordinates, texts, sorted({entry(i, j) for i in n for j in n})


@pytest.mark.parametrize(
    ("dimensions", "shape", "nullity"), [(1, (8, 9), 1), (2, (30, 36), 6), (3, (80, 100), 20)]
)
def test_symmetric_space_time_tensor(dimensions, shape, nullity):
    """The table of Lange-Hegermann's algebra: as many lawful weights as the potentials need."""
    coordinates, texts, fields = tensor_laws(dimensions)
    laws = parse_laws(texts, coordinates)
    compiled = compile_laws(laws, fields, Operators.derivatives(coordinates, 2))
    assert compiled.weights.matrix.shape == shape
    assert compiled.weights.nullity == nullity


@pytest.mark.parametrize(("dimensions", "nullity"), [(2, 1), (3, 3), (4, 6)])
def test_divergence_free_vector(dimensions, nullity):
    coordinates = "wxyz"[:dimensions]
    text = " + ".join(f"d{c}(u{c})" for c in coordinates) + " = 0"
    laws = parse_laws({"div": text}, coordinates)
    compiled = compile_laws(laws, [f"u{c}" for c in coordinates], Operators.derivatives(coordinates, 1))
    assert compiled.weights.nullity == nullity


def test_pointwise_law_constrains_weights_and_bias():
    laws = parse_laws({"sum": "Y1 + Y2 + Y3 = 1"}, "")
    compiled = compile_laws(laws, ["Y1", "Y2", "Y3"], Operators.identity())
    assert compiled.weights.nullity == 2
    assert compiled.bias.project(torch.zeros(3).double()).sum().item() == pytest.approx(1, abs=1e-15)


def test_integral_law_frees_all_differences():
    laws = parse_laws({"total": "integral(rho) = const"}, "xy")
    compiled = compile_laws(laws, ["rho", "p"], neighbour_operators(1))
    weight = compiled.weights.sample(5, 6).view(5, 2, 3)
    assert weight[:, 0, 0].abs().max() < 1e-14  # rho may not take the identity
    assert weight[:, 0, 1:].abs().min() > 0
    assert weight[:, 1].abs().min() > 0


def test_conditions_hold_beside_the_laws():
    """Of the three potentials of a solenoidal field in space, one gives u no part."""
    laws = parse_laws({"div": "dx(u) + dy(v) + dz(w) = 0"}, "xyz")
    operators = Operators.derivatives("xyz", 1)
    nothing_in_u = [{("u", monomial): Fraction(1)} for monomial in operators.monomials]
    compiled = compile_laws(laws, ["u", "v", "w"], operators, nothing_in_u)
    assert compiled.weights.nullity == 1
    weight = compiled.weights.sample(9).view(3, 3)
    assert weight[0].abs().max() == 0
    assert weight[1, 2] == -weight[2, 1] != 0


def test_no_laws_leave_everything_free():
    compiled = compile_laws((), ["u", "v"], Operators.derivatives("xy", 1))
    assert compiled.weights.nullity == 4
    assert compiled.bias.nullity == 2


def test_scaling_is_a_change_of_units():
    """u = 4 u_hat, x = 2 xi: du/dx = 2 du_hat/dxi, exactly."""
    (law,) = parse_laws({"law": "dx(u) + dy(v) = 0"}, "xy")
    scaled = Scaling(length={"x": 2.0}, size={"u": 4.0}).apply(law)
    assert scaled.terms == {("u", (1, 0)): 2, ("v", (0, 1)): 1}


def test_increments_obey_the_law_without_its_source():
    (law,) = parse_laws({"sum": "a + b = 1"}, "")
    assert law.source == 1
    assert law.homogeneous().source == 0
    assert law.homogeneous().terms == law.terms


def test_two_laws_of_one_name_are_two_laws():
    texts = ["dt(rho) + dx(m) = 0", "dt(m) + dx(s) = 0"]
    same = [parse_laws({"law": text}, "tx")[0] for text in texts]
    named = parse_laws(dict(zip("ab", texts, strict=True)), "tx")
    operators = Operators.derivatives("tx", 2)
    fields = ["rho", "m", "s"]
    assert compile_laws(same, fields, operators).weights.nullity == 1
    assert compile_laws(named, fields, operators).weights.nullity == 1


FIELDS = ["u", "v"]
REFUSED = [
    ({"law": "dx(w) = 0"}, UnknownFieldError, r"'w'.*fields are u, v"),
    ({"one": "u + v = 1", "two": "u + v = 2"}, ContradictionError, "one, two"),
    ({"advection": "dx(u) + dy(u) = 0", "zero": "v = 0"}, NoFreedomError, "advection, zero.*no freedom"),
    ({"source": "dx(u) = 1"}, UnsupportedLawError, "particular field"),
    ({"total": "integral(u) = const"}, UnsupportedLawError, "do not sum to zero over the domain"),
]


@pytest.mark.parametrize(("texts", "error", "message"), REFUSED, ids=lambda v: getattr(v, "__name__", ""))
def test_laws_that_cannot_be_held_are_refused(texts, error, message):
    with pytest.raises(error, match=message):
        compile_laws(parse_laws(texts, "xy"), FIELDS, Operators.derivatives("xy", 1))


@pytest.mark.parametrize(
    "operators",
    [Operators.derivatives("yx", 1), Operators.derivatives("xyz", 1), neighbour_operators(1)],
    ids=["permuted", "more", "grid"],
)
def test_a_law_of_other_coordinates_is_refused(operators):
    """Coordinates go by name: dx must never be taken for d of whatever comes first."""
    with pytest.raises(UnsupportedLawError, match="derivatives in x, y"):
        compile_laws(parse_laws({"law": "dx(u) + dy(v) = 0"}, "xy"), FIELDS, operators)


def test_a_field_named_twice_is_refused():
    with pytest.raises(SettingsError, match="twice"):
        compile_laws((), ["u", "u"], Operators.identity())


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_no_size_is_refused(wrong):
    with pytest.raises(SettingsError, match="positive number"):
        Scaling(size={"u": wrong})


def test_biases_hold_where_units_are_far_apart(generator):
    """Coefficients of 1e-11 beside 1: floating point alone would miss the law by 1e-9."""
    laws = parse_laws({"sum": "0.1*a + b = 1e-11*c", "other": "d + 1e-3*e = f"}, "x")
    bias = compile_laws(laws, list("abcdef"), Operators.derivatives("x", 1)).bias
    found = bias.project(torch.randn(50, 6, generator=generator, dtype=torch.float64))
    assert (bias.matrix @ found.mT).abs().max() < 1e-14
