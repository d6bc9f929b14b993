"""The grammar of laws: what it reads, what it refuses, and where it points."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physmix.errors import LawSyntaxError
from physmix.laws import Law, parse_law

READ = {
    "dt(rho) + dx(mx) + dy(my) = 0": {("rho", (1, 0, 0)): 1, ("mx", (0, 1, 0)): 1, ("my", (0, 0, 1)): 1},
    "dt(rho) = -dx(mx)": {("rho", (1, 0, 0)): 1, ("mx", (0, 1, 0)): 1},
    "2*dx(u) - 0.5*v/2 = 0": {("u", (0, 1, 0)): 2, ("v", (0, 0, 0)): Fraction(-1, 4)},
    "dx(dx(u) + dy(v)) = 0": {("u", (0, 2, 0)): 1, ("v", (0, 1, 1)): 1},
    "Y1 + Y2 = rho": {("Y1", (0, 0, 0)): 1, ("Y2", (0, 0, 0)): 1, ("rho", (0, 0, 0)): -1},
    "dx(3*u + 7) = 0": {("u", (0, 1, 0)): 3},
    "-(u - v) = 0": {("u", (0, 0, 0)): -1, ("v", (0, 0, 0)): 1},
    "u*2*3 = 0": {("u", (0, 0, 0)): 6},
    "dt = 0": {("dt", (0, 0, 0)): 1},
}


@pytest.mark.parametrize("text", READ)
def test_text_becomes_exact_terms(text):
    assert parse_law("law", text, "txy").terms == READ[text]


def test_source_and_integral():
    assert parse_law("closure", "Y1 + Y2 - 1 = 0", "").source == 1
    law = parse_law("total", "integral(rho - 2*m) = const", "txy")
    assert law.integral
    assert law.terms == {("rho", (0, 0, 0)): 1, ("m", (0, 0, 0)): -2}


REFUSED = {
    "dt(rho) + dx(mx)": (16, "expected '='"),
    "dt(rho) + = 0": (10, "expected a number"),
    "dz(u) = 0": (0, "unknown operator 'dz'; there are dt, dx, dy"),
    "u*v = 0": (2, "linear"),
    "u/v = 0": (2, "divides only by numbers"),
    "u/0 = 0": (2, "other than zero"),
    "1 = 1": (0, "no field"),
    "u - u = 0": (0, "no field"),
    "u = 0 = 0": (6, "after the law"),
    "u; import os = 0": (1, "unexpected character"),
    "__import__('os') = 0": (11, "unexpected character"),
    "u(x) = 0": (0, "unknown operator 'u'"),
    "integral(u) = 3": (14, "expected 'const'"),
    "integral(dx(u)) = const": (0, "without constants or derivatives"),
    "(" * 60 + "u" + ")" * 60 + " = 0": (50, "nested"),
    "u = " + "1+" * 2000 + "1": (2000, "longer"),
    "": (0, "expected a number"),
    "1" + "0" * 400 + "*u = 0": (0, "between 1e-100 and 1e100"),
    "²u = 0": (0, "unexpected character"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda t: t[:24] or "empty")
def test_a_bad_text_is_refused_with_its_column(text):
    column, problem = REFUSED[text]
    with pytest.raises(LawSyntaxError, match=problem) as failure:
        parse_law("law", text, "txy")
    assert failure.value.column == column


@settings(max_examples=500)
@given(st.text(alphabet="dtxyuv0123456789.()+-*/=_ \tintegralcos", max_size=60) | st.text(max_size=30))
def test_any_text_is_a_law_or_a_law_error(text):
    try:
        law = parse_law("law", text, "txy")
    except LawSyntaxError:
        return
    assert isinstance(law, Law)
    assert law.terms


names = st.sampled_from(["u", "v", "rho"])
numbers = st.fractions(min_value=-9, max_value=9, max_denominator=9).filter(bool)
exponents = st.tuples(*[st.integers(0, 2)] * 3)


@given(st.dictionaries(st.tuples(names, exponents), numbers, min_size=1, max_size=5))
def test_terms_written_out_are_read_back(terms):
    def term(field, monomial, value):
        for coordinate, exponent in zip("txy", monomial, strict=True):
            for _ in range(exponent):
                field = f"d{coordinate}({field})"
        return (
            f"({value.numerator}*{field}/{value.denominator})"
            if value > 0
            else (f"(-{-value.numerator}*{field}/{value.denominator})")
        )

    text = " + ".join(term(f, m, v) for (f, m), v in terms.items()) + " = 0"
    assert parse_law("law", text, "txy").terms == terms
