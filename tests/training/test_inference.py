"""Unknown numbers and fields from noisy measurements, and whether their errors are true."""

import math
from dataclasses import replace

import pytest
import torch

from physmix.errors import SettingsError
from physmix.problems import (
    Condition,
    Equations,
    Measured,
    Pin,
    Problem,
    Region,
    Residuals,
    feature_model,
)
from physmix.training import Estimate, Posterior, infer

REGION = Region(t=(0, 1), x=(0, math.pi))
HEAT = Equations(
    "heat",
    coordinates=("t", "x"),
    fields=("T", "q"),
    laws={"energy": "dt(T) + dx(q) = 0"},
    residual=lambda y: {"Fourier": y["q"] + y["conductivity"] * y.d("T", "x")},
)
TRUE = 0.5


def temperature(points):
    return torch.exp(-TRUE * points[:, 0]) * torch.sin(points[:, 1])


def problem(seed, *, deviation=0.05, count=60, noise=0.05, region=REGION):
    generator = torch.Generator().manual_seed(seed)
    at = REGION.sample(count, seed=seed).points
    value = temperature(at) + noise * torch.randn(count, generator=generator, dtype=torch.float64)
    ends = Condition(region.boundary, {"T": 0.0})
    seen = Measured(at, {"T": value}, deviation)
    return Problem(region, HEAT, [ends, seen], {"conductivity": 0.1}, points=150, boundary_points=60)


def test_a_number_is_found_with_an_interval_that_holds_it():
    held, scores = 0, []
    for seed in range(12):
        found = infer(problem(seed), features=30).posterior.unknowns["conductivity"]
        low, high = found.interval()
        held += low < TRUE < high
        scores.append((found.value - TRUE) / found.error)
    assert held >= 10  # of 12 at 95 %: fewer in one of fifty such tests
    assert 0.6 < torch.tensor(scores).std() < 1.4
    assert found.error < 0.15 * TRUE


def test_errors_fall_with_the_noise_and_with_more_sensors():
    one, four = (infer(problem(1, count=n), features=30) for n in (60, 240))
    half = infer(problem(1, deviation=0.025, noise=0.025), features=30)
    error = lambda found: found.posterior.unknowns["conductivity"].error
    assert error(four) == pytest.approx(error(one) / 2, rel=0.2)
    assert error(half) == pytest.approx(error(one) / 2, rel=0.1)


def test_noise_that_is_not_given_is_estimated():
    found = [infer(problem(seed, deviation=None, count=150), features=30) for seed in range(3)]
    deviations = [one.deviations["measured T"] for one in found]
    assert sum(deviations) / 3 == pytest.approx(0.05, rel=0.1)
    estimate = found[0].posterior.unknowns["conductivity"]
    assert 130 < estimate.freedom < 150
    told = infer(problem(0, count=150), features=30).posterior.unknowns["conductivity"]
    assert estimate.error / told.error == pytest.approx(deviations[0] / 0.05, rel=0.05)


def test_a_hidden_field_and_integrals_have_true_errors():
    found = infer(problem(3), features=30)
    at = REGION.sample(80, seed=9).points
    flux, error = found.posterior.at(at, "q")
    true = -TRUE * torch.exp(-TRUE * at[:, 0]) * torch.cos(at[:, 1])
    assert 0.3 < float(((flux - true) / error).square().mean().sqrt()) < 2.0
    same, rule_error = found.posterior.at(at, lambda y: 2 * y["q"])
    torch.testing.assert_close((same, rule_error), (2 * flux, 2 * error))
    covariance = found.posterior.covariance(at, "q")
    torch.testing.assert_close(covariance.diagonal().sqrt(), error)
    heat = found.posterior.integral(REGION, lambda y: y["T"], nodes=16, t=0.5)
    low, high = heat.interval(0.999)
    assert low < 2 * math.exp(-TRUE / 2) < high
    assert heat.value == pytest.approx(found.solution.integral(REGION, lambda y: y["T"], nodes=16, t=0.5))


def test_it_is_the_dense_inverse_also_with_subdomains():
    asked = problem(4)
    residuals = Residuals(asked, feature_model(asked, 6, slope=1.0, subdomains=(1, 3)))
    residuals.balanced(1e-3)  # so that the dense inverse is accurate
    posterior = Posterior(residuals)
    count = residuals.layout.count + 1
    dense = torch.cat([posterior._sides(rows, rows.jacobian) for rows in residuals.rows()], 1).T
    inverse = torch.linalg.pinv(dense.T @ dense, rtol=0.0, hermitian=True)
    assert dense.shape[1] == count
    assert posterior.unknowns["conductivity"].error == pytest.approx(float(inverse[-1, -1].sqrt()), rel=1e-3)
    at = asked.region.sample(9, seed=2).points
    _, sides = posterior._function(at, "T", {})
    expected = (sides * (inverse @ sides)).sum(0).sqrt()
    torch.testing.assert_close(posterior.at(at, "T")[1], expected, rtol=1e-3, atol=0)


def test_noise_that_was_understated_shows_in_the_misfit():
    assert "fit together" in infer(problem(5), features=30).verdict
    understated = infer(problem(5, deviation=0.02), features=30)
    assert understated.misfit > 4
    assert "larger than was said" in understated.verdict
    assert "smaller than was said" in infer(problem(5, deviation=0.5), features=30).verdict


def test_intervals_are_those_of_student_and_of_the_normal():
    assert Estimate(1.0, 2.0).interval() == pytest.approx((1 - 2 * 1.959964, 1 + 2 * 1.959964))
    assert Estimate(0.0, 1.0, 10).interval()[1] == pytest.approx(2.228139)
    assert str(Estimate(1.25, 0.5)) == "1.25 +- 0.5"


def test_what_has_no_posterior_is_refused():
    asked = Problem(REGION, HEAT, [Pin({"T": 0.0})], {"conductivity": 0.1}, points=20)
    with pytest.raises(SettingsError, match="no measurements"):
        infer(asked, features=10)
    with pytest.raises(SettingsError, match="all serve to fit"):
        infer(problem(0, deviation=None, count=4), features=30, exactness=1e-6)


@pytest.mark.parametrize(
    ("scale", "exactness", "match"),
    [
        (0.0, None, "30 measurements of measured T are the same number"),
        (1e200, None, "in other units"),
        (1.0, 0.0, "exactness=0.0"),
        (1.0, -1.0, "exactness=-1.0"),
    ],
)
def test_noise_that_cannot_be_guessed_is_asked_for(scale, exactness, match):
    asked = problem(0, deviation=None, count=30)
    (seen,) = [one for one in asked.conditions if isinstance(one, Measured)]
    scaled = replace(seen, values={"T": scale * seen.values["T"]})
    asked = replace(asked, conditions=[scaled if one is seen else one for one in asked.conditions])
    with pytest.raises(SettingsError, match=match):
        infer(asked, features=10, exactness=exactness)
