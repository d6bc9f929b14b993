"""The mixing layer, and models made of it: lawful for every input, with a twin that is not."""

import copy
import io

import pytest
import torch
from torch import nn

from physmix.checking import judge_model
from physmix.errors import ShapeError, UnsupportedLawError
from physmix.flows.gas import SPACE_TIME
from physmix.grids import neighbour_operators
from physmix.jets import Jet, JetSpace, Sine
from physmix.laws import Scaling, compile_laws, parse_laws
from physmix.mixing import LawfulLayer, MixingBlock, PotentialModel, pointwise_network
from physmix.operators import Operators, monomials
from physmix.optimization import projected


def test_a_layer_is_its_formula(mass_momentum, generator):
    layer = LawfulLayer(
        compile_laws(mass_momentum, SPACE_TIME, Operators.derivatives("txy", 2)), 5, generator=generator
    )
    channels = torch.randn(6, 4, 7, 5, generator=generator, dtype=torch.float64)
    formula = torch.einsum("apqk,kia->pqi", channels, layer.weight.view(5, 6, 6)) + layer.bias
    torch.testing.assert_close(layer(channels), formula, rtol=1e-13, atol=1e-13)


def test_a_layer_is_a_1x1_convolution(generator):
    """The same map by torch's own convolution, on an image."""
    layer = LawfulLayer(compile_laws((), ["a", "b"], Operators.identity()), 3, generator=generator)
    image = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    convolution = nn.functional.conv2d(image, layer.weight.T[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(image.movedim(1, -1)[None]), convolution.movedim(1, -1))


def test_the_wrong_shape_is_refused(mass_momentum):
    layer = LawfulLayer(compile_laws(mass_momentum, SPACE_TIME, Operators.derivatives("txy", 2)), 5)
    with pytest.raises(ShapeError, match=r"\(6, 2, 4\), expected \(6, ..., 5\)"):
        layer(torch.zeros(6, 2, 4, dtype=torch.float64))


def test_a_layer_survives_copies_and_state_dicts(mass_momentum, generator):
    layer = LawfulLayer(
        compile_laws(mass_momentum, SPACE_TIME, Operators.derivatives("txy", 2)), 5, generator=generator
    )
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    other = LawfulLayer(compile_laws(mass_momentum, SPACE_TIME, Operators.derivatives("txy", 2)), 5)
    other.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    channels = torch.randn(6, 3, 5, generator=generator, dtype=torch.float64)
    assert torch.equal(other(channels), layer(channels))
    assert torch.equal(copy.deepcopy(layer)(channels), layer(channels))


def derivative_rows(laws, jet_of_fields):
    """Each law on the jets of the fields, for every coefficient the order allows."""
    space = jet_of_fields.space
    for law in laws:
        for shift in monomials(space.coordinates, space.order - law.order):
            total, size = 0.0, 0.0
            for (field, b), value in law.terms.items():
                both = tuple(p + q for p, q in zip(shift, b, strict=True))
                term = float(value) * jet_of_fields.derivative(both)[:, SPACE_TIME.index(field)]
                total, size = total + term, size + term.abs()
            yield law.name, total, size


@pytest.mark.parametrize("activation", [nn.Tanh, Sine])
def test_the_law_holds_for_every_jet_coefficient(mass_momentum, activation, generator):
    """Fields whose own jets are mixed from the potentials' jets, up to the fourth derivative."""
    net = pointwise_network(3, [8, 8], 4, activation, slope=1.5, generator=generator)
    model = PotentialModel(
        net, mass_momentum, SPACE_TIME, coordinates="txy", potentials=4, order=2, generator=generator
    )
    points = 3 * torch.randn(6, 3, generator=generator, dtype=torch.float64)
    deep, space = model.jet(points, 4), JetSpace(3, 2)
    coefficients = []
    for index, factorial in zip(space.indices, space.factorials, strict=True):
        raised = [tuple(p + q for p, q in zip(index, m, strict=True)) for m in monomials(3, 2)]
        shifted = torch.stack([deep.derivative(m) for m in raised])
        constant = model.mixing.bias if not any(index) else 0.0
        coefficients.append((model.mixing(shifted) - model.mixing.bias + constant) / factorial)
    fields = Jet(space, torch.stack(coefficients))
    torch.testing.assert_close(fields.value, model(points))
    for name, total, size in derivative_rows(mass_momentum, fields):
        assert total.abs().max() < 1e-12 * size.max(), name


BOX = {"t": (0.0, 2.0), "x": (-5.0, 5.0), "y": (100.0, 1e4)}
SIZES = {"rho": 1e-3, "mx": 3.0, "my": 0.2, "sxx": 1e3, "sxy": 1.0, "syy": 7.0}


def trained(laws, generator, steps=60, scaling=None):
    """A model fitted to noise that no law obeys, at points out of any range it started in."""
    net = pointwise_network(3, [8], 6, slope=1.0, generator=generator)
    model = PotentialModel(
        net, laws, SPACE_TIME, coordinates="txy", potentials=6, order=2, scaling=scaling, generator=generator
    )
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=0.05), model)
    points = torch.randn(64, 3, generator=generator, dtype=torch.float64) * model.length * 2 + model.centre
    target = torch.randn(64, 6, generator=generator, dtype=torch.float64) * model.size
    before = ((model(points) - target) / model.size).square().mean()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((model(points) - target) / model.size).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.97 * before
    return model


@pytest.mark.parametrize("scaling", [None, Scaling.fitting(BOX, SIZES)], ids=["unit", "scaled"])
def test_a_model_trained_on_noise_is_lawful_and_its_twin_is_not(mass_momentum, scaling, generator):
    from physmix.checking import judge_model

    box = dict.fromkeys("txy", (-3.0, 3.0)) if scaling is None else BOX
    lawful = judge_model(
        trained(mass_momentum, generator, scaling=scaling), mass_momentum, box, points=64, boxes=4
    )
    free = judge_model(trained((), generator, scaling=scaling), mass_momentum, box, points=64, boxes=4)
    assert len(lawful) == 6
    for held, broken in zip(lawful, free, strict=True):
        assert held.holds, held
        assert broken.violation > 1e3 * held.violation, (held, broken)
        assert not broken.holds


def test_pointwise_laws_hold_with_a_bias(generator):
    laws = parse_laws({"sum": "Y1 + Y2 + Y3 = 1"}, "x")
    net = pointwise_network(1, [6], 2, generator=generator)
    model = PotentialModel(net, laws, ["Y1", "Y2", "Y3"], coordinates="x", potentials=2, order=1)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(model(x).sum(1), torch.ones(9).double(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("lawful", [True, False])
def test_a_block_keeps_totals_through_depth(lawful, generator):
    laws = parse_laws({"mass": "integral(rho) = const", "mix": "integral(a - 2*b) = const"}, "xy")
    constraint = compile_laws(laws if lawful else (), ["rho", "a", "b", "latent"], neighbour_operators(2))
    blocks = nn.Sequential(*(MixingBlock(constraint, 6, generator=generator) for _ in range(5)))
    field = torch.randn(2, 8, 6, 4, generator=generator, dtype=torch.float64)
    out = blocks(field)
    change = (out - field).sum((1, 2))
    size = field.abs().sum((1, 2))
    drift = torch.stack([change[:, 0], change[:, 1] - 2 * change[:, 2]]).abs().max() / size.max()
    assert (out - field).abs().max() > 1e-2
    assert drift < 1e-14 if lawful else drift > 1e-4
    assert change[:, 3].abs().max() > 1e-4  # no law speaks of the latent channel


def test_increments_keep_a_pointwise_law_with_a_source(generator):
    """a + b = 1 in the state stays 1 through every block, and does not grow by one each."""
    from physmix.surrogates import FieldStack, rollout

    model = FieldStack(
        parse_laws({"sum": "a + b = 1"}, ""), ["a", "b"], dimensions=1, width=4, generator=generator
    )
    a = torch.randn(1, 8, generator=generator, dtype=torch.float64)
    states = rollout(model, torch.stack([a, 1 - a], -1), 5)
    assert (states.sum(-1) - 1).abs().max() < 1e-13
    assert (states[-1] - states[0]).abs().max() > 1e-3


def test_single_precision_networks_work(mass_momentum, generator):
    """torch's default precision, held to float32 round-off."""
    from physmix.checking import judge_model

    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4))
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0, 0.7, generator=generator)
    model = PotentialModel(net, mass_momentum, SPACE_TIME, coordinates="txy", potentials=4, order=2)
    assert model(torch.zeros(2, 3)).dtype == torch.float32
    box = dict.fromkeys("txy", (-1.0, 1.0))
    assert all(1e-12 < f.violation < 1e-5 for f in judge_model(model, mass_momentum, box, points=32, boxes=2))


def test_the_lowest_complete_order_is_found_for_each_field(generator):
    """v = -dx(u) beside a free field T: potentials themselves for u and T, a first derivative for v."""
    net = pointwise_network(2, [16, 16], 4, generator=generator)
    laws = parse_laws({"slope": "dx(u) + v = 0"}, "xy")
    model = PotentialModel(net, laws, ["u", "v", "T"], coordinates="xy", potentials=4, generator=generator)
    assert model.order == 1
    findings = judge_model(model, laws, {"x": (-1.0, 1.0), "y": (-1.0, 1.0)})
    assert all(finding.holds and not finding.trivial for finding in findings)
    points = torch.rand(50, 2, dtype=torch.float64)
    assert float(model(points).detach().std(0).min()) > 1e-3
    free = PotentialModel(net, (), ["u", "v", "T"], coordinates="xy", potentials=4, generator=generator)
    assert not any(finding.holds for finding in judge_model(free, laws, {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}))


def test_a_law_without_potentials_is_refused_by_the_model(generator):
    net = pointwise_network(2, [8], 2, generator=generator)
    laws = parse_laws({"advection": "dt(u) + dx(u) = 0"}, "tx")
    with pytest.raises(UnsupportedLawError, match=r"advection.*no potentials"):
        PotentialModel(net, laws, ["u"], coordinates="tx", potentials=2)
