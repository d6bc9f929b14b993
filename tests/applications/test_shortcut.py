"""Norms through depth, and structures laid on each other."""

import pytest
import torch
from scipy.spatial.transform import Rotation as Turn

from physmix.applications import orthogonal_shortcut, rigid_superposition
from physmix.constraints import Rotation
from physmix.errors import SamplesError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import projected


def test_norms_stay_through_a_hundred_layers(generator):
    x = torch.randn(2, 3, 7, 5, generator=generator).double()
    kept = free = x
    for depth in range(100):
        layer = orthogonal_shortcut(
            3 + depth // 10, 3 + (depth + 1) // 10, dtype=x.dtype, generator=generator
        )
        kept = layer(kept)
        free = MixingLayer(3, 3, bias=False, axis=1, dtype=x.dtype, generator=generator)(free)
    assert kept.shape[1] == 13
    assert (kept.norm(dim=1) / x.norm(dim=1) - 1).abs().max() < 1e-12
    assert (free.norm(dim=1) / x.norm(dim=1) - 1).abs().max() > 0.1


@pytest.mark.parametrize(("outputs", "reached"), [(3, False), (4, True)])
def test_a_square_layer_keeps_its_sign_and_one_more_output_leads_around(outputs, reached):
    """Trained towards a reflection from a rotation."""
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)).double()
    layer = orthogonal_shortcut(3, outputs, axis=-1, dtype=x.dtype)
    start = torch.eye(outputs, 3, dtype=x.dtype)
    start[:3] = Rotation().sample(3, 3, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    target = torch.nn.functional.pad(x * torch.tensor([1.0, 1.0, -1.0]), (0, outputs - 3))
    with torch.no_grad():
        layer.weight.copy_(start)
        layer.weight[-1, 0] += 1e-3  # off the saddle
    adam = projected(torch.optim.Adam(layer.parameters(), lr=0.05), layer)
    for step in range(400):
        adam.param_groups[0]["lr"] = 0.05 * 0.985**step
        adam.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        adam.step()
    assert (float(loss.detach()) < 1e-6) == reached


def test_fewer_outputs_are_refused():
    with pytest.raises(ShapeError, match="outputs >= inputs"):
        orthogonal_shortcut(8, 5)


def structures(generator, points=40, dimensions=3):
    target = torch.randn(points, dimensions, generator=generator).double()
    turn = Rotation().sample(dimensions, dimensions, generator=generator, dtype=torch.float64)
    noise = 0.1 * torch.randn(points, dimensions, generator=generator).double()
    return (target + noise) @ turn.mT + 3.0, target


@pytest.mark.parametrize("mirror", [1.0, -1.0], ids=["as it is", "mirrored"])
def test_structures_are_laid_as_scipy_lays_them(mirror, generator):
    mobile, target = structures(generator)
    mobile[:, 0] *= mirror
    found = rigid_superposition(mobile, target)
    theirs, deviation = Turn.align_vectors(target - target.mean(0), mobile - mobile.mean(0))
    assert abs(float(found.deviation) - deviation / len(target) ** 0.5) < 1e-12
    torch.testing.assert_close(found.rotation, torch.from_numpy(theirs.as_matrix()), rtol=1e-9, atol=1e-9)
    assert abs(float(torch.linalg.det(found.rotation)) - 1) < 1e-13
    left = found.apply(mobile) - target
    assert abs(float(left.square().sum(1).mean().sqrt() - found.deviation)) < 1e-13
    if mirror < 0:  # the polar factor alone would be a reflection, and lie far nearer
        left, _, right = torch.linalg.svd((target - target.mean(0)).mT @ (mobile - mobile.mean(0)))
        assert torch.linalg.det(left @ right) < 0
        assert found.deviation > 0.5


@pytest.mark.parametrize("dimensions", [2, 3, 5])
def test_a_turned_structure_is_found_exactly_in_batches(dimensions, generator):
    target = torch.randn(12, dimensions, generator=generator).double()
    turns = Rotation().sample(4, dimensions, dimensions, generator=generator, dtype=torch.float64)
    moves = torch.randn(4, 1, dimensions, generator=generator).double()
    mobile = target @ turns.mT + moves
    found = rigid_superposition(mobile, target)
    assert found.deviation.max() < 1e-13
    torch.testing.assert_close(found.rotation, turns.mT, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(found.apply(mobile), target.expand(4, -1, -1), rtol=1e-11, atol=1e-11)


def test_weights_count(generator):
    mobile, target = structures(generator)
    mobile[0] += 100.0  # an outlier that weighs nothing
    weight = torch.ones(len(target)).double()
    weight[0] = 0.0
    assert rigid_superposition(mobile, target, weight).deviation < 0.2
    assert rigid_superposition(mobile, target).deviation > 1


def test_a_plane_has_a_rotation(generator):
    """A flat structure leaves the sign of one direction to the set: it must be a rotation all the same."""
    flat = torch.cat([torch.randn(9, 2, generator=generator), torch.zeros(9, 1)], 1).double()
    found = rigid_superposition(flat.flip(0), flat)
    assert abs(float(torch.linalg.det(found.rotation)) - 1) < 1e-12


def test_what_cannot_be_laid_is_refused(generator):
    mobile, target = structures(generator)
    with pytest.raises(ShapeError, match="laid on"):
        rigid_superposition(mobile[:-1], target)
    with pytest.raises(SamplesError, match="not positive"):
        rigid_superposition(mobile, target, -torch.ones(len(target)))
    with pytest.raises(SamplesError, match="not finite"):
        rigid_superposition(mobile * torch.nan, target)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: rigid_superposition(p[0], p[0]), ShapeError, "a structure"),
        (lambda p: rigid_superposition(p.expand(2, 6, 3), p.expand(4, 6, 3)), ShapeError, "a structure"),
        (lambda p: rigid_superposition(p, p, torch.full((6,), torch.inf)), SamplesError, "finite"),
        (lambda p: rigid_superposition(p[:0], p[:0]), SamplesError, "weights"),
    ],
)
def test_structures_that_do_not_fit_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.arange(18.0).view(6, 3))


def test_structures_of_any_precision_are_superposed_and_gradients_flow(generator):
    points = torch.randn(9, 3, generator=generator, dtype=torch.float64).mul(10).round()
    assert float(rigid_superposition(points.long(), points.long().flip(0)).deviation) == pytest.approx(
        float(rigid_superposition(points.float(), points.flip(0)).deviation), rel=1e-6
    )
    moved = points.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rigid_superposition(p, points.flip(0)).deviation, (moved,))
