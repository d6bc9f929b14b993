"""The mixing layer on every layout, against einsum and torch's own layers, and what it holds."""

import itertools

import pytest
import torch
from torch import nn

from physmix.constraints import Box, LinearSet, Simplex, Sparsity, on_inputs, on_outputs
from physmix.errors import ContradictionError, NoFreedomError, SettingsError, ShapeError
from physmix.jets import push, seed
from physmix.laws import compile_laws
from physmix.mixing import LawfulLayer, MixingLayer, mix
from physmix.operators import Operators
from physmix.optimization import constrain, constrained_parameters, violations

INPUTS, OUTPUTS = 4, 3
LENGTHS = (2, 5, 3, 2, 6)
LAYOUTS = [(axes, axis) for axes in range(1, 6) for axis in range(-axes, axes)]
DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def randn(*shape, generator, dtype=torch.float64):
    return torch.randn(*shape, generator=generator, dtype=dtype)


def layout(axes, axis):
    shape = list(LENGTHS[:axes])
    shape[axis] = INPUTS
    return shape


def oracle(channels, weight, bias, axis):
    letters = "abcde"[: channels.ndim]
    out = list(letters)
    out[axis] = "z"
    mixed = torch.einsum(f"{letters},z{letters[axis]}->{''.join(out)}", channels, weight)
    place = [1] * channels.ndim
    place[axis] = -1
    return mixed if bias is None else mixed + bias.reshape(place)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("with_bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(("axes", "axis"), LAYOUTS)
def test_channels_may_stand_anywhere(axes, axis, with_bias, dtype, generator):
    channels = randn(*layout(axes, axis), generator=generator, dtype=dtype)
    weight = randn(OUTPUTS, INPUTS, generator=generator, dtype=dtype)
    bias = randn(OUTPUTS, generator=generator, dtype=dtype) if with_bias else None
    tolerance = 50 * torch.finfo(dtype).eps
    expected = oracle(channels, weight, bias, axis)
    found = mix(channels, weight, bias, axis)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    strided = channels.transpose(0, -1).contiguous().transpose(0, -1)
    torch.testing.assert_close(mix(strided, weight, bias, axis), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize(("axes", "axis"), [pair for pair in LAYOUTS if pair[1] >= 0])
def test_gradients_are_those_of_the_formula(axes, axis, dtype, generator):
    given = [
        randn(*shape, generator=generator, dtype=dtype).requires_grad_()
        for shape in (layout(axes, axis), (OUTPUTS, INPUTS), (OUTPUTS,))
    ]
    found, expected = (function(*given, axis) for function in (mix, oracle))
    along = randn(*found.shape, generator=generator, dtype=dtype)
    for one, other in zip(
        torch.autograd.grad(found, given, along), torch.autograd.grad(expected, given, along), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_second_gradients_exist(axis, generator):
    given = [
        randn(*shape, generator=generator).requires_grad_()
        for shape in (layout(3, axis), (OUTPUTS, INPUTS), (OUTPUTS,))
    ]
    assert torch.autograd.gradgradcheck(lambda *g: mix(*g, axis), given)


def test_no_points_are_no_trouble():
    layer = MixingLayer(INPUTS, OUTPUTS, axis=1)
    assert layer(torch.zeros(0, INPUTS, 5)).shape == (0, OUTPUTS, 5)
    assert layer(torch.zeros(2, INPUTS, 0, 3)).shape == (2, OUTPUTS, 0, 3)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dimensions", CONVOLUTIONS)
def test_it_is_a_1x1_convolution(dimensions, bias, generator):
    layer = MixingLayer(INPUTS, OUTPUTS, bias=bias, axis=1, dtype=torch.float64, generator=generator)
    images = randn(2, INPUTS, *LENGTHS[1 : 1 + dimensions], generator=generator)
    convolution = CONVOLUTIONS[dimensions](INPUTS, OUTPUTS, 1, bias=bias).double()
    with torch.no_grad():
        layer.bias is None or layer.bias.normal_(generator=generator)
        convolution.weight.copy_(layer.weight.reshape(convolution.weight.shape))
        bias and convolution.bias.copy_(layer.bias)
    torch.testing.assert_close(layer(images), convolution(images), rtol=1e-13, atol=1e-13)
    folded = layer.fold(dimensions)
    assert type(folded) is CONVOLUTIONS[dimensions]
    torch.testing.assert_close(folded(images), layer(images), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_a_linear_layer(bias, generator):
    layer = MixingLayer(INPUTS, OUTPUTS, bias=bias, dtype=torch.float64, generator=generator)
    points = randn(2, 5, INPUTS, generator=generator)
    linear = nn.Linear(INPUTS, OUTPUTS, bias=bias).double()
    linear.load_state_dict(layer.state_dict())  # of the same names and shapes
    assert torch.equal(linear(points), layer(points))
    folded = layer.fold()
    assert type(folded) is nn.Linear
    assert torch.equal(folded(points), layer(points))


@pytest.mark.parametrize("training", [True, False])
def test_a_fold_is_in_the_mode_of_its_layer(training):
    lawful = LawfulLayer(compile_laws((), ["a", "b"], Operators.identity()), INPUTS)
    for layer in (MixingLayer(INPUTS, OUTPUTS), lawful):
        assert layer.train(training).fold().training == training


@pytest.mark.parametrize(("axis", "dimensions"), [(1, None), (-1, 2), (0, 1), (1, 4)])
def test_a_fold_that_no_plain_layer_can_do_is_refused(axis, dimensions):
    with pytest.raises(SettingsError, match="give axis=1 and 1 to 3, or axis=-1 and None"):
        MixingLayer(INPUTS, OUTPUTS, axis=axis).fold(dimensions)


@pytest.mark.parametrize(
    ("shape", "axis"), [((), -1), ((3,), 0), ((2, 3), -1), ((2, 4, 3), -1), ((2, 3, 4), 1), ((4, 3, 5, 5), 1)]
)
def test_the_wrong_number_of_channels_is_refused(shape, axis):
    with pytest.raises(ShapeError, match=f"channels along axis {axis} has shape .*expected 4 there"):
        MixingLayer(INPUTS, OUTPUTS, axis=axis)(torch.zeros(shape))


@pytest.mark.parametrize("axis", [3, -4])
def test_an_axis_that_is_not_there_is_refused(axis):
    with pytest.raises(ShapeError, match=f"channels along axis {axis}"):
        MixingLayer(INPUTS, OUTPUTS, axis=axis)(torch.zeros(INPUTS, INPUTS, INPUTS))


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 3), (3, 0), (-1, 3)])
def test_no_channels_are_refused(inputs, outputs):
    with pytest.raises(SettingsError, match="give numbers from 1 up"):
        MixingLayer(inputs, outputs)


def relation(generator, dtype=torch.float64):
    return randn(2, OUTPUTS, generator=generator, dtype=dtype), randn(
        2, INPUTS, generator=generator, dtype=dtype
    )


def shake(module, generator):
    """Other members of its sets than those that the layer began with."""
    with torch.no_grad():
        for parameter, members in constrained_parameters(module):
            parameter.add_(randn(*parameter.shape, generator=generator, dtype=parameter.dtype))
            parameter.copy_(members.project(parameter))


def broken(module, matrix, right_side, axis, channels):
    """|A y - B x| over the sum of the absolute terms."""
    y, x = (part.movedim(axis, -1) for part in (module(channels).detach(), channels))
    terms = y.abs() @ matrix.abs().T + x.abs() @ right_side.abs().T
    return float(((y @ matrix.T - x @ right_side.T).abs() / (terms + 1e-300)).max())


@pytest.mark.parametrize("size", [1.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_a_relation_holds_for_every_input(axis, dtype, size, generator):
    matrix, right_side = relation(generator, dtype)
    layer = MixingLayer(
        INPUTS, OUTPUTS, on_outputs(matrix, right_side), axis=axis, dtype=dtype, generator=generator
    )
    shake(layer, generator)
    assert float(layer.bias.detach().abs().max()) > 0.1  # the bias is lawful, not absent
    channels = size * randn(*layout(4, axis), generator=generator, dtype=dtype)
    assert broken(layer, matrix, right_side, axis, channels) < 1e-14
    twin = MixingLayer(INPUTS, OUTPUTS, axis=axis, dtype=dtype, generator=generator)
    assert broken(twin, matrix, right_side, axis, channels) > 1e-2


def test_the_answers_of_given_inputs_hold(generator):
    inputs, answers = randn(INPUTS, 2, generator=generator), randn(OUTPUTS, 2, generator=generator)
    make = lambda members: MixingLayer(
        INPUTS, OUTPUTS, members, bias=False, dtype=torch.float64, generator=generator
    )
    layer, twin = make(on_inputs(inputs, answers)), make(None)
    shake(layer, generator)
    torch.testing.assert_close(layer(inputs.T).detach(), answers.T, rtol=0, atol=1e-14)
    assert float((twin(inputs.T) - answers.T).detach().abs().max()) > 0.1


def test_shares_are_means_of_the_inputs(generator):
    layer = MixingLayer(INPUTS, OUTPUTS, Simplex(), bias=False, dtype=torch.float64, generator=generator)
    shake(layer, generator)
    channels = 1e6 * randn(100, INPUTS, generator=generator)
    out = layer(channels).detach()
    slack = 1e-9
    assert bool((out <= channels.amax(1, keepdim=True) + slack).all())
    assert bool((out >= channels.amin(1, keepdim=True) - slack).all())


def test_a_bias_has_a_set_of_its_own(generator):
    total = LinearSet(torch.ones(1, OUTPUTS, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    for members in (None, Simplex()):
        layer = MixingLayer(
            INPUTS, OUTPUTS, members, bias_members=total, dtype=torch.float64, generator=generator
        )
        shake(layer, generator)
        assert float(layer.bias.sum().detach()) == pytest.approx(1.0, abs=1e-15)
        assert layer.constrained["bias"] is total
    assert MixingLayer(INPUTS, OUTPUTS, bias=False, bias_members=total).bias is None


def test_several_sets_are_their_intersection(generator):
    sets = [LinearSet(torch.ones(1, INPUTS, dtype=torch.float64)), Box(-1.0, 1.0)]
    layer = MixingLayer(INPUTS, OUTPUTS, sets, dtype=torch.float64, generator=generator)
    shake(layer, generator)
    for one in sets:
        assert one.violation(layer.weight) < 1e-12


def plain_layers():
    return [
        (nn.Linear(INPUTS, OUTPUTS), -1, (7, INPUTS)),
        *[
            (kind(INPUTS, OUTPUTS, 1), 1, (2, INPUTS, *LENGTHS[1 : 1 + d]))
            for d, kind in CONVOLUTIONS.items()
        ],
    ]


@pytest.mark.parametrize(("layer", "axis", "shape"), plain_layers(), ids=lambda one: type(one).__name__)
def test_a_plain_layer_can_be_constrained(layer, axis, shape, generator):
    matrix, right_side = relation(generator)
    layer = layer.double()
    channels = randn(*shape, generator=generator)
    assert broken(layer, matrix, right_side, axis, channels) > 1e-2
    names = set(layer.state_dict())
    assert constrain(layer, on_outputs(matrix, right_side)) is layer
    shake(layer, generator)
    assert broken(layer, matrix, right_side, axis, channels) < 1e-14
    assert set(layer.state_dict()) == names
    assert set(violations(layer)) == {"weight", "bias"}
    assert max(violations(layer).values()) < 1e-15


def test_another_parameter_can_be_constrained(generator):
    norm = constrain(nn.LayerNorm(4).double(), Simplex(), "weight")
    torch.testing.assert_close(norm.weight.detach(), torch.full((4,), 0.25).double())


@pytest.mark.parametrize(
    "layer",
    [nn.Conv1d(4, 3, 3), nn.Conv2d(4, 3, 3), nn.Conv2d(4, 3, (1, 3)), nn.Conv3d(4, 4, 1, groups=2)],
    ids=repr,
)
def test_a_layer_that_mixes_neighbours_or_groups_is_refused(layer):
    with pytest.raises(ShapeError, match=r"\(outputs, inputs, 1, ...\) in one group"):
        constrain(layer, Simplex())


def test_an_unknown_parameter_is_refused():
    with pytest.raises(SettingsError, match="no parameter 'weigth'; its own parameters are weight, bias"):
        constrain(nn.Linear(4, 3), Simplex(), "weigth")


def test_a_set_that_does_not_fit_is_refused(generator):
    with pytest.raises(ShapeError, match=r"\(3, 4\), expected \(..., 5\)"):
        MixingLayer(INPUTS, OUTPUTS, LinearSet(torch.ones(1, 5, dtype=torch.float64)))


def test_sets_that_contradict_each_other_are_refused():
    ones = torch.ones(1, INPUTS, dtype=torch.float64)
    below = [LinearSet(ones, 9 * torch.ones(1, dtype=torch.float64), ["nine in all"]), Box(-1.0, 1.0)]
    twice = [LinearSet(ones, names=["nothing in all"]), LinearSet(ones, ones[0, :1], ["one in all"])]
    with pytest.raises(ContradictionError, match="nine in all"):
        constrain(nn.Linear(INPUTS, OUTPUTS), below)
    with pytest.raises(ContradictionError, match="nothing in all, one in all"):
        constrain(nn.Linear(INPUTS, OUTPUTS), twice)


@pytest.mark.parametrize("layer", [nn.Linear(INPUTS, OUTPUTS), nn.Conv2d(INPUTS, OUTPUTS, 1)], ids=repr)
def test_a_set_of_one_weight_is_refused(layer):
    eye = torch.eye(OUTPUTS, dtype=torch.float64)
    for members in (on_outputs(eye), Sparsity(torch.zeros(OUTPUTS, INPUTS))):
        with pytest.raises(NoFreedomError, match="drop a condition"):
            constrain(layer, members)


def test_a_refused_layer_stays_as_it_was():
    layer = nn.Linear(INPUTS, OUTPUTS)
    before = layer.weight.detach().clone()
    with pytest.raises(NoFreedomError):
        constrain(layer, on_outputs(torch.eye(OUTPUTS, dtype=torch.float64)))
    assert torch.equal(layer.weight.detach(), before)
    assert not hasattr(layer, "constrained")


def nested(function, points, monomial):
    points = points.clone().requires_grad_()
    columns = function(points).unbind(1)
    for place in itertools.chain(*([i] * exponent for i, exponent in enumerate(monomial))):
        columns = [
            torch.autograd.grad(c.sum(), points, create_graph=True, materialize_grads=True)[0][:, place]
            for c in columns
        ]
    return torch.stack(columns, 1)


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_jets_go_through(bias, axis, generator):
    settings = {"bias": bias, "axis": axis, "dtype": torch.float64, "generator": generator}
    matrix = randn(1, 6, generator=generator)
    net = nn.Sequential(
        MixingLayer(2, 6, **settings),
        nn.Tanh(),
        MixingLayer(6, 5, LinearSet(matrix), **settings),
        nn.Tanh(),
        MixingLayer(5, 3, **settings),
    )
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(generator=generator)
    points = randn(5, 2, generator=generator)
    jet = push(net, seed(points, 3))
    for monomial in jet.space.indices:
        expected = nested(net, points, monomial)
        torch.testing.assert_close(jet.derivative(monomial), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("axis", [-1, 1, 0, 2])
def test_jets_along_another_axis_or_of_other_channels_are_refused(axis):
    layer = MixingLayer(3, 2, axis=axis, dtype=torch.float64)
    with pytest.raises(
        ShapeError, match="3 there" if axis in (-1, 1) else f"axis {axis} .*axis=-1 or axis=1"
    ):
        push(layer, seed(torch.zeros(4, 2, dtype=torch.float64), 1))


def test_it_says_what_it_is():
    layer = MixingLayer(INPUTS, OUTPUTS, Simplex(), axis=1)
    assert "4 -> 3, axis=1, weight in Simplex" in repr(layer)
