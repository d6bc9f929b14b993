"""The grammar of laws: what it reads, what it refuses, and where it points."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physmix.errors import LawSyntaxError, SettingsError
from physmix.laws import Law, parse_law, parse_laws

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
    "u*2.5e-3 = v/1E2": {("u", (0, 0, 0)): Fraction(1, 400), ("v", (0, 0, 0)): Fraction(-1, 100)},
    "div(u) = 0": {("ux", (0, 1, 0)): 1, ("uy", (0, 0, 1)): 1},
    "laplacian(phi) = rho/3": {
        ("phi", (0, 2, 0)): 1,
        ("phi", (0, 0, 2)): 1,
        ("rho", (0, 0, 0)): Fraction(-1, 3),
    },
    "div(div(s)) = syx": {
        ("sxx", (0, 2, 0)): 1,
        ("sxy", (0, 1, 1)): 2,
        ("syy", (0, 0, 2)): 1,
        ("sxy", (0, 0, 0)): -1,
    },
    "curl(grad(phi)) + w = 0": {("w", (0, 0, 0)): 1},
    "div(curl(psi) + u) = 0": {("ux", (0, 1, 0)): 1, ("uy", (0, 0, 1)): 1},
}


@pytest.mark.parametrize("text", READ)
def test_text_becomes_exact_terms(text):
    (law,) = parse_law("law", text, "txy")
    assert law.terms == READ[text]


def test_source_and_integral():
    (closure,) = parse_law("closure", "Y1 + Y2 - 1 = 0", "")
    assert closure.source == 1
    (law,) = parse_law("total", "integral(rho - 2*m) = const", "txy")
    assert law.integral
    assert law.terms == {("rho", (0, 0, 0)): 1, ("m", (0, 0, 0)): -2}


REFUSED = {
    "dt(rho) + dx(mx)": (16, "expected '='"),
    "dt(rho) + = 0": (10, "expected a number"),
    "dz(u) = 0": (0, "unknown operator 'dz'; there are dt, dx, dy, div, grad"),
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
    "1e999999999*u = 0": (0, "between 1e-100 and 1e100"),
    "u/1e-101 = 0": (2, "between 1e-100 and 1e100"),
    "u = 1" + "*1e99" * 30: (36, "too many digits"),
    "dx(x*u) = 0": (3, "position.*commute.*name the product, such as the flux r.ur, as a field of its own"),
    "u + t = 0": (4, "position"),
    "laplace(u) = 0": (0, "did you mean laplacian"),
    "div(3) = 0": (0, "div needs a vector"),
    "dt(rho) + grad(rho) = 0": (10, "another number of indices"),
    "curl(E) + dt(B) = 0": (0, "nothing says which; declare the vectors"),
    "grad(grad(grad(grad(grad(p))))) = 0": (0, "grad gives one to 4 indices"),
    "grad(grad(grad(p))) = 0": (0, "two free indices"),
    "div(div(div(q))) = 0": (12, "no rank of 'q' fits"),
    "u + grad(p) + 1 = 0": (9, "no rank of 'p' fits"),
    "²u = 0": (0, "unexpected character"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda t: t[:24] or "empty")
def test_a_bad_text_is_refused_with_its_column(text):
    column, problem = REFUSED[text]
    with pytest.raises(LawSyntaxError, match=problem) as failure:
        parse_law("law", text, "txy")
    assert failure.value.column == column


DECLARED = {
    "vector of a scalar": ("u = 1", {"vectors": ["u"]}, 4, "a scalar stands beside a vector"),
    "divergence of a scalar": ("div(div(u)) = 0", {"vectors": ["u"]}, 0, "div needs a vector"),
    "gradient is not symmetric": ("s = grad(u)", {"vectors": ["u"]}, 0, "named tensors are symmetric"),
    "tensor and vector": ("s + u = 0", {"vectors": ["u"], "tensors": ["s"]}, 4, "a vector stands beside a t"),
    "curl of a tensor": ("curl(s) = 0", {"tensors": ["s"]}, 0, "curl"),
    "product with a coordinate": ("c*x*u = 0", {"constants": {"c": 2}}, 2, "position"),
}


@pytest.mark.parametrize("case", DECLARED)
def test_ranks_that_do_not_fit_are_refused_with_their_column(case):
    text, declared, column, problem = DECLARED[case]
    with pytest.raises(LawSyntaxError, match=problem) as failure:
        parse_law("law", text, "txy", **declared)
    assert failure.value.column == column


SPELLED_OUT = {
    "momentum": (
        "txy",
        "dt(m) + div(s) = 0",
        {"vectors": ["m"]},
        {"law_x": "dt(mx) + dx(sxx) + dy(sxy) = 0", "law_y": "dt(my) + dx(sxy) + dy(syy) = 0"},
    ),
    "a tensor says the same": (
        "tx",
        "dt(m) + div(s) = 0",
        {"tensors": ["s"]},
        {"law_x": "dt(mx) + dx(sxx) = 0"},
    ),
    "undeclared means scalar": ("tx", "dt(m) + div(s) = 0", {}, {"law": "dt(m) + dx(sx) = 0"}),
    "faraday in space": (
        "txyz",
        "dt(B) + curl(E) = 0",
        {},
        {
            "law_x": "dt(Bx) + dy(Ez) - dz(Ey) = 0",
            "law_y": "dt(By) + dz(Ex) - dx(Ez) = 0",
            "law_z": "dt(Bz) + dx(Ey) - dy(Ex) = 0",
        },
    ),
    "faraday in the plane, B in it": (
        "txy",
        "dt(B) + curl(E) = 0",
        {"vectors": ["B"]},
        {"law_x": "dt(Bx) + dy(E) = 0", "law_y": "dt(By) - dx(E) = 0"},
    ),
    "faraday in the plane, E in it": (
        "txy",
        "dt(B) + curl(E) = 0",
        {"vectors": ["E"]},
        {"law": "dt(B) + dx(Ey) - dy(Ex) = 0"},
    ),
    "stokes": (
        "xy",
        "laplacian(u) = grad(p)/mu",
        {"constants": {"mu": "2e-1"}},
        {"law_x": "dx(dx(ux)) + dy(dy(ux)) = 5*dx(p)", "law_y": "dx(dx(uy)) + dy(dy(uy)) = 5*dy(p)"},
    ),
    "divergence of a gradient": (
        "xyz",
        "div(grad(p)) = 0",
        {},
        {"law": "dx(dx(p)) + dy(dy(p)) + dz(dz(p)) = 0"},
    ),
    "curl of a curl": (
        "xy",
        "curl(curl(u)) = 0",
        {"vectors": ["u"]},
        {"law_x": "dy(dx(uy) - dy(ux)) = 0", "law_y": "-dx(dx(uy) - dy(ux)) = 0"},
    ),
    "airy": (
        "xy",
        "s = grad(grad(phi))",
        {},
        {"law_xx": "sxx = dx(dx(phi))", "law_xy": "sxy = dx(dy(phi))", "law_yy": "syy = dy(dy(phi))"},
    ),
    "totals": (
        "txy",
        "integral(m) = const",
        {"vectors": ["m"]},
        {"law_x": "integral(mx) = const", "law_y": "integral(my) = const"},
    ),
    "index of a declared tensor": ("xy", "syx = p", {"tensors": ["s"]}, {"law": "sxy = p"}),
    "zero of any rank": (
        "xy",
        "0 = u - 0 + 0*p",
        {"vectors": ["u", "p"]},
        {"law_x": "-ux=0", "law_y": "-uy=0"},
    ),
}


@pytest.mark.parametrize("case", SPELLED_OUT)
def test_operators_mean_their_components(case):
    coordinates, text, declared, components = SPELLED_OUT[case]
    laws = parse_law("law", text, coordinates, **declared)
    expected = parse_laws(components, coordinates)
    assert [(law.name, dict(law.terms), law.source, law.integral) for law in laws] == [
        (law.name, dict(law.terms), law.source, law.integral) for law in expected
    ]


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("8.8541878128e-12", Fraction(88541878128, 10**22)),
        ("-1/3", Fraction(-1, 3)),
        (7, 7),
        (0.1, Fraction(1, 10)),
        (Fraction(2, 7), Fraction(2, 7)),
        ("0", 0),
    ],
)
def test_constants_are_exact(value, exact):
    (law,) = parse_law("law", "u = c", "x", constants={"c": value})
    assert law.source == exact


WRONG = {
    "twice": ("xx", {}),
    "two meanings": ("xy", {"vectors": ["u"], "tensors": ["u"]}),
    "a coordinate": ("xy", {"constants": {"x": 1}}),
    "no name": ("xy", {"vectors": ["u v"]}),
    "an operator": (["x", "iv"], {}),
    "many coordinates": ("abcdefghijkl", {}),
    **{
        f"constant {value!r}"[:24]: ("xy", {"constants": {"c": value}})
        for value in [
            "",
            "pi",
            "1e999999999",
            "1/0",
            "1..2",
            ".",
            float("nan"),
            float("inf"),
            "9" * 500,
            10**101,
        ]
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_declarations_are_checked(case):
    coordinates, declared = WRONG[case]
    with pytest.raises(SettingsError):
        parse_law("law", "u = 0", coordinates, **declared)


def test_two_laws_of_one_name_are_refused():
    with pytest.raises(SettingsError, match="called 'm_x'"):
        parse_laws({"m": "u = 0", "m_x": "p = 0"}, "xy", vectors=["u"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("dt(u) - nu*laplacian(u) = 0", "if nu is a number, give it among the constants"),
        ("dx(u)*nu = 0", "if nu is a number"),
        ("u*v = 0", "if u or v is a number"),
        ("dx(u*u) = 0", "if u is a number"),
        ("dx(u)*dy(u) = 0", "cannot be multiplied. A law"),
    ],
)
def test_a_number_that_is_taken_for_a_field_is_named(text, hint):
    with pytest.raises(LawSyntaxError, match=hint):
        parse_law("law", text, "txy")


def test_operators_ask_for_coordinates():
    with pytest.raises(LawSyntaxError, match="none without coordinates: give some, such as t,x,y"):
        parse_law("law", "dx(u) = 0", ())


NAMELESS = """
from physmix import parse_laws
from physmix.errors import SettingsError
try:
    parse_laws("div(u) = 0", "xy")
except SettingsError as error:
    print(error)
"""


def test_laws_without_names_are_refused():
    """In a process of its own: the checks of types in tests come first here."""
    out = subprocess.run([sys.executable, "-c", NAMELESS], capture_output=True, text=True, check=True).stdout
    assert "'div(u) = 0' has no names; give them by name" in out


HOSTILE = {
    "deep": "(" * 900 + "u" + ")" * 900 + " = 0",
    "deep operators": "dx(" * 600,
    "many derivatives": "laplacian(" * 49 + "u" + ")" * 49 + " + w = 0",
    "many terms": "+".join("laplacian(" * 40 + f"u{i}" + ")" * 40 for i in range(3)) + " = 0",
    "wide and deep": "laplacian(" * 40 + "+".join(f"u{i}" for i in range(250)) + ")" * 40 + " = 0",
    "long products": "u = 1" + "*7e98/3e97" * 190,
    "long sums": "u = 1" + "".join(f"+1/{p}" for p in range(1001, 1320)),
    "curls": "+".join(f"curl(u{i})" for i in range(180)) + " = 0",
    "chained curls": "=".join(["curl(" * 45 + "u" + ")" * 45, "0"]),
    "chained names": "+".join(f"u{i}" for i in range(400)) + " = 0",
}


TIMED = """
import contextlib, json, sys, time
from physmix.errors import LawSyntaxError
from physmix.laws import parse_law
for text in json.load(sys.stdin):
    for coordinates in ("txy", "xyz"):
        start = time.process_time()
        with contextlib.suppress(LawSyntaxError):
            parse_law("law", text, coordinates)
        print(time.process_time() - start)
"""


def test_hostile_texts_are_dealt_with_quickly():
    """In a process of its own: the checks of types in tests would take most of the time."""
    command, texts = [sys.executable, "-c", TIMED], json.dumps(list(HOSTILE.values()))
    out = subprocess.run(command, input=texts, capture_output=True, text=True, check=True).stdout
    seconds = [float(line) for line in out.split()]
    assert len(seconds) == 2 * len(HOSTILE)
    assert max(seconds) < 1.0


@pytest.mark.parametrize("case", ["deep", "deep operators", "wide and deep"])
def test_what_would_grow_without_bound_is_refused(case):
    with pytest.raises(LawSyntaxError, match=r"nested|5000 terms"):
        parse_law("law", HOSTILE[case], "xyz")


WORDS = [
    *("dt", "dx", "dy", "dz", "div", "grad", "curl", "laplacian", "integral", "const"),
    *("u", "B", "s", "rho", "c", "ux", "sxy", "syx", "x", "t", "0", "1", "2.5e-3", "1e101", "1e99999"),
    *("(", "(", "(", ")", ")", ")", "+", "-", "*", "/", "=", "=", " = 0", " "),
]


@st.composite
def nested(draw):
    """Brackets and operators inside one another, more or less closed again."""
    opened = draw(st.lists(st.sampled_from(["(", "2*(", *(f"{word}(" for word in WORDS[:9])]), max_size=70))
    inner = draw(st.sampled_from(["u", "B + s", "0", "u - ux", ""]))
    closed = draw(st.integers(len(opened) - 1, len(opened) + 1))
    return "".join(opened) + inner + ")" * max(closed, 0) + draw(st.sampled_from([" = 0", " = grad(p)", ""]))


def grown(inner):
    """What the grammar makes of its own parts: nearly always well formed, with ranks that may not fit."""
    return (
        st.builds("{}({})".format, st.sampled_from(["", *WORDS[:8]]), inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from("+-"), inner)
        | st.builds("{}*({})".format, st.sampled_from(["2", "c", "1/3", "0", "u"]), inner)
    )


LEAVES = st.sampled_from(["u", "v", "B", "s", "ux", "syx", "0", "c", "7", "div(u)", "grad(u)", "curl(u)"])
SUMS = st.recursive(LEAVES, grown, max_leaves=8)

TEXTS = (
    st.builds("{} = {}".format, SUMS, SUMS)
    | st.builds("integral({}) = const".format, SUMS)
    | st.lists(st.sampled_from(WORDS), max_size=40).map("".join)
    | st.text(alphabet="dtxyuv0123456789.()+-*/=_e \tintegralcos", max_size=60)
    | st.text(max_size=30)
    | nested()
)
COORDINATES = st.sampled_from(["", "t", "x", "tx", "xy", "txy", "xyz", "txyz"])


def read_or_refuse(text, coordinates, declared):
    names = {"vectors": ["B"], "tensors": ["s"], "constants": {"c": "1/3"}} if declared else {}
    try:
        laws = parse_law("law", text, coordinates, **names)
    except LawSyntaxError:
        return
    assert laws
    assert all(isinstance(law, Law) and law.terms for law in laws)


@settings(max_examples=300)
@given(TEXTS, COORDINATES, st.booleans())
def test_any_text_is_a_law_or_a_law_error(text, coordinates, declared):
    read_or_refuse(text, coordinates, declared)


PLAIN = """
import sys
sys.path.insert(0, {folder!r})
from hypothesis import HealthCheck, given, seed, settings, strategies
from test_text import COORDINATES, TEXTS, read_or_refuse
seen = []

@seed(0)
@settings(max_examples=100_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, COORDINATES, strategies.booleans())
def every_text(text, coordinates, declared):
    seen.append(text)
    read_or_refuse(text, coordinates, declared)

every_text()
print(len(seen))
"""


@pytest.mark.slow
def test_any_of_more_texts_is_a_law_or_a_law_error():
    """In a process of its own, without the checks of types: five minutes, nearly all in making texts."""
    code = PLAIN.format(folder=str(Path(__file__).parent))
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr[-2000:]
    assert int(out.stdout) >= 100_000


MANY = """
from physmix.benchmarks import BENCHMARKS
(case,) = [name for name in BENCHMARKS["laws"] if name.startswith("parser, 100,000")]
rows = BENCHMARKS["laws"][case](case)
assert rows[0].value == 100_000
print(*(row for row in rows if row.holds is False), sep="\\n", end="")
"""


@pytest.mark.slow
def test_any_of_many_texts_is_a_law_or_a_law_error_and_none_is_evaluated():
    """In a process of its own: the checks of types in tests take many times longer than the parser."""
    out = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True).stdout
    assert not out


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
    (law,) = parse_law("law", text, "txy")
    assert law.terms == terms
