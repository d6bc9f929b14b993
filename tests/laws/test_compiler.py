"""Laws to constraints: dimensions known from algebra, scaling, and refusals."""

import pytest
import torch

from physmix.errors import ContradictionError, NoFreedomError, UnknownFieldError, UnsupportedLawError
from physmix.jets import monomials
from physmix.laws import Scaling, compile_laws, parse_laws


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
    compiled = compile_laws(laws, fields, monomials(len(coordinates), 2))
    assert compiled.weights.matrix.shape == shape
    assert compiled.weights.nullity == nullity


@pytest.mark.parametrize(("dimensions", "nullity"), [(2, 1), (3, 3), (4, 6)])
def test_divergence_free_vector(dimensions, nullity):
    coordinates = "wxyz"[:dimensions]
    text = " + ".join(f"d{c}(u{c})" for c in coordinates) + " = 0"
    laws = parse_laws({"div": text}, coordinates)
    compiled = compile_laws(laws, [f"u{c}" for c in coordinates], monomials(dimensions, 1))
    assert compiled.weights.nullity == nullity


def test_pointwise_law_constrains_weights_and_bias():
    laws = parse_laws({"sum": "Y1 + Y2 + Y3 = 1"}, "")
    compiled = compile_laws(laws, ["Y1", "Y2", "Y3"], [()])
    assert compiled.weights.nullity == 2
    assert compiled.bias.project(torch.zeros(3).double()).sum().item() == pytest.approx(1, abs=1e-15)


def test_integral_law_frees_all_differences():
    laws = parse_laws({"total": "integral(rho) = const"}, "xy")
    operators = [(0, 0), (1, 0), (0, 1)]
    compiled = compile_laws(laws, ["rho", "p"], operators)
    weight = compiled.weights.sample(5).view(5, 2, 3)
    assert weight[:, 0, 0].abs().max() < 1e-14  # rho may not take the identity
    assert weight[:, 0, 1:].abs().min() > 0
    assert weight[:, 1].abs().min() > 0


def test_no_laws_leave_everything_free():
    compiled = compile_laws((), ["u", "v"], monomials(2, 1))
    assert compiled.weights.nullity == 4
    assert compiled.bias.nullity == 2


def test_scaling_is_a_change_of_units():
    """u = 4 u_hat, x = 2 xi: du/dx = 2 du_hat/dxi, exactly."""
    (law,) = parse_laws({"law": "dx(u) + dy(v) = 0"}, "xy")
    scaled = Scaling(length={"x": 2.0}, size={"u": 4.0}).apply(law)
    assert scaled.terms == {("u", (1, 0)): 2, ("v", (0, 1)): 1}


def test_conserved_density(mass_momentum):
    assert mass_momentum[0].conserved("t") == {"rho": 1}
    assert parse_laws({"div": "dx(u) + dy(v) = 0"}, "txy")[0].conserved("t") is None
    assert parse_laws({"react": "dt(c) + dx(f) = c"}, "txy")[0].conserved("t") is None


FIELDS = ["u", "v"]
REFUSED = [
    ({"law": "dx(w) = 0"}, UnknownFieldError, r"'w'.*fields are u, v"),
    ({"one": "u + v = 1", "two": "u + v = 2"}, ContradictionError, "one, two"),
    ({"advection": "dx(u) + dy(u) = 0", "zero": "v = 0"}, NoFreedomError, "advection, zero.*no freedom"),
    ({"source": "dx(u) = 1"}, UnsupportedLawError, "particular field"),
]


@pytest.mark.parametrize(("texts", "error", "message"), REFUSED, ids=lambda v: getattr(v, "__name__", ""))
def test_laws_that_cannot_be_held_are_refused(texts, error, message):
    with pytest.raises(error, match=message):
        compile_laws(parse_laws(texts, "xy"), FIELDS, monomials(2, 1))


def test_a_law_of_other_coordinates_is_refused():
    with pytest.raises(UnsupportedLawError, match="2 coordinates"):
        compile_laws(parse_laws({"law": "dx(u) + dy(v) = 0"}, "xy"), FIELDS, monomials(3, 1))
