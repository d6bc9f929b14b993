"""Mixed precision: what comes before a lawful layer may be rounded to bfloat16, its own products are not."""

import pytest
import torch
from torch import nn

from physmix import MixingLayer, Operators, on_outputs
from physmix.grids import PeriodicAxis, StaggeredGrid
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import FluxLayer, LawfulLayer, StaggeredLayer
from physmix.surrogates import LawfulStep, rollout
from physmix.surrogates.networks import UNet, drawn_from

BALANCE = parse_laws({"balance": "a + b - c = 0"}, "txy")
ROW = torch.tensor([1.0, 1.0, -1.0])
GRID = StaggeredGrid({"x": PeriodicAxis(16, 1.0), "y": PeriodicAxis(16, 1.0)})
FIELDS = ("a", "b", "c")


def pointwise(generator, lawful):
    members = on_outputs(ROW[None]) if lawful else None
    layer = MixingLayer(8, 3, members, dtype=torch.float32, generator=generator)
    return layer, layer


def at_points(generator, lawful):
    constraint = compile_laws(BALANCE if lawful else (), FIELDS, Operators.identity())
    layer = LawfulLayer(constraint, 8, generator=generator).float()
    return layer, lambda x: layer(x[None])


def on_faces(generator, lawful):
    layer = FluxLayer(GRID, BALANCE if lawful else (), FIELDS, 8, gain=1.0, generator=generator).float()
    return layer, lambda x: layer(x.view(-1, 16, 16, 8)).faces[0]


CASES = {"MixingLayer": pointwise, "LawfulLayer": at_points, "FluxLayer": on_faces}


@pytest.mark.parametrize("case", CASES)
def test_lawful_products_are_not_rounded(case, generator):
    x = torch.randn(256, 8, generator=generator)
    found = {}
    for lawful in (True, False):
        _, call = CASES[case](generator, lawful)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = call(x.bfloat16())
        assert mixed.dtype == (torch.bfloat16 if case == "MixingLayer" and not lawful else torch.float32)
        mixed = mixed.detach().float()
        found[lawful] = float((mixed @ ROW).abs().max() / mixed.abs().max())
    assert found[True] < 1e-6
    assert found[False] > 1e-2


def test_a_free_layer_is_rounded(generator):
    """Autocast is at work in these tests."""
    layer, _ = pointwise(generator, lawful=False)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(4, 8, generator=generator)).dtype == torch.bfloat16


def test_rounded_weights_would_not_be_lawful(generator):
    layer, _ = pointwise(generator, lawful=True)
    x = torch.randn(256, 8, generator=generator)
    rounded = (x.bfloat16() @ layer.weight.bfloat16().T).float() @ ROW
    assert rounded.abs().max() > 1e-3


def test_staggered_fields_stay_solenoidal(generator):
    laws = parse_laws({"solenoidal": "div(u) = 0"}, "xy", vectors=["u"])
    faces = {"ux": (1, 0), "uy": (0, 1)}
    layer = StaggeredLayer(GRID, laws, faces, Operators.derivatives("xy", 1), 4).float()
    potentials = torch.randn(1, *layer.extent, 4, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        flow = layer(potentials.bfloat16())
    parts = [GRID.differentiate(flow[name].double(), faces[name], i) for i, name in enumerate(faces)]
    assert sum(parts).abs().max() < 1e-5 * parts[0].abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_roll_out_in_mixed_precision_conserves_to_the_precision_of_its_states(dtype, generator):
    fields = ("rho", "mx", "my", "E")
    laws = parse_laws({name: f"integral({name}) = const" for name in fields}, "txy")
    drifts = {}
    for law in ("totals", "none"):
        head = FluxLayer(GRID, laws if law == "totals" else (), fields, 6, generator=generator)
        with drawn_from(generator):
            model = LawfulStep(UNet(4, 6, 2, width=8, levels=2), head.to(dtype))
        state = 1 + 0.1 * torch.randn(2, 16, 16, 4, generator=generator, dtype=dtype)
        seen = []
        model.network.register_forward_hook(lambda module, given, out, seen=seen: seen.append(out.dtype))
        with torch.autocast("cpu", torch.bfloat16):
            states = rollout(model, state, 20)
        assert set(seen) == {torch.bfloat16}
        assert states.dtype == dtype
        totals = states.double().sum((2, 3))
        drifts[law] = float(((totals - totals[0]).abs() / states[0].abs().double().sum((1, 2))).max())
    eps = torch.finfo(dtype).eps
    assert drifts["totals"] < 20 * eps
    assert drifts["none"] > 1e3 * drifts["totals"]


def test_gradients_pass_through(generator):
    head = FluxLayer(GRID, (), FIELDS, 8, generator=generator).float()
    network = nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular")
    model = LawfulStep(network, head)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(torch.randn(2, 16, 16, 3, generator=generator)).square().mean()
    loss.backward()
    assert all(p.grad.dtype == p.dtype and p.grad.abs().sum() > 0 for p in model.parameters())
