"""Layers and models in ONNX: the same map by another runtime, from weights that still obey their set."""

import io

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from physmix.constraints import on_outputs
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import LawfulLayer, MixingLayer, PotentialModel
from physmix.operators import Operators
from physmix.optimization import constrain, constrained_parameters, free_coordinates, projected
from physmix.surrogates import FieldStack

# The exporter copies a structure of torch whose class torch calls deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)`:FutureWarning:copyreg")

INPUTS, OUTPUTS, POTENTIALS = 4, 3, 5
ROUND_OFF = 20 * torch.finfo(torch.float32).eps
MIXINGS = [  # axis of the channels, a shape, the axes that may have any length, whether there is a bias
    (-1, (2, INPUTS), (0,), True),
    (-1, (2, 5, INPUTS), (0, 1), True),
    (-1, (2, 5, INPUTS), (0, 1), False),
    (1, (2, INPUTS, 5), (0,), False),
    (1, (2, INPUTS, 5, 6), (0, 2, 3), True),
    (-2, (2, 3, INPUTS, 5), (0, 1), True),
    (0, (INPUTS, 2, 5), (1,), True),
]


def relation():
    """A y = B x in small numbers, which no layer obeys by chance."""
    return on_outputs(
        torch.tensor([[1.0, 2.0, -1.0]]).double(), torch.tensor([[1.0, 0.0, -3.0, 1.0]]).double()
    )


def mixing(axis, generator, *, bias=True, members=None):
    return MixingLayer(INPUTS, OUTPUTS, members, bias=bias, axis=axis, generator=generator)


def lawful(laws, generator):
    fields = ["rho", "mx", "my", "sxx", "sxy", "syy"]
    constraint = compile_laws(laws, fields, Operators.derivatives("txy", 2))
    return LawfulLayer(constraint, POTENTIALS, generator=generator).float()


def trained(module, shape, generator):
    """Weights and a bias that training moved, not those of the start."""
    channels = torch.randn(shape, generator=generator)
    optimizer = projected(torch.optim.SGD(module.parameters(), lr=0.1), module)
    for _ in range(3):
        optimizer.zero_grad()
        out = module(channels)
        (out - 3 * torch.randn(out.shape, generator=generator) - 1).square().mean().backward()
        optimizer.step()
    return module.eval()


def exported(module, shape, free=()):
    axes = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    given = torch.zeros(shape, dtype=next(module.parameters()).dtype)
    program = torch.onnx.export(module, (given,), dynamo=True, dynamic_shapes=(axes,), verbose=False)
    onnx.checker.check_model(program.model_proto, full_check=True)
    return program.model_proto


def run(model, channels):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # tests run in parallel processes
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (out,) = session.run(None, {session.get_inputs()[0].name: channels.numpy()})
    return torch.from_numpy(out)


def assert_same_map(model, module, shape, free, generator):
    """On the lengths of the export and on others."""
    for length in (None, 1, 7) if free else (None,):
        lengths = [length if length and axis in free else given for axis, given in enumerate(shape)]
        channels = torch.randn(lengths, generator=generator, dtype=next(module.parameters()).dtype)
        with torch.no_grad():
            expected = module(channels)
        torch.testing.assert_close(run(model, channels), expected, rtol=ROUND_OFF, atol=ROUND_OFF)


def stored(model):
    """The weights of all products in their order, and the floating-point vectors beside them."""
    arrays = {
        one.name: torch.from_numpy(onnx.numpy_helper.to_array(one).copy()) for one in model.graph.initializer
    }
    products = [node for node in model.graph.node if node.op_type in {"MatMul", "Gemm", "Conv"}]
    weights = [arrays.pop(name) for node in products for name in node.input[:2] if name in arrays]
    return weights, [one.flatten() for one in arrays.values() if one.is_floating_point() and one.ndim]


def assert_stored(model, layer, members, *, holds=True):
    """One weight of the layer's size, and one bias; both in their sets, or both far from them."""
    (weight,), biases = stored(model)
    matrix = weight.squeeze()
    matrix = matrix if matrix.shape == (OUTPUTS, INPUTS) else matrix.T
    assert weight.numel() == layer.weight.numel()  # no copies for the items of a batch
    assert len(biases) == (layer.bias is not None)
    found = [members.violation(matrix), *(members.bias.violation(one) for one in biases)]
    assert all(one < ROUND_OFF if holds else one > 1e-2 for one in found), found


def folds(layer, axis, shape):
    """The layer as it is, and as the plain layer of torch if there is one."""
    yield layer
    if axis in (-1, 1):
        yield layer.fold(None if axis == -1 else len(shape) - 2)


@pytest.mark.parametrize(("axis", "shape", "free", "bias"), MIXINGS)
def test_a_mixing_layer_and_its_fold_keep_their_map_and_their_set(axis, shape, free, bias, generator):
    members = relation()
    layer = trained(mixing(axis, generator, bias=bias, members=members), shape, generator)
    for module in folds(layer, axis, shape):
        model = exported(module, shape, free)
        assert_same_map(model, layer, shape, free, generator)
        assert_stored(model, layer, members)


@pytest.mark.parametrize(("axis", "shape"), [(1, (64, INPUTS, 5)), (-2, (8, 8, INPUTS, 5))])
def test_a_batch_of_fixed_size_stores_the_weight_once(axis, shape, generator):
    members = relation()
    layer = trained(mixing(axis, generator, members=members), shape, generator)
    model = exported(layer, shape)
    assert_same_map(model, layer, shape, (), generator)
    assert_stored(model, layer, members)


@pytest.mark.parametrize("axis", [-1, 1])
def test_the_weights_of_a_twin_are_far_from_the_set(axis, generator):
    shape = (2, INPUTS, INPUTS)
    layer = mixing(axis, generator).eval()
    nn.init.normal_(layer.bias, generator=generator)
    assert_stored(exported(layer, shape, (0,)), layer, relation(), holds=False)


def test_a_layer_in_free_coordinates_stores_the_weight_itself(generator):
    members, shape = relation(), (2, INPUTS, 5)
    layer = mixing(1, generator, members=members)
    free_coordinates(layer)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    model = exported(layer.eval(), shape, (0,))
    assert_same_map(model, layer, shape, (0,), generator)
    assert_stored(model, layer, members)


@pytest.mark.parametrize("free", [(), (0, 2, 3)], ids=["fixed", "free"])
def test_a_constrained_convolution_is_one_convolution(free, generator):
    members, shape = relation(), (2, INPUTS, 5, 6)
    layer = trained(constrain(nn.Conv2d(INPUTS, OUTPUTS, 1), members), shape, generator)
    model = exported(layer, shape, free)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    assert_same_map(model, layer, shape, free, generator)
    assert_stored(model, layer, members)


@pytest.mark.parametrize(
    ("points", "free", "has_laws"),
    [((7,), (), True), ((7,), (1,), True), ((2, 7), (1, 2), True), ((7,), (1,), False)],
    ids=["fixed", "points", "grid", "twin"],
)
def test_a_lawful_layer_stores_lawful_weights(points, free, has_laws, mass_momentum, generator):
    shape = (6, *points, POTENTIALS)
    layer = trained(lawful(mass_momentum if has_laws else (), generator), shape, generator)
    model = exported(layer, shape, free)
    assert_same_map(model, layer, shape, free, generator)
    weights, _ = stored(model)  # one for each operator, (potential, field)
    violation = lawful(mass_momentum, generator).constraint.weights.violation(
        torch.stack(weights, -1).reshape(POTENTIALS, -1)
    )
    assert violation < ROUND_OFF if has_laws else violation > 1e-2


@pytest.mark.parametrize("has_laws", [True, False], ids=["lawful", "twin"])
def test_the_fold_of_a_lawful_layer_stores_lawful_weights(has_laws, mass_momentum, generator):
    layer = trained(lawful(mass_momentum if has_laws else (), generator), (6, 7, POTENTIALS), generator)
    folded, shape = layer.fold(), (2, 6 * POTENTIALS)
    model = exported(folded, shape, (0,))
    assert_same_map(model, folded, shape, (0,), generator)
    channels = torch.randn(6, 9, POTENTIALS, generator=generator)
    torch.testing.assert_close(
        run(model, channels.movedim(0, 1).flatten(1)),
        layer(channels).detach(),
        rtol=ROUND_OFF,
        atol=ROUND_OFF,
    )
    (weight,), _ = stored(model)
    assert weight.shape == (6, 6 * POTENTIALS)  # (field, operator and potential)
    rows = weight.reshape(6, 6, POTENTIALS).permute(2, 0, 1).reshape(POTENTIALS, -1)
    violation = lawful(mass_momentum, generator).constraint.weights.violation(rows)
    assert violation < ROUND_OFF if has_laws else violation > 1e-2


def test_a_pointwise_law_keeps_its_bias(generator):
    laws, shape = parse_laws({"sum": "a + b + c = 1"}, ""), (1, 2, POTENTIALS)
    constraint = compile_laws(laws, ["a", "b", "c"], Operators.identity())
    layer = trained(LawfulLayer(constraint, POTENTIALS, generator=generator).float(), shape, generator)
    model = exported(layer, shape, (1,))
    assert_same_map(model, layer, shape, (1,), generator)
    _, (bias,) = stored(model)
    assert constraint.bias.violation(bias) < ROUND_OFF
    out = run(model, torch.randn(1, 50, POTENTIALS, generator=generator))
    torch.testing.assert_close(out.sum(-1), torch.ones(50), rtol=0, atol=ROUND_OFF)


def test_a_potential_model_takes_any_number_of_points(mass_momentum, generator):
    network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, POTENTIALS))
    fields = ["rho", "mx", "my", "sxx", "sxy", "syy"]
    model = PotentialModel(
        network, mass_momentum, fields, coordinates="txy", potentials=POTENTIALS, order=2, generator=generator
    ).eval()
    assert_same_map(exported(model, (6, 3), (0,)), model, (6, 3), (0,), generator)


def test_a_stack_takes_any_grid_and_keeps_totals(generator):
    laws = parse_laws({"mass": "integral(rho) = const"}, "xy")
    model = FieldStack(laws, ["rho", "e"], width=4, latent=2, depth=1, generator=generator).float().eval()
    shape, free = (2, 6, 5, 2), (0, 1, 2)
    program = exported(model, shape, free)
    assert_same_map(program, model, shape, free, generator)
    state = torch.randn(3, 8, 7, 2, generator=generator)
    change = run(program, state) - state
    totals = change.sum((1, 2)).abs() / change.abs().sum((1, 2))
    assert float(totals[:, 0].max()) < ROUND_OFF
    assert float(totals[:, 1].min()) > 1e-4  # no law speaks of it


@pytest.mark.parametrize("kind", ["last axis", "first grid axis", "lawful", "convolution"])
def test_an_exported_program_keeps_names_weights_and_map(kind, mass_momentum, generator):
    """By torch.export, through a file; free in the batch."""
    module, shape, axis = {
        "last axis": lambda: (mixing(-1, generator, members=relation()), (2, 5, INPUTS), 0),
        "first grid axis": lambda: (mixing(1, generator, members=relation()), (2, INPUTS, 5), 0),
        "lawful": lambda: (lawful(mass_momentum, generator), (6, 2, POTENTIALS), 1),
        "convolution": lambda: (constrain(nn.Conv2d(INPUTS, OUTPUTS, 1), relation()), (2, INPUTS, 5, 6), 0),
    }[kind]()
    trained(module, shape, generator)
    axes = {axis: torch.export.Dim.DYNAMIC}
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(module, (torch.zeros(shape),), dynamic_shapes=(axes,)), buffer)
    buffer.seek(0)
    program = torch.export.load(buffer)
    assert list(program.state_dict) == list(module.state_dict())
    for (name, _), (_, members) in zip(
        module.named_parameters(), constrained_parameters(module), strict=True
    ):
        assert members.violation(program.state_dict[name].detach()) < ROUND_OFF
    for length in (1, 7):
        channels = torch.randn([length if i == axis else n for i, n in enumerate(shape)], generator=generator)
        assert torch.equal(program.module()(channels), module(channels))
