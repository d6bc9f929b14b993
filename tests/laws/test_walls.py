"""The powers of the distance that laws and walls ask for, against those derived by hand."""

from fractions import Fraction

import pytest
import torch

from physmix.errors import ContradictionError, NoFreedomError, SettingsError
from physmix.flows.gas import SPACE_TIME
from physmix.laws import Scaling, WallRule, compile_laws, parse_laws, wall_bias, wall_classes
from physmix.operators import Operators

SOLENOIDAL = parse_laws({"mass": "dx(ux) + dy(uy) = 0"}, "xy")
PLANE = Operators.derivatives("xy", 1)
NO_SLIP = WallRule(("ux", "uy"), varying=("x", "y"))
NO_FLUX = WallRule(normal={"x": "ux", "y": "uy"}, varying=("x", "y"))


def powers(*arguments):
    return [one.powers for one in wall_classes(*arguments)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([NO_SLIP], [(2,)]),
        ([NO_FLUX], [(1,)]),
        ([NO_SLIP, NO_FLUX], [(2, 1)]),
        ([WallRule(("ux",), varying=("x", "y"))], [(2,)]),
        ([WallRule(("ux",), varying=("x",))], [(1,)]),  # ux = d psi / dy does not differentiate across it
        ([WallRule(("uy",), varying=("x",))], [(2,)]),
        ([], [()]),
    ],
)
def test_a_stream_function(rules, expected):
    assert powers(SOLENOIDAL, ["ux", "uy"], PLANE, rules) == expected


def test_pressure_is_free_on_the_wall():
    free, held = wall_classes(SOLENOIDAL, ["ux", "uy", "p"], PLANE, [NO_SLIP])
    assert (free.powers, held.powers) == ((0,), (2,))
    weight = free.weights.sample(3, 6).view(3, 3, 2)
    assert weight[:, :2].abs().max() == 0
    assert weight[:, 2].abs().min() > 0


def degrees(weights, name):
    """The exponents (of time, of space) with which a field takes its potentials."""
    operators = Operators.derivatives("txy", 2)
    basis = weights.basis().T.reshape(-1, len(SPACE_TIME), len(operators))
    used = basis[:, SPACE_TIME.index(name)].abs().amax(0) > 1e-12
    return {(a[0], a[1] + a[2]) for a, one in zip(operators.monomials, used, strict=True) if one}


def test_the_space_time_tensor(mass_momentum):
    """m has no part in Phi_tt's class, mixed derivatives in the next, two in space in the last."""
    rule = WallRule(("mx", "my"), varying=("x", "y"))
    found = wall_classes(mass_momentum, SPACE_TIME, Operators.derivatives("txy", 2), [rule])
    assert [one.powers for one in found] == [(0,), (2,), (3,)]
    assert [degrees(one.weights, "mx") for one in found] == [set(), {(1, 1)}, {(1, 1), (0, 2)}]
    assert [one.weights.nullity for one in found] == [1, 4, 6]
    stress = degrees(found[0].weights, "sxx")
    assert stress == {(0, 2)}


def test_the_normal_of_scaled_units():
    """n . u = 0 holds in physical units, where the scaled gradient is not along the normal."""
    scaling = Scaling(length={"x": 4.0}, size={"uy": 8.0})
    laws = [scaling.apply(law) for law in SOLENOIDAL]
    assert powers(laws, ["ux", "uy"], PLANE, [NO_FLUX], scaling) == [(1,)]
    assert powers(laws, ["ux", "uy"], PLANE, [NO_FLUX]) == [(2,)]  # the wrong normal


def test_the_bias_has_no_part_on_a_wall():
    constraint = compile_laws(SOLENOIDAL, ["ux", "uy", "p"], PLANE)
    bias = wall_bias(constraint, [NO_SLIP]).project(torch.ones(3).double())
    torch.testing.assert_close(bias, torch.tensor([0.0, 0.0, 1.0]).double())
    laws = parse_laws({"sum": "a + b = 1"}, "x")
    constraint = compile_laws(laws, ["a", "b"], Operators.derivatives("x", 1))
    with pytest.raises(ContradictionError, match=r"sum.*a on a wall.*b on a wall"):
        wall_bias(constraint, [WallRule(("a", "b"), varying=("x",))])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (WallRule(("w",), varying=("x",)), "names w"),
        (WallRule(("ux",), varying=("z",)), "names z"),
        (WallRule((), varying=("x",)), "nothing vanishes"),
        (WallRule(normal={"y": "uy"}, varying=("x",)), "nothing vanishes"),
    ],
)
def test_a_wall_that_does_not_fit_is_refused(rule, message):
    with pytest.raises(SettingsError, match=message):
        wall_classes(SOLENOIDAL, ["ux", "uy"], PLANE, [rule])


def test_laws_that_leave_nothing_are_refused():
    laws = parse_laws({"one": "dx(ux) + dy(ux) = 0", "two": "uy = 0"}, "xy")
    with pytest.raises(NoFreedomError, match="one, two and these walls"):
        wall_classes(laws, ["ux", "uy"], PLANE, [NO_SLIP])


def test_conditions_are_exact():
    (equation,) = WallRule(normal={"x": "ux"}, varying=("x",)).conditions(
        1, PLANE, Scaling(size={"ux": 0.5}, length={"x": 2.0})
    )
    assert equation == {("ux", (1, 0)): Fraction(1, 4)}
