"""Laws with sources: a known polynomial carries them, exactly."""

from fractions import Fraction

import pytest
import torch

from physmix.checking import judge_model
from physmix.errors import ContradictionError
from physmix.laws import Scaling, parse_laws, particular_field
from physmix.laws.polynomial import derivative
from physmix.mixing import PotentialModel, pointwise_network

CASES = [
    ({"source": "dx(u) + dy(v) = 2"}, "xy"),
    ({"heat": "laplacian(u) = -3/7", "slope": "dx(u) - dy(v) = 1"}, "xy"),
    ({"decay": "dx(u) + 2*u = 5"}, "x"),
    ({"growth": "dx(u) = 1", "sum": "u + v = 4"}, "xy"),
    ({"nothing": "dx(u) + dy(v) = 0"}, "xy"),
]


def missed(law, field):
    """L y - s as a polynomial, without zeros."""
    total = {}
    for (name, operator), value in law.terms.items():
        for (other, monomial), size in field.coefficients.items():
            operator = operator if any(operator) else (0,) * len(monomial)  # noqa: PLW2901
            lowered = derivative(operator, monomial) if name == other else None
            if lowered is not None:
                total[lowered[1]] = total.get(lowered[1], Fraction(0)) + value * lowered[0] * size
    zero = (0,) * len(law.coordinates)
    total[zero] = total.get(zero, Fraction(0)) - (law.source if law.order else 0)
    return {monomial: value for monomial, value in total.items() if value}


@pytest.mark.parametrize(("texts", "coordinates"), CASES)
def test_the_particular_field_obeys_laws_and_sources_exactly(texts, coordinates):
    laws = parse_laws(texts, coordinates)
    field = particular_field(laws, ["u", "v"])
    assert not any(missed(law, field) for law in laws)
    assert bool(field.coefficients) == any(law.source for law in laws)


def test_sources_that_contradict_each_other_are_named():
    laws = parse_laws({"one": "dx(u) + dy(v) = 1", "two": "2*dx(u) + 2*dy(v) = 3"}, "xy")
    with pytest.raises(ContradictionError, match="one, two"):
        particular_field(laws, ["u", "v"])


@pytest.mark.parametrize("texts", [{"source": "div(u) = 2"}, {"source": "div(u) = 2", "zero": "u_ + w = 1"}])
def test_a_model_holds_a_source_whatever_its_weights(texts, generator):
    laws = parse_laws(texts, "xy", vectors=["u"])
    fields = ["ux", "uy"] + (["u_", "w"] if "zero" in texts else [])
    net = pointwise_network(2, [16, 16], 4, generator=generator)
    scaling = Scaling(centre={"x": 1.0}, length={"x": 4.0, "y": 0.5}, size={"ux": 8.0})
    model = PotentialModel(
        net, laws, fields, coordinates="xy", potentials=4, scaling=scaling, generator=generator
    )
    with torch.no_grad():
        model.mixing.weight.mul_(3.0)
    box = {"x": (-3.0, 5.0), "y": (-0.5, 0.5)}
    found = judge_model(model, laws, box)
    assert {f.method for f in found if f.law == "source"} == {"nested autograd", "flux through boxes"}
    assert all(finding.holds for finding in found)
    twin = PotentialModel(
        net, (), fields, coordinates="xy", potentials=4, order=1, scaling=scaling, generator=generator
    )
    assert not judge_model(twin, laws[:1], box)[0].holds
