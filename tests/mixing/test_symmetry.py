"""Waves with symmetries: they obey them, miss none that does, and their derivatives are those of sines."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.jets import Jet, JetSpace, push, seed
from physmix.laws import compile_complete, parse_laws
from physmix.mixing.symmetry import Group, Symmetry, sign_of_features
from physmix.mixing.waves import symmetric_waves, wave_features, wave_vectors

BOX = {"t": (-1.0, 1.0), "x": (0.0, 3.0), "y": (-0.5, 0.5)}
HALF_TURN = Symmetry({"x": 0.4, "y": 0.1}, odd=("ux", "uy"))
GLIDE = Symmetry({"y": 0.1}, {"x": 1.5}, odd=("uy",))
WAVES = {1: 3.0, 2: 2.0}
VECTORS = wave_vectors([3.0, 2.0])


def group(symmetries=(HALF_TURN, GLIDE), signs=(1.0, -1.0)):
    return Group.of(symmetries, signs, BOX, ("x", "y"))


def features(copies=3, members=None):
    members = members or group()
    count = math.ceil(2 * copies * len(VECTORS) / len(members.signs)) + 2
    return symmetric_waves(list(BOX.values()), count, WAVES, members, slope=0.8)


def points(count=150):
    unit = torch.rand(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    low, high = torch.tensor(list(BOX.values()), dtype=torch.float64).T
    return low + (high - low) * unit


def test_two_symmetries_make_a_group_of_four():
    found = group()
    assert found.turns.tolist() == [[1, 1, 1], [1, -1, -1], [1, 1, -1], [1, -1, 1]]
    assert found.signs.tolist() == [1, 1, -1, -1]


def test_a_period_that_no_short_number_writes_closes_as_well():
    box = {"x": (0.0, 2 * math.pi), "y": (0.0, 2 * math.pi)}
    glide = Symmetry({"x": math.pi / 2}, {"y": math.pi})
    assert len(Group.of([glide], [1.0], box, ("x", "y")).signs) == 2


def test_features_have_each_symmetry_and_repeat():
    network, at = features(), points()
    here = network(at)
    t, x, y = at.unbind(1)
    torch.testing.assert_close(network(torch.stack([t, 0.8 - x, 0.2 - y], 1)), here, rtol=0, atol=1e-12)
    torch.testing.assert_close(network(torch.stack([t, x + 1.5, 0.2 - y], 1)), -here, rtol=0, atol=1e-12)
    torch.testing.assert_close(network(torch.stack([t, x + 3.0, y - 1.0], 1)), here, rtol=0, atol=1e-12)
    assert float((network(torch.stack([t, x + 1.0, y], 1)) - here).abs().max()) > 0.1


def test_none_is_zero_or_another_and_none_is_missed():
    members, at = group(), points(400)
    plain = wave_features(list(BOX.values()), 2 * 3 * len(VECTORS), WAVES, slope=0.8)
    means = sum(
        sign * plain(at * turn + shift)
        for turn, shift, sign in zip(members.turns, members.shifts, members.signs, strict=True)
    )
    found = features()(at)
    assert int(torch.linalg.matrix_rank(found, rtol=1e-10)) == found.shape[1]
    assert int(torch.linalg.matrix_rank(torch.cat([means, found], 1), rtol=1e-10)) == found.shape[1]
    assert int(torch.linalg.matrix_rank(means, rtol=1e-10)) == found.shape[1]
    assert found.shape[1] < plain(at).shape[1] / 3


def test_derivatives_are_those_of_nested_differentiation():
    network, at = features(), points(5).requires_grad_()
    space = JetSpace.closure([(1, 2, 0), (0, 3, 1), (2, 0, 0)])
    jet = push(network, seed(at.detach(), space))
    for index in space.indices:
        wanted = network(at)[:, 7]
        for axis, order in enumerate(index):
            for _ in range(order):
                (slope,) = torch.autograd.grad(wanted.sum(), at, create_graph=True)
                wanted = slope[:, axis]
        torch.testing.assert_close(jet.derivative(index)[:, 7], wanted.detach(), rtol=1e-10, atol=1e-9)


def test_the_sign_of_features_is_that_of_the_stream_function():
    laws = parse_laws({"mass": "div(u) = 0"}, "txy", vectors={"u": ("ux", "uy")})
    fields, coordinates = ("ux", "uy"), ("t", "x", "y")
    constraint = compile_complete(laws, fields, coordinates)
    assert sign_of_features(HALF_TURN, constraint, fields, coordinates) == 1.0
    assert sign_of_features(GLIDE, constraint, fields, coordinates) == -1.0
    with pytest.raises(SettingsError, match="which fields are odd"):
        sign_of_features(Symmetry({"y": 0.1}), constraint, fields, coordinates)
    with pytest.raises(SettingsError, match="no field p"):
        sign_of_features(Symmetry({"y": 0.1}, odd=("p",)), constraint, fields, coordinates)


def test_what_is_no_symmetry_of_the_box_is_refused():
    with pytest.raises(SettingsError, match="t is not periodic"):
        group([Symmetry({"t": 0.0})], [1.0])
    with pytest.raises(SettingsError, match="mirrored and shifted"):
        group([Symmetry({"x": 0.0}, {"x": 1.0})], [1.0])
    with pytest.raises(SettingsError, match="no end"):
        group([Symmetry({}, {"x": math.sqrt(2)})], [1.0])
    with pytest.raises(SettingsError, match="nothing but zero"):
        group([Symmetry({}, {"x": 1.0})], [-1.0])
    network, at = features(), points(3)
    with pytest.raises(SettingsError, match="first layer"):
        push(network, Jet(JetSpace(3, 1), 2 * seed(at, 1).coefficients))
