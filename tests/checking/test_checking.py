"""Judges must find what is broken, at its true size, and agree with each other."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from physmix.checking import (
    Finding,
    flow_fields,
    judge_flow,
    judge_model,
    judge_states,
    random_states,
    worst,
)
from physmix.checking.continuum import fields_by_autograd
from physmix.errors import UnknownFieldError, UnsupportedLawError
from physmix.flows import read_flow
from physmix.flows.gas import SPACE_TIME
from physmix.laws import Scaling, parse_laws
from physmix.mixing import PotentialModel, pointwise_network

BOX = {"t": (0.0, 2.0), "x": (-5.0, 5.0), "y": (-5.0, 5.0)}


@pytest.fixture
def model(mass_momentum, generator):
    net = pointwise_network(3, [8], 4, slope=1.0, generator=generator)
    scaling = Scaling.fitting(BOX, {"rho": 0.1, "sxx": 3.0})
    return PotentialModel(
        net,
        mass_momentum,
        SPACE_TIME,
        coordinates="txy",
        potentials=4,
        order=2,
        scaling=scaling,
        generator=generator,
    )


def test_the_oracle_gives_the_same_fields(model, generator):
    points = torch.randn(7, 3, generator=generator, dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(
        fields_by_autograd(model, points), model(points.detach()), rtol=1e-11, atol=1e-13
    )


def test_a_lawful_model_holds_by_both_methods(model, mass_momentum):
    findings = judge_model(model, mass_momentum, BOX, points=64, boxes=4)
    assert [f.method for f in findings] == ["nested autograd"] * 3 + ["flux through boxes"] * 3
    assert all(f.violation < 1e-13 for f in findings)
    assert all(f.violation <= 100 * f.round_off for f in findings)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9])
def test_a_broken_weight_is_found_in_proportion(model, mass_momentum, size):
    with torch.no_grad():
        model.mixing.weight.add_(size)
    by_method = {}
    for finding in judge_model(model, mass_momentum, BOX, points=64, boxes=4):
        by_method.setdefault(finding.method, []).append(finding)
    for findings in by_method.values():
        assert not any(f.holds for f in findings)
        assert all(size < f.violation < size * 1e3 for f in findings)
        assert all(f.violation > 100 * f.round_off for f in findings)


def test_a_law_that_the_model_was_not_made_for_is_violated(model):
    laws = parse_laws({"other": "dx(mx) - dy(my) = 0"}, "txy")
    assert not any(f.holds for f in judge_model(model, laws, BOX, points=16, boxes=2))


def test_an_unknown_field_is_named(model):
    with pytest.raises(UnknownFieldError, match=r"'foo'.*rho, mx"):
        judge_model(model, parse_laws({"law": "dt(foo) = 0"}, "txy"), BOX)


def test_not_a_number_does_not_hold():
    assert not Finding("law", "method", math.nan, 1e-12).holds


@pytest.mark.parametrize(
    ("missed", "round_off", "holds"), [(5e-12, 1e-11, True), (5e-11, 1e-11, False), (1e-6, 1e-5, False)]
)
def test_rounding_excuses_a_violation_within_limits(missed, round_off, holds):
    assert Finding.of("law", "method", missed, 1.0, torch.float64, round_off).holds is holds


def test_worst_takes_the_larger():
    findings = [Finding("a", "one", 1e-3, 1), Finding("a", "two", 1e-2, 1), Finding("b", "one", 0.0, 1)]
    assert worst(findings) == {"a": 1e-2, "b": 0.0}


def test_worst_keeps_what_is_not_a_number():
    findings = [Finding("a", "one", v, 1) for v in (1e-3, math.nan, 1e-2)]
    assert math.isnan(worst(findings)["a"])
    assert findings[1].as_dict()["violation"] is None  # JSON has no NaN


LAWS = {
    "mass": "integral(rho) = const",
    "momentum_x": "integral(mx) = const",
    "energy": "integral(E) = const",
}


def test_the_simulated_flow_keeps_its_totals(vortex_file):
    flow = read_flow(vortex_file)
    findings = judge_flow(flow, parse_laws(LAWS, "txy"))
    assert [f.law for f in findings] == list(LAWS)
    assert all(f.violation < 1e-13 for f in findings)


@pytest.mark.parametrize("leak", [1e-3, 1e-8])
def test_a_leak_is_found_at_its_size(vortex_file, leak):
    flow = read_flow(vortex_file)
    density = flow.scalars["density"] * np.linspace(1, 1 - leak, 21)[:, None, None]
    leaking = dataclasses.replace(flow, scalars={**flow.scalars, "density": density})
    (finding,) = judge_flow(leaking, parse_laws({"mass": LAWS["mass"]}, "txy"))
    assert finding.violation == pytest.approx(leak, rel=1e-2)
    assert not finding.holds


def test_single_precision_is_judged_by_its_own_tolerance(vortex_file):
    flow = read_flow(vortex_file)
    single = dataclasses.replace(
        flow,
        scalars={k: v.astype(np.float32) for k, v in flow.scalars.items()},
        vectors={k: v.astype(np.float32) for k, v in flow.vectors.items()},
    )
    (finding,) = judge_flow(single, parse_laws({"mass": LAWS["mass"]}, "txy"))
    assert 1e-12 < finding.violation < 1e-7
    assert finding.holds


def test_a_law_at_each_point_is_judged_there(vortex_file):
    good, bad = judge_flow(
        read_flow(vortex_file), parse_laws({"good": "rho - density = 0", "bad": "rho = 2"}, "txy")
    )
    assert good.holds
    assert not bad.holds
    assert "points of 21 stored times" in bad.method


@pytest.mark.parametrize("text", ["dx(velocity_x) + dy(velocity_y) = 0", "dt(rho) + dx(my) + dy(E) = 0"])
def test_states_do_not_tell_derivatives(vortex_file, text):
    """A true total must not let a false flux pass."""
    with pytest.raises(UnsupportedLawError, match="do not tell its derivatives"):
        judge_flow(read_flow(vortex_file), parse_laws({"law": text}, "txy"))


def test_totals_need_a_periodic_even_grid(vortex_file):
    flow, laws = read_flow(vortex_file), parse_laws({"mass": LAWS["mass"]}, "txy")
    stretched = flow.axes["x"].copy()
    stretched[-1] += 0.1
    for change in (
        {"boundary": {"x": "OPEN", "y": "PERIODIC"}},
        {"axes": {"x": stretched, "y": flow.axes["y"]}},
    ):
        with pytest.raises(UnsupportedLawError, match="periodic on an evenly spaced grid"):
            judge_flow(dataclasses.replace(flow, **change), laws)


def test_a_model_is_not_judged_by_other_coordinates_or_totals(model):
    for text, coordinates in (("integral(rho) = const", "txy"), ("dt(rho) + dx(mx) + dy(my) = 0", "xyt")):
        with pytest.raises(UnsupportedLawError):
            judge_model(model, parse_laws({"law": text}, coordinates), BOX)


def test_zero_fields_are_said_to_test_nothing(model, mass_momentum):
    with torch.no_grad():
        model.mixing.weight.zero_()
    findings = judge_model(model, mass_momentum, BOX, points=8, boxes=2)
    assert all(f.trivial for f in findings)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_models_of_fewer_coordinates_are_judged(dimensions, generator):
    coordinates = "tx"[:dimensions]
    text = {1: "dt(a) = 0", 2: "dt(a) + dx(b) = 0"}[dimensions]
    laws = parse_laws({"law": text}, coordinates)
    net = pointwise_network(dimensions, [6], 3, slope=1.0, generator=generator)
    model = PotentialModel(net, laws, ["a", "b"], coordinates=coordinates, potentials=3, order=1)
    findings = judge_model(model, laws, dict.fromkeys(coordinates, (-1.0, 1.0)), points=16, boxes=3)
    assert [f.method for f in findings] == ["nested autograd", "flux through boxes"]
    assert all(f.holds for f in findings)


def test_conserved_fields_come_from_primitive_ones(vortex_file):
    fields = flow_fields(read_flow(vortex_file))
    np.testing.assert_allclose(fields["mx"], fields["density"] * fields["velocity_x"])
    assert {"rho", "mx", "my", "E", "pressure"} <= set(fields)


def test_a_total_of_zero_is_normalised_by_its_terms():
    wave = np.sin(2 * np.pi * np.arange(8) / 8)[None, None].repeat(2, 1)
    wave[0, 1] += 1e-3
    laws = parse_laws({"total": "integral(m) = const"}, "tx")
    (finding,) = judge_states({"m": wave}, laws, "a wave", {"m": torch.float64})
    assert finding.violation == pytest.approx(8e-3 / np.abs(wave).sum(-1).max())


def test_random_states_are_periodic_smooth_and_of_the_given_size():
    mean, size = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.1, 2.0]).double()
    states = random_states(mean, size, (32, 32))
    assert states.shape == (4, 32, 32, 2)
    torch.testing.assert_close(states.std((0, 1, 2)), size, rtol=0.3, atol=0)
    assert (states - states.roll(1, 1)).std() < 0.5 * states.std()


def test_no_difference_is_taken_across_a_body():
    from physmix.flows import TaylorGreen

    axis = np.linspace(0.5, 5.5, 8)
    flow = TaylorGreen().on_grid("t", {"x": axis, "y": axis}, time=np.zeros(1))
    (law,) = parse_laws({"volume": "dx(velocity_x) + dy(velocity_y) = 0"}, "xy")
    assert judge_flow(flow, [law], "central2")
    solid = np.zeros((8, 8), dtype=bool)
    solid[3, 3] = True
    with pytest.raises(UnsupportedLawError, match="body in the flow"):
        judge_flow(dataclasses.replace(flow, solid=solid), [law], "central2")
