"""Samples, losses and errors of the reconstruction of a flow."""

import numpy as np
import pytest
import torch

from physmix.errors import SettingsError
from physmix.flows import Flow, IsentropicVortex, gas, read_flow
from physmix.mixing import PotentialModel, pointwise_network
from physmix.problems import FlowReconstruction, primitive_tensor, sample_flow

NUMBERS = {"fraction": 0.02, "collocation": 64, "hold_out": 4, "seed": 0}


@pytest.fixture(scope="module")
def flow(vortex_file):
    return read_flow(vortex_file)


@pytest.fixture(scope="module")
def samples(flow):
    return sample_flow(flow, **NUMBERS)


class Exact(torch.nn.Module):
    """The exact solution as a model."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, points):
        fields = IsentropicVortex().fields(points)
        return self.factor * torch.stack(gas.space_time(*fields.values()), -1)


def test_test_points_share_no_time_and_no_place_with_training(samples):
    train = set(map(tuple, samples.points.tolist()))
    assert len(train) == len(samples.points) == round(0.02 * 21 * 64 * 64)
    assert not {t for t, *_ in train} & {t for t, *_ in samples.test_points.tolist()}
    assert not {p[1:] for p in train} & {tuple(p[1:]) for p in samples.test_points.tolist()}
    assert len(samples.test_points) == 5 * 64 * 64 // 4


def test_values_belong_to_their_points(samples):
    exact = Exact()(samples.points)
    assert ((exact - samples.values).square().sum(0) / samples.values.square().sum(0)).sqrt().max() < 5e-4


def test_collocation_fills_the_box(samples, flow):
    for i, (low, high) in enumerate(flow.box().values()):
        column = samples.collocation[:, i]
        assert low <= column.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < column.max() <= high


def test_seeds_decide_the_samples(flow, samples):
    again, other = sample_flow(flow, **NUMBERS), sample_flow(flow, **{**NUMBERS, "seed": 1})
    assert torch.equal(again.points, samples.points)
    assert torch.equal(again.collocation, samples.collocation)
    assert not torch.equal(other.points, samples.points)


def test_the_exact_solution_has_no_loss_and_a_wrong_one_has(samples):
    good, bad = FlowReconstruction(Exact(), samples), FlowReconstruction(Exact(1.5), samples)
    assert good.losses(0)["data"] < 1e-5
    assert good.losses(0)["constitutive"] < 1e-25
    assert max(good.errors().values()) < 5e-4
    assert max(good.exact_errors(IsentropicVortex()).values()) < 1e-14
    assert bad.losses(0)["data"] > 1
    assert bad.errors()["density"] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("wrong", [{"fraction": 0.0}, {"fraction": 0.9}, {"hold_out": 1}, {"hold_out": 50}])
def test_numbers_that_leave_nothing_are_refused(flow, wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        sample_flow(flow, **{**NUMBERS, **wrong})


def test_a_flow_without_pressure_is_refused(flow):
    bare = Flow("bare", flow.time, flow.axes, {"density": flow.scalars["density"]}, flow.vectors)
    with pytest.raises(SettingsError, match="pressure"):
        primitive_tensor(bare)


def test_a_flow_with_constant_fields_has_finite_losses_and_errors(flow):
    """Density and pressure one, at rest: no field has a size of its own."""
    shape = (1, len(flow.time), 64, 64)
    still = Flow(
        "still",
        flow.time,
        flow.axes,
        {"density": np.ones(shape), "pressure": np.ones(shape)},
        {"velocity": np.zeros((*shape, 2))},
    )
    task = FlowReconstruction(Exact(), sample_flow(still, **NUMBERS))
    assert all(loss.isfinite() for loss in task.losses(0).values())
    assert all(np.isfinite(error) for error in task.errors().values())


def test_a_task_moves_as_a_whole(samples):
    """On a device that computes nothing, a tensor left behind would fail."""
    net = pointwise_network(3, [4], 2)
    model = PotentialModel(net, (), gas.SPACE_TIME, coordinates="txy", potentials=2, order=2)
    task = FlowReconstruction(model, samples)
    task.to("meta")
    assert {loss.device.type for loss in task.losses(0).values()} == {"meta"}
