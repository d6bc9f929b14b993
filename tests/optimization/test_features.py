"""What torch does with modules and optimisers, done with constrained ones."""

import copy
import io
import pickle

import pytest
import torch
from optima import AFFINE, SETS, Problem
from torch import nn, optim
from torch.func import functional_call, stack_module_state, vmap

from physmix.constraints import Orthonormal, Simplex, on_outputs
from physmix.laws import compile_laws
from physmix.mixing import LawfulLayer, MixingLayer
from physmix.operators import Operators
from physmix.optimization import (
    GaussNewton,
    SpectralProjectedGradient,
    constrain,
    constrained_parameters,
    free_coordinates,
    project_weights,
    projected,
    violations,
)

INPUTS, OUTPUTS, LAWFUL = 4, 3, 1e-14
FIRST_AND_FUSED = [{}, {"fused": True}]


def relation(generator):
    random = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    return on_outputs(random(2, OUTPUTS), random(2, INPUTS))


def lawful_layer(laws, generator):
    constraint = compile_laws(laws, ["rho", "mx", "my", "sxx", "sxy", "syy"], Operators.derivatives("txy", 2))
    return LawfulLayer(constraint, 5, generator=generator)


def network(generator, members=None, dtype=torch.float32):
    """A free layer, and a constrained one."""
    return nn.Sequential(
        nn.Linear(2, INPUTS, dtype=dtype),
        nn.Tanh(),
        MixingLayer(INPUTS, OUTPUTS, members or relation(generator), dtype=dtype, generator=generator),
    )


def round_off(dtype, size):
    return 10 * torch.finfo(dtype).eps * size**0.5


@pytest.mark.parametrize("members", [None, Simplex(), Orthonormal("rows")], ids=repr)
def test_autocast_keeps_the_weights_lawful(members, generator):
    model = network(generator, members)
    optimizer = projected(optim.Adam(model.parameters(), lr=0.01), model)
    points, targets = torch.randn(64, 2, generator=generator), torch.randn(64, OUTPUTS, generator=generator)
    for _ in range(30):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(points)
            loss = nn.functional.mse_loss(out.float(), targets)
        assert out.dtype is torch.float32  # what is lawful is not rounded; the hidden layers are
        loss.backward()
        optimizer.step()
    for parameter, held in constrained_parameters(model):
        assert parameter.dtype is torch.float32
        assert held.violation(parameter) <= round_off(torch.float32, INPUTS)


@pytest.mark.parametrize("how", FIRST_AND_FUSED, ids=["plain", "fused"])
@pytest.mark.parametrize("name", [name for name in SETS if name != "complex linear"])
def test_gradient_scaling_changes_nothing(name, how):
    ends = []
    for enabled in (True, False):
        model = Problem(name)
        optimizer = projected(optim.Adam(model.parameters(), lr=0.1, **how), model)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=7, enabled=enabled)
        for _ in range(30):
            optimizer.zero_grad()
            scaler.scale(model()).backward()
            scaler.step(optimizer)
            scaler.update()
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends, rtol=0, atol=1e-8)  # Adam's epsilon meets another size


@pytest.mark.parametrize("how", FIRST_AND_FUSED, ids=["plain", "fused"])
@pytest.mark.parametrize("name", [name for name in SETS if name != "complex linear"])
def test_a_step_with_infinite_gradients_is_skipped(name, how):
    model = Problem(name)
    optimizer = projected(optim.Adam(model.parameters(), lr=0.1, **how), model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    before = model.weight.detach().clone()
    for factor, moves in ((float("inf"), False), (1.0, True)):
        optimizer.zero_grad()
        scaler.scale(model() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        moved = float((model.weight - before).detach().abs().max())
        assert moved > 1e-3 if moves else moved < 1e-15
    assert scaler.get_scale() == 2.0**9
    assert max(violations(model).values()) < LAWFUL


def test_a_mean_of_weights_is_lawful_in_convex_sets(generator):
    parts = nn.ModuleList(Problem(name) for name in SETS)
    optimizer = projected(optim.Adam(parts.parameters(), lr=0.3), parts)
    mean = optim.swa_utils.AveragedModel(parts, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for _ in range(20):
        optimizer.zero_grad()
        sum(part() for part in parts).backward()
        optimizer.step()
        mean.update_parameters(parts)
    found = dict(zip(SETS, violations(mean).values(), strict=True))
    assert found.pop("orthonormal") > 1e-3
    assert max(found.values()) < LAWFUL
    project_weights(mean)
    assert max(violations(mean).values()) < LAWFUL
    for one, other in zip(mean.module.parameters(), parts.parameters(), strict=True):
        assert not torch.equal(one, other)


def test_a_model_can_be_compiled(generator):
    model = network(generator, dtype=torch.float64)
    points = torch.randn(8, 2, generator=generator, dtype=torch.float64)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(points), model(points), rtol=1e-14, atol=1e-14)
    optimizer = projected(optim.Adam(compiled.parameters(), lr=0.01), compiled)
    before = model[2].weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        compiled(points).square().mean().backward()
        optimizer.step()
    assert not torch.equal(model[2].weight, before)
    assert max(violations(model).values()) < LAWFUL


# What torch imports while it compiles a step warns of torch's own past.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
@pytest.mark.parametrize("name", ["linear", "simplex"])
@pytest.mark.parametrize(("how", "tolerance"), [("momentum", 1e-12), ("adam", 1e-4)])
def test_a_step_can_be_compiled(name, how, tolerance):
    """The hooks break the graph and run as they are; the step between them is compiled.

    A compiled Adam corrects its bias in float32, whatever the weights.
    """
    ends = []
    for compiled in (False, True):
        torch.compiler.reset()
        model = Problem(name)
        optimizer = MAKERS[how](model)
        step = torch.compile(optimizer.step, backend="aot_eager") if compiled else optimizer.step
        for _ in range(5):
            optimizer.zero_grad()
            model().backward()
            step()
        assert max(violations(model).values()) < LAWFUL
        ends.append(model.weight.detach())
    torch.testing.assert_close(*ends, rtol=0, atol=tolerance)


def saved(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


MAKERS = {
    "adam": lambda model: projected(optim.Adam(model.parameters(), lr=0.1), model),
    "momentum": lambda model: projected(optim.SGD(model.parameters(), lr=0.02, momentum=0.9), model),
    "spectral": lambda model: SpectralProjectedGradient(model, max_iter=1),
    "lbfgs": lambda model: projected(optim.LBFGS(model.parameters(), max_iter=2, lr=0.1), model),
    "gauss-newton": lambda model: GaussNewton(model, damping=10.0),
}
RESUMED = [(name, how) for name in SETS for how in MAKERS if name in AFFINE or how in list(MAKERS)[:3]]


@pytest.mark.parametrize(("name", "how"), RESUMED)
def test_a_resumed_run_ends_where_it_would_have(name, how):
    def go(model, optimizer, steps):
        def closure():
            optimizer.zero_grad()
            loss = model()
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(model.residuals if how == "gauss-newton" else closure)

    straight, first, resumed, forgetful = (Problem(name) for _ in range(4))
    optimizers = [MAKERS[how](model) for model in (straight, first, resumed, forgetful)]
    go(straight, optimizers[0], 4)
    go(first, optimizers[1], 2)
    for model in (resumed, forgetful):
        model.load_state_dict(saved(first.state_dict()))
    optimizers[2].load_state_dict(saved(optimizers[1].state_dict()))
    go(resumed, optimizers[2], 2)
    go(forgetful, optimizers[3], 2)
    # The factorisation of a Jacobian rounds as its numbers lie in memory; all else is the same.
    tolerance = 1e-10 if how == "gauss-newton" else 0.0
    torch.testing.assert_close(resumed.weight, straight.weight, rtol=0, atol=tolerance)
    assert float((forgetful.weight - straight.weight).detach().abs().max()) > 1e-8


def modules(generator, laws):
    return [
        MixingLayer(INPUTS, OUTPUTS, relation(generator), dtype=torch.float64, generator=generator),
        constrain(nn.Conv2d(INPUTS, OUTPUTS, 1).double(), relation(generator)),
        constrain(nn.Linear(INPUTS, OUTPUTS).double(), Orthonormal("rows")),
        lawful_layer(laws, generator),
        free_coordinates(MixingLayer(INPUTS, OUTPUTS, relation(generator), dtype=torch.float64)),
    ]


def inputs_of(module, generator):
    shape = {nn.Conv2d: (2, INPUTS, 3, 5), LawfulLayer: (6, 7, 5)}.get(type(module), (7, INPUTS))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_modules_survive_copies(generator, mass_momentum):
    for module in modules(generator, mass_momentum):
        inputs = inputs_of(module, generator)
        copies = [copy.deepcopy(module)]
        if type(module).__module__ != "torch.nn.utils.parametrize":  # torch pickles their state alone
            copies.append(pickle.loads(pickle.dumps(module)))
        for copied in copies:
            assert torch.equal(copied(inputs), module(inputs))
            assert violations(copied) == violations(module)
            if violations(module):
                optimizer = projected(optim.Adam(copied.parameters(), lr=0.1), copied)
                copied(inputs).square().mean().backward()
                optimizer.step()
                assert max(violations(copied).values()) < LAWFUL
                assert not torch.equal(copied(inputs), module(inputs))


def test_sets_survive_pickling():
    for name in SETS:
        members = Problem(name).members
        again = pickle.loads(pickle.dumps(members))
        weight = Problem(name).weight.detach() + 1.0
        assert torch.equal(again.project(weight), members.project(weight))


def test_a_state_dict_holds_no_sets(generator, mass_momentum):
    for module in modules(generator, mass_momentum)[:-1]:
        state = module.state_dict()
        assert set(state) == {"weight", "bias"}
        other = copy.deepcopy(module)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        other.load_state_dict(saved(state))
        inputs = inputs_of(module, generator)
        assert torch.equal(other(inputs), module(inputs))


def test_functional_calls(generator, mass_momentum):
    for module in modules(generator, mass_momentum):
        inputs = inputs_of(module, generator)
        weights = {name: p.detach().clone() for name, p in module.named_parameters()}
        assert torch.equal(functional_call(module, weights, inputs), module(inputs))
        slopes = torch.func.grad(lambda w: functional_call(module, w, inputs).square().sum())(weights)  # noqa: B023
        module(inputs).square().sum().backward()
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(slopes[name], parameter.grad)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_vmap_over_inputs(axis, generator):
    layer = MixingLayer(
        INPUTS, OUTPUTS, relation(generator), axis=axis, dtype=torch.float64, generator=generator
    )
    shape = [3, 5, 2]
    shape[axis] = INPUTS
    inputs = torch.randn(6, *shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(vmap(layer)(inputs), torch.stack([layer(one) for one in inputs]))


def test_vmap_over_inputs_of_a_lawful_layer(generator, mass_momentum):
    layer = lawful_layer(mass_momentum, generator)
    inputs = torch.randn(6, 6, 4, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(vmap(layer)(inputs), torch.stack([layer(one) for one in inputs]))


def test_an_ensemble_is_its_members(generator):
    members = relation(generator)
    layers = [
        MixingLayer(INPUTS, OUTPUTS, members, axis=1, dtype=torch.float64, generator=generator)
        for _ in range(3)
    ]
    inputs = torch.randn(2, INPUTS, 5, generator=generator, dtype=torch.float64)
    weights, buffers = stack_module_state(layers)
    out = vmap(lambda w, b: functional_call(layers[0], (w, b), (inputs,)))(weights, buffers)
    torch.testing.assert_close(out, torch.stack([layer(inputs) for layer in layers]))
    assert members.violation(members.project(weights["weight"])) < LAWFUL  # sets take leading axes


@pytest.mark.parametrize("axis", [-1, 1])
def test_a_mixing_layer_can_be_exported(axis, generator):
    layer = MixingLayer(
        INPUTS, OUTPUTS, relation(generator), axis=axis, dtype=torch.float64, generator=generator
    )
    exported_equals(layer, torch.randn(4, INPUTS, INPUTS, generator=generator, dtype=torch.float64))


def test_lawful_and_plain_layers_can_be_exported(generator, mass_momentum):
    for module in modules(generator, mass_momentum)[1:4]:
        exported_equals(module, inputs_of(module, generator))


def exported_equals(module, inputs):
    dynamic = {1 if isinstance(module, LawfulLayer) else 0: torch.export.Dim("points", min=2)}
    program = torch.export.export(module, (inputs,), dynamic_shapes=(dynamic,))
    assert set(program.state_dict) == {"weight", "bias"}
    more = torch.cat([inputs, inputs], next(iter(dynamic)))
    torch.testing.assert_close(program.module()(more), module(more), rtol=1e-14, atol=1e-14)
