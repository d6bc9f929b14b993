"""The library of laws: each holds for an exact solution, and not for a field beside it."""

from fractions import Fraction
from itertools import product

import pytest
import yaml

from physmix.commands.laws import LawTexts, read_laws
from physmix.errors import LawSyntaxError, SettingsError
from physmix.files import configurations
from physmix.grids import neighbour_operators
from physmix.laws import compile_laws
from physmix.operators import Operators, monomials

FOLDER = configurations() / "law"
LIBRARY = {path.stem: read_laws(path) for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "none"}
DIFFERENTIAL = sorted(set(LIBRARY) - {"totals", "mixture_fractions"})


class Polynomial:
    """An exact polynomial: coefficients by exponents."""

    def __init__(self, terms):
        self.terms = {exponents: Fraction(value) for exponents, value in terms.items() if value}

    def __add__(self, other):
        other = other if isinstance(other, Polynomial) else Polynomial({(0, 0, 0, 0): other})
        keys = self.terms.keys() | other.terms.keys()
        return Polynomial({k: self.terms.get(k, 0) + other.terms.get(k, 0) for k in keys})

    def __mul__(self, other):
        other = other if isinstance(other, Polynomial) else Polynomial({(0, 0, 0, 0): other})
        total = Polynomial({})
        for (a, v), (b, w) in product(self.terms.items(), other.terms.items()):
            total = total + Polynomial({tuple(p + q for p, q in zip(a, b, strict=True)): v * w})
        return total

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-1) * other

    def __rsub__(self, other):
        return other + (-1) * self

    def __truediv__(self, number):
        return self * Fraction(1, number)

    def derivative(self, name):
        i = "txyz".index(name)
        lower = lambda e: (*e[:i], e[i] - 1, *e[i + 1 :])
        return Polynomial({lower(e): value * e[i] for e, value in self.terms.items() if e[i]})


t, x, y, z = (Polynomial({tuple(int(i == j) for j in range(4)): 1}) for i in range(4))
one = t * 0 + 1
EPS0 = Fraction(88541878128, 10**22)

# By hand: u = (x + y^2, -y + x^3) is solenoidal; each density is a polynomial, and each flux its
# integral in space, with a solenoidal part added.
SOLUTIONS = {
    "mass": {"rho": 2 + t * x, "mx": -x * x / 2 + x * y, "my": -y * y / 2},
    "incompressible": {"ux": x + y * y, "uy": -y + x * x * x},
    # rho = phi_xx, m = -phi_xt, s = phi_tt with phi = t^2 x^3
    "mass_momentum_1d": {"rho": 6 * t * t * x, "mx": -6 * t * x * x, "sxx": 2 * x * x * x},
    # The same along x; along y a field at rest under a stress in equilibrium, from Airy's x^2 y^2.
    "mass_momentum": {
        "rho": 6 * t * t * x,
        "mx": -6 * t * x * x,
        "my": 0 * t,
        "sxx": 2 * x * x * x + 2 * x * x,
        "sxy": -4 * x * y,
        "syy": 2 * y * y,
    },
    # A steady shear layer beside it, and the Airy stress in the plane of y and z.
    "mass_momentum_3d": {
        "rho": 6 * t * t * x,
        "mx": -6 * t * x * x + z * y,
        "my": x * z,
        "mz": x * y,
        "sxx": 2 * x * x * x,
        "sxy": z * z,
        "sxz": y * y,
        "syy": 2 * y * y + x,
        "syz": -4 * y * z,
        "szz": 2 * z * z,
    },
    "energy": {"E": 3 + t * t * y, "fx": y, "fy": -t * y * y},
    # Two streams that mix: what one gains at a place, the other loses.
    "species": {
        "rho1": 1 + t * x,
        "rho2": 2 - t * x,
        "rho": 3 * one,
        "j1x": y - x * x / 2,
        "j1y": x,
        "j2x": x * x / 2,
        "j2y": -x,
        "mx": y,
        "my": 0 * t,
    },
    "mixture_fractions": {"Y1": x / 2, "Y2": 1 - x / 2 - t * t, "Y3": t * t},
    # c = x^2 + 2 D t spreads with D = 1/3 in a fluid at rest: f = -D grad(c).
    "passive_scalar": {"c": x * x + 2 * t / 3, "fx": -2 * x / 3, "fy": 0 * t},
    # B = curl(A), E = -dA/dt, of A = t x y^2 across the plane
    "faraday_2d": {"Bx": 2 * t * x * y, "By": -t * y * y, "Ez": -x * y * y},
    # the same of A = (t y z, t^2 x, t x^2)
    "faraday_3d": {
        "Bx": 0 * t,
        "By": t * y - 2 * t * x,
        "Bz": t * t - t * z,
        "Ex": -y * z,
        "Ey": -2 * t * x,
        "Ez": -x * x,
    },
    # The plane wave that solves mass and momentum, with h for rho
    "shallow_water": {
        "h": 6 * t * t * x,
        "qx": -6 * t * x * x,
        "qy": 0 * t,
        "sxx": 2 * x * x * x,
        "sxy": 0 * t,
        "syy": 1 + x,
    },
    # Airy's stress function x^3 y + y^4
    "elasticity": {"sxx": 12 * y * y, "sxy": -3 * x * x, "syy": 6 * x * y},
    "charge": {"rho": t * z, "Jx": y, "Jy": z * x, "Jz": -z * z / 2},
    "gauss": {"Ex": x * y, "Ey": y * z, "Ez": 2 * z, "rho": EPS0 * (y + z + 2)},
}


def missed(law, fields):
    """The law's left side minus its source, as a polynomial."""
    total = Polynomial({(0, 0, 0, 0): -law.source})
    for (field, monomial), value in law.terms.items():
        term = fields[field]
        for name, exponent in zip(law.coordinates, monomial, strict=True):
            for _ in range(exponent):
                term = term.derivative(name)
        total = total + value * term
    return total.terms


def laws_of(name):
    texts = LIBRARY[name]
    return texts.parse(texts.coordinates or "txyz")


@pytest.mark.parametrize("name", LIBRARY)
def test_every_law_of_the_library_is_read_and_has_a_source(name):
    texts = LIBRARY[name]
    assert texts.name == name
    assert texts.source
    for law in laws_of(name):
        assert law.fields


def test_every_law_has_a_solution_here():
    assert SOLUTIONS.keys() | {"totals"} == LIBRARY.keys()


@pytest.mark.parametrize("name", SOLUTIONS)
def test_an_exact_solution_obeys_the_law_and_a_perturbed_one_does_not(name):
    perturbation = Polynomial(
        {exponents: Fraction(1, 3 + i) for d in range(4) for i, exponents in enumerate(monomials(4, d))}
    )
    laws, fields = laws_of(name), SOLUTIONS[name]
    assert {field for law in laws for field in law.fields} == fields.keys()
    for law in laws:
        assert not missed(law, fields), law.name
        for field in law.fields:
            assert missed(law, fields | {field: fields[field] + perturbation}), (law.name, field)


@pytest.mark.parametrize("name", sorted({"totals", "mixture_fractions", *DIFFERENTIAL}))
def test_every_law_leaves_something_to_learn(name):
    laws = laws_of(name)
    fields = tuple(dict.fromkeys(field for law in laws for field in law.fields))
    if name == "totals":
        operators = neighbour_operators(2)
    elif name == "mixture_fractions":
        operators = Operators.identity()
    else:
        operators = Operators.derivatives(LIBRARY[name].coordinates, 2)
    assert compile_laws(laws, fields, operators).weights.nullity > 0


def test_laws_in_operators_serve_in_other_dimensions():
    settings = LIBRARY["mass"].as_dict()
    (law,) = LawTexts.of(settings | {"coordinates": ["t", "x"]}).parse(["t", "x"])
    assert law.fields == ("rho", "mx")
    with pytest.raises(SettingsError, match="written in t, x, y, and the fields depend on t, x;"):
        LIBRARY["mass"].parse(["t", "x"])


def test_fields_may_depend_on_time_where_the_law_does_not_speak_of_it():
    (law,) = LIBRARY["incompressible"].parse("txy")
    assert law.coordinates == ("t", "x", "y")
    with pytest.raises(SettingsError, match="written in x, y"):
        LIBRARY["incompressible"].parse("txyz")


def test_each_law_is_spelled_by_its_text():
    assert LIBRARY["faraday_2d"].spelled("txy") == {
        "faraday_x": "dt(B) + curl(Ez) = 0",
        "faraday_y": "dt(B) + curl(Ez) = 0",
        "solenoidal": "div(B) = 0",
    }


@pytest.mark.parametrize("name", LIBRARY)
def test_what_a_checkpoint_stores_is_read_back(name):
    assert LawTexts.of(LIBRARY[name].as_dict()) == LIBRARY[name]


def test_numbers_of_yaml_are_exact():
    texts = LawTexts.of(yaml.safe_load("{laws: {a: u = c + d}, constants: {c: 0.1, d: 3}}"))
    assert texts.parse("x")[0].source == Fraction(31, 10)


REFUSED = {
    "no mapping": "[1]",
    "a number": "laws: 3",
    "a text that is none": "laws: {a: 1}",
    "an unknown key": "{laws: {a: u = 0}, vector: [u]}",
    "a key that is no text": "{laws: {a: u = 0}, 5: [u]}",
    "a vector": "{laws: {a: u = 0}, vectors: u}",
    "a vector of numbers": "{laws: {a: u = 0}, vectors: [1]}",
    "a name that is none": "{laws: {a: u = 0}, name: [u]}",
    "constants in a list": "{laws: {a: u = 0}, constants: [1]}",
    "a constant in a list": "{laws: {a: u = 0}, constants: {c: [1]}}",
    "a truth": "{laws: {a: u = 0}, constants: {c: true}}",
    "a constant that is none": "{laws: {a: u = 0}, constants: {c: os.system}}",
    "a large constant": "{laws: {a: u = 0}, constants: {c: 1.0e+200}}",
    "not a number": "{laws: {a: u = 0}, constants: {c: .nan}}",
    "a constant in hiding": "{laws: {a: u = 0}, constants: {x: 1}}",
    "an odd name": "{laws: {a: u = 0}, tensors: ['s t']}",
    "other coordinates": "{laws: {a: u = 0}, coordinates: [r]}",
}


@pytest.mark.parametrize("case", REFUSED)
def test_untrusted_laws_are_refused_in_words(case):
    with pytest.raises(SettingsError):
        LawTexts.of(yaml.safe_load(REFUSED[case])).parse("xy")


@pytest.mark.parametrize(
    "content", [b"", b"laws: {}", b"{", b"\xff\xfe\xfd", b"!!python/object/apply:os.system [ls]"]
)
def test_a_file_without_laws_is_refused(content, tmp_path):
    (tmp_path / "laws.yaml").write_bytes(content)
    with pytest.raises(SettingsError):
        read_laws(tmp_path / "laws.yaml")


def test_a_text_in_a_file_is_refused_at_its_column(tmp_path):
    (tmp_path / "laws.yaml").write_text("{laws: {a: 'dx(u) + v*x = 0'}, vectors: [w]}")
    with pytest.raises(LawSyntaxError, match="column 11"):
        read_laws(tmp_path / "laws.yaml").parse("xy")
