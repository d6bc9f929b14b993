"""Models of problems: which potentials they have, and what these reach."""

from dataclasses import replace

import pytest
import torch

from physmix.checking import judge_model
from physmix.errors import SettingsError
from physmix.mixing import PotentialModel
from physmix.mixing.derivatives import DerivativeMap
from physmix.mixing.support import WeightLayout
from physmix.mixing.symmetry import Symmetry
from physmix.problems import Burgers, NavierStokes, Problem, Region, feature_model

BOX = Region(t=(0, 1), x=(-1, 1), y=(-1, 1), z=(-1, 1))


def spans(model, points):
    """All values of all fields at points, by free coordinate."""
    derivatives = DerivativeMap(model, [(field, (0,) * points.shape[1]) for field in model.fields])
    ((_, support),) = WeightLayout(model).supports(points)
    slopes = torch.eye(len(model.fields), dtype=torch.float64)[:, :, None].expand(-1, -1, len(points))
    return derivatives.jacobian(slopes, support, derivatives.channels(points, support)).flatten(0, 1)


@pytest.mark.parametrize(("exact", "before", "after"), [("mass", 4, 3), ("mass and momentum", 14, 5)])
def test_the_gauge_of_a_box_loses_no_field(exact, before, after):
    problem = Problem(BOX, NavierStokes("txyz", 0.1, exact=exact))
    model = feature_model(problem, 6, slope=1.0)
    whole = PotentialModel(
        model.network,
        problem.laws,
        model.fields,
        coordinates="txyz",
        potentials=6,
        scaling=model.scaling,
    )
    points = BOX.sample(40).points
    fewer, all_of_them = spans(model, points), spans(whole, points)
    assert (fewer.shape[1], all_of_them.shape[1]) == tuple(
        6 * each + len(model.fields) for each in (after, before)
    )
    solution = torch.linalg.lstsq(fewer, all_of_them, driver="gelsd").solution
    torch.testing.assert_close(fewer @ solution, all_of_them, rtol=0, atol=1e-9)
    some = fewer[:, model.mixing.constraint.weights.nullity :]  # without a feature it would fail
    solution = torch.linalg.lstsq(some, all_of_them, driver="gelsd").solution
    assert float((some @ solution - all_of_them).abs().max()) > 1e-4


def test_a_gauge_is_for_a_whole_box():
    pierced = BOX.without({"x": 0.0, "y": 0.0, "z": 0.0}, 0.2)
    assert (
        feature_model(Problem(pierced, NavierStokes("txyz", 0.1)), 3).mixing.constraint.weights.nullity == 4
    )
    problem = Problem(BOX, NavierStokes("txyz", 0.1))
    with pytest.raises(SettingsError, match="leave gauge out"):
        PotentialModel(
            torch.nn.Linear(4, 3, dtype=torch.float64),
            problem.laws,
            problem.equations.fields,
            coordinates="txyz",
            potentials=3,
            order=1,
            gauge=True,
        )


def test_a_periodic_region_has_waves_and_all_potentials():
    region = BOX.periodic("x", "z")
    model = feature_model(Problem(region, NavierStokes("txyz", 0.1)), 240)
    assert model.mixing.constraint.weights.nullity == 4
    at = region.sample(20).points
    shift = torch.tensor([0.0, 2.0, 0.0, -4.0], dtype=torch.float64)
    along_y = torch.tensor([0.0, 0.0, 2.0, 0.0], dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model(at + shift), model(at), rtol=0, atol=1e-12)
        assert float((model(at + along_y) - model(at)).abs().max()) > 1e-4
    with pytest.raises(SettingsError, match="does not repeat"):
        feature_model(Problem(region, NavierStokes("txyz", 0.1)), 240, activation=torch.nn.GELU)


def test_fields_have_the_symmetries_that_are_asked_for_and_obey_the_law():
    region = Region(t=(0.0, 1.0), x=(0.0, 1.0), y=(0.0, 1.0)).periodic("x", "y")
    problem = Problem(region, NavierStokes("txy", 0.1, pressure=False))
    half_turn = Symmetry({"x": 0.0, "y": 0.25}, odd=("ux", "uy"))
    glide = Symmetry({"y": 0.0}, {"x": 0.5}, odd=("uy",))
    model = feature_model(problem, 60, slope=[1.0, 4.0, 4.0], symmetries=[half_turn, glide])
    torch.nn.init.zeros_(model.mixing.bias)
    at = region.sample(40).points
    t, x, y = at.unbind(1)
    with torch.no_grad():
        here = model(at)
        turned, glided = model(torch.stack([t, -x, 0.5 - y], 1)), model(torch.stack([t, x + 0.5, -y], 1))
    torch.testing.assert_close(turned, -here, rtol=0, atol=1e-12)
    torch.testing.assert_close(glided, here * torch.tensor([1.0, -1.0]), rtol=0, atol=1e-12)
    assert float(here.abs().mean(0).min()) > 1e-2
    assert all(one.holds for one in judge_model(model, problem.laws, region.box, points=20, boxes=1))
    with pytest.raises(SettingsError, match="which fields are odd"):
        feature_model(problem, 60, symmetries=[Symmetry({"x": 0.0}, odd=("ux", "uy"))])
    with pytest.raises(SettingsError, match="not periodic"):
        feature_model(replace(problem, region=Region(**region.box)), 60, symmetries=[glide])
    with pytest.raises(SettingsError, match="subdomains"):
        feature_model(problem, 60, subdomains=(2, 1, 1), symmetries=[glide])


@pytest.mark.parametrize("subdomains", [None, (1, 2)])
def test_features_are_carried_with_a_stream(subdomains):
    region = Region(t=(0.0, 2.0), x=(-3.0, 1.0))
    problem = Problem(region, Burgers(0.1), points=10)
    still, moving = (
        feature_model(problem, features=5, subdomains=subdomains, carried=carried, seed=3).network
        for carried in (None, {"x": 0.7})
    )
    scaled = torch.tensor([[0.5, 0.2], [-0.3, -0.6]]).double()  # of t in [0, 2] and x in [-3, 1]
    back = scaled - torch.stack([torch.zeros(2), 0.7 * scaled[:, 0] * 1.0 / 2.0], 1)
    inner = [getattr(one, "features", one) for one in (still, moving)]
    torch.testing.assert_close(inner[1](scaled), inner[0](back))
    with pytest.raises(SettingsError, match="there is no y"):
        feature_model(problem, features=5, carried={"y": 1.0})
    with pytest.raises(SettingsError, match="the region is periodic"):
        feature_model(replace(problem, region=region.periodic("x")), features=5, carried={"x": 1.0})
