"""Derivatives of fields as a linear map of free coordinates: the numbers of nested autograd."""

import pytest
import torch

from physmix.errors import SettingsError
from physmix.jets import box, coordinates
from physmix.laws import Scaling, parse_laws
from physmix.mixing import (
    DerivativeMap,
    Lifting,
    PotentialModel,
    Wall,
    WeightLayout,
    partitioned_features,
    random_features,
)

SCALING = Scaling({"x": 0.5, "y": 1.0}, {"x": 0.5, "y": 2.0}, {"ux": 4.0, "uy": 0.5, "p": 2.0})
ENTRIES = [("ux", (0, 0)), ("ux", (1, 0)), ("uy", (0, 2)), ("p", (1, 1)), ("ux", (0, 1))]


def model(*, partition=False, walls=False, law="div(u) = 0"):
    box_ = [(-1.0, 1.0), (-0.5, 0.5)]
    network = partitioned_features(box_, 4, (2, 2)) if partition else random_features(box_, 6)
    x, y = coordinates("xy")
    extra = {}
    if walls:
        psi = 16 * x**2 * (1 - x) ** 2 * y**2
        extra = {
            "walls": [Wall(box({x: (0.0, 1.0)}), fields=("ux", "uy"))],
            "liftings": [Lifting(psi, {("ux", (0, 1)): 1.0, ("uy", (1, 0)): -1.0})],
        }
    made = PotentialModel(
        network,
        parse_laws({"mass": law}, "xy", vectors="u"),
        ["ux", "uy", "p"],
        coordinates="xy",
        potentials=len(network.owner) if partition else 6,
        scaling=SCALING,
        generator=torch.Generator().manual_seed(0),
        **extra,
    )
    with torch.no_grad():
        made.mixing.bias.copy_(made.mixing.constraint.bias.project(torch.tensor([0.3, -0.2, 0.1]).double()))
    return made


def points(count=12):
    unit = torch.rand(count, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return unit * torch.tensor([1.0, 2.0])


def everywhere(made, at, what):
    """Entries at all points, or Jacobians with respect to all coordinates, gathered from the supports."""
    derivatives, layout = DerivativeMap(made, ENTRIES), WeightLayout(made)
    values = torch.zeros(len(ENTRIES), len(at), dtype=torch.float64)
    jacobian = torch.zeros(len(ENTRIES), len(at), layout.count, dtype=torch.float64)
    for places, support in layout.supports(at):
        channels = derivatives.channels(at[places], support)
        values[:, places] = derivatives.values(at[places], support, channels).detach()
        slopes = torch.eye(len(ENTRIES), dtype=torch.float64)[:, :, None].expand(-1, -1, len(places))
        part = derivatives.jacobian(slopes, support, channels)
        jacobian[:, places[:, None], support.columns] = part
    return values if what == "values" else jacobian


CASES = [
    {},
    {"partition": True},
    {"walls": True},
    {"partition": True, "walls": True},
    {"law": "div(u) = 1"},
]


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_nested_autograd(case):
    made, at = model(**case), points().requires_grad_()
    found = everywhere(made, at.detach(), "values")
    fields = made(at)
    for (name, b), row in zip(ENTRIES, found, strict=True):
        value = fields[:, made.fields.index(name)]
        for axis in [0] * b[0] + [1] * b[1]:
            value = torch.autograd.grad(value.sum(), at, create_graph=True)[0][:, axis]
        torch.testing.assert_close(row, value.detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_the_jacobian_is_the_change_of_the_values(case):
    made, at = model(**case), points()
    layout, jacobian = WeightLayout(made), everywhere(made, at, "jacobian")
    start = layout.coordinates()
    before = everywhere(made, at, "values")
    step = torch.randn(layout.count, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    layout.set(start + step)
    torch.testing.assert_close(layout.coordinates(), start + step)
    after = everywhere(made, at, "values")
    torch.testing.assert_close(after - before, jacobian @ step, rtol=1e-9, atol=1e-9)


def test_a_partition_is_seen_a_part_at_a_time():
    made, at = model(partition=True), points(40)
    supports = list(WeightLayout(made).supports(at))
    assert len(supports) > 1
    assert all(len(support.potentials) <= 16 for _, support in supports)
    assert sorted(torch.cat([places for places, _ in supports]).tolist()) == list(range(40))


def test_unknown_fields_and_orders_are_refused():
    for entry in [("w", (0, 0)), ("ux", (1, 0, 0))]:
        with pytest.raises(SettingsError, match="a derivative"):
            DerivativeMap(model(), [entry])
