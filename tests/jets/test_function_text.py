"""Functions as text: each is the function it says, and what is not one is refused in words."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from physmix.errors import FunctionTextError, PhysmixError
from physmix.jets import angle, ball, blend, box, coordinates, parse_function, seed, towers, union

X, Y = coordinates("xy")
TEXTS = {
    "x": X,
    "-(x - 2)*+3.5/4": -(X - 2) * 3.5 / 4,
    "16*x^2*(1 - x)**2*(y - 1)*y^2": 16 * X**2 * (1 - X) ** 2 * (Y - 1) * Y**2,
    "2/(1 + x^2)": 2 / (1 + X**2),
    "2^3*x + 1e-3": 8 * X + 1e-3,
    "4*box(x=(0, 1), y=[-1, 2])": 4 * box({X: (0, 1), Y: (-1, 2)}),
    "box(y=(0, None))": box({Y: (0, None)}),
    "ball(x=1, y=0.45, radius=0.3/2)": ball((X, Y), (1.0, 0.45), 0.15),
    "ball(y=1, radius=2, inside=True)": ball((Y,), (1.0,), 2.0, inside=True),
    "union(x, y, 1 - x)": union(X, Y, 1 - X),
    "blend((x, 0), (ball(x=2, y=0, radius=1), y), order=2)": blend(
        [(X, 0.0), (ball((X, Y), (2, 0), 1.0), Y)], 2
    ),
    "sin(x)*tanh(y) + exp(-x)": X.apply(towers.sin) * Y.apply(towers.tanh) + (-X).apply(towers.exp),
    "angle(x - 3, y)": angle(X - 3, Y),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_its_function(text, generator):
    """With all derivatives to order 3, and the coordinates it depends on."""
    points = seed(torch.rand(7, 2, generator=generator, dtype=torch.float64), 3)
    found = parse_function(text, "xy")
    assert torch.equal(found.jet(points).coefficients, TEXTS[text].jet(points).coefficients)
    assert found.places == TEXTS[text].places


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not a formula"),
        ("x +", "it is not a formula"),
        ("x\0", "it is not a formula"),
        ("z", "'z' is no coordinate; they are x, y"),
        ("bax(x=(0, 1))", r"there is no 'bax' \(did you mean box\?\)"),
        ("3", "it is the same everywhere"),
        ("x^y", "a power is a whole number from 1 to 12"),
        ("x^0.5", "a power is a whole number from 1 to 12"),
        ("x^13", "a power is a whole number from 1 to 12"),
        ("x/0", "division by zero"),
        ("x*1e999", "a number is too large"),
        ("x // 2", "'x // 2' is not known"),
        ("x if y else x", "is not known"),
        ("x.__class__", "'x.__class__' is not known"),
        ("(lambda: x)()", "is not known"),
        ("__import__('os')", "there is no '__import__'"),
        ("sin('x')", "is not known"),
        ("sin(1)", "functions are wanted as arguments, 1 of them"),
        ("sin(x, y)", "functions are wanted as arguments, 1 of them"),
        ("union()", "configuration of walls: there is none"),
        ("box()", "configuration of walls: there is none"),
        ("box((0, 1))", "the sides of a box go by coordinates"),
        ("box(z=(0, 1))", "'z' is no coordinate"),
        ("box(x=(0, y))", "'y' is not a number"),
        ("box(x=(1, 0))", "its sides are 1.0 and 0.0"),
        ("box(x=1)", "is not a pair"),
        ("box(**x)", r"box takes no \*\*"),
        ("ball(x=1)", "a ball has a centre by coordinates, and a radius"),
        ("ball(x=1, radius=-1)", "its radius is -1.0"),
        ("ball(x=1, radius=1, inside=3)", "inside is True or False"),
        ("blend((x, 0), (y, 1))", "a blend has an order"),
        ("blend((x, 0), (y, 1), order=0.5)", "order of a blend is a whole number"),
        ("blend((x, 0), order=1)", "configuration of"),
        ("(" * 300 + "x" + ")" * 300, "it is not a formula"),
        ("-" * 300 + "x", "it is nested more than 60 deep"),
        ("x" + "+x" * 100, "it is nested more than 60 deep"),
        ("x" * 3000, "it has more than 2000 characters"),
    ],
)
def test_other_texts_are_refused_in_words(text, message):
    with pytest.raises(FunctionTextError, match=message):
        parse_function(text, "xy")


@given(st.text(alphabet="xy0123456789.+-*/^(),= []boxballuniosngetrNT_", max_size=60))
def test_any_text_is_a_function_or_an_error_in_words(text):
    try:
        found = parse_function(text, "xy")
    except PhysmixError:
        return
    assert math.prod(found(torch.zeros(3, 2, dtype=torch.float64)).shape) == 3 or not found.places
