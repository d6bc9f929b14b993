"""Measurements: residuals in units of deviations, and what does not fit."""

import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.flows.sensors import Sensors
from physmix.problems import Measured, NavierStokes, Problem, Region, Residuals, feature_model

REGION = Region(x=(0, 1), y=(0, 1))
AT = REGION.sample(5, seed=1).points
ONES = torch.ones(5, dtype=torch.float64)


def residuals(deviation, exact="mass"):
    seen = Measured(AT, {"p": 3 * ONES}, deviation)
    problem = Problem(REGION, NavierStokes("xy", 0.1, exact=exact), [seen], points=20)
    return Residuals(problem, feature_model(problem, 10))


def test_rows_are_in_units_of_deviations():
    model = residuals(0.5)
    model.layout.set(torch.zeros(model.layout.count, dtype=torch.float64))
    assert model.loss() == pytest.approx(5 * (3 / 0.5) ** 2)  # the equations hold for no flow
    model.balanced()
    assert model.loss() == pytest.approx(5 * (3 / 0.5) ** 2)  # balance leaves measurements alone
    each = residuals({"p": torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)})
    each.layout.set(torch.zeros(each.layout.count, dtype=torch.float64))
    assert each.loss() == pytest.approx(sum((3 / d) ** 2 for d in range(1, 6)))


@pytest.mark.parametrize("exactness", [1.0, 100.0])
def test_equations_are_stronger_by_their_exactness(exactness):
    model = residuals(0.5)
    model.balanced(exactness)
    shares = [0.0, 0.0]
    for rows in model.rows():
        shares[rows.term] += float(rows.jacobian.square().sum())
    assert shares[0] == pytest.approx(2 * exactness**2 * shares[1])  # of two equations


def test_what_equations_derive_is_measured_as_well():
    model = residuals(0.5, exact="mass and momentum")
    assert model.names[-1] == ("p",)


@pytest.mark.parametrize(
    ("points", "values", "deviation", "error", "says"),
    [
        (AT[:, :1], {"p": ONES}, 0.1, ShapeError, "sensor"),
        (AT, {"p": ONES[:3]}, 0.1, ShapeError, "values of p"),
        (AT, {}, 0.1, SettingsError, "no field"),
        (AT, {"p": ONES / 0}, 0.1, SettingsError, "5 are NaN or infinite"),
        (AT, {"p": ONES}, 0.0, SettingsError, "not positive"),
        (AT, {"p": ONES}, {"ux": 0.1}, SettingsError, "same fields"),
        (1000 * AT, {"p": ONES}, 0.1, SettingsError, "5 of 5 lie outside of the region"),
        (AT / 0, {"p": ONES}, 0.1, SettingsError, "5 of 5 lie outside of the region"),
    ],
)
def test_what_does_not_fit_is_refused(points, values, deviation, error, says):
    with pytest.raises(error, match=says):
        Measured(points, values, deviation).terms(REGION, {})


def test_sensors_in_a_hole_are_refused_and_those_on_its_wall_or_a_period_on_are_not():
    region = Region(x=(0, 1), y=(0, 1)).without({"x": 0.5, "y": 0.5}, 0.2).periodic("x")
    wall = torch.tensor([[0.30001, 0.5], [1.2, 0.5], [0.2, 1.0000001]], dtype=torch.float64)
    assert len(Measured(wall, {"p": ONES[:3]}).terms(region, {})) == 1
    inside = torch.tensor([[0.4, 0.45]], dtype=torch.float64)
    with pytest.raises(SettingsError, match=r"such as 0\.4, 0\.45"):
        Measured(inside, {"p": ONES[:1]}).terms(region, {})


def test_what_is_no_condition_is_named():
    problem = Problem(REGION, NavierStokes("xy", 0.1))
    # As where no types are checked.
    object.__setattr__(problem, "conditions", [Sensors(AT, {"p": ONES})])
    with pytest.raises(SettingsError, match=r"Sensors is none.*Measured\(sensors.points"):
        problem.__post_init__()


def test_a_field_that_is_not_there_is_named():
    problem = Problem(REGION, NavierStokes("xy", 0.1), [Measured(AT, {"u": ONES}, 0.1)], points=20)
    with pytest.raises(SettingsError, match="did you mean uy"):
        Residuals(problem, feature_model(problem, 10))
