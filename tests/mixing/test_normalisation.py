"""The network's own normalisation, and that of the data, with laws that go on holding."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import physmix
from physmix.checking import judge_model
from physmix.errors import CompositionError, SamplesError, SettingsError, UnsupportedLawError
from physmix.flows.gas import SPACE_TIME
from physmix.grids import PeriodicGrid
from physmix.laws import Scaling, compile_laws, lawful_mean, parse_laws
from physmix.mixing import LawfulLayer, PotentialModel, fold
from physmix.operators import Operators

SHARES = parse_laws({"shares": "Y1 + Y2 + Y3 = 1"}, "")


def network(generator, last=nn.BatchNorm1d):
    """As people train them: normalisations, with statistics, and a weight norm."""
    torch.manual_seed(0)
    linear = lambda i, o: nn.Linear(i, o, dtype=torch.float64)
    norm = lambda n: nn.BatchNorm1d(n, dtype=torch.float64)
    layers = nn.Sequential(
        norm(3),
        linear(3, 16),
        norm(16),
        nn.Tanh(),
        weight_norm(linear(16, 16)),
        nn.Tanh(),
        last(16, dtype=torch.float64),
        linear(16, 8),
    )
    with torch.no_grad():
        for part in layers:
            if isinstance(part, nn.BatchNorm1d):
                part.weight.uniform_(0.5, 2.0, generator=generator)
                part.bias.normal_(0.0, 0.3, generator=generator)
        for _ in range(30):
            layers(2 * torch.rand(64, 3, generator=generator, dtype=torch.float64) - 1)
    return layers.eval()


def units(generator, names, low, high):
    exponents = low + (high - low) * torch.rand(len(names), generator=generator)
    return {name: 10.0 ** float(exponent) for name, exponent in zip(names, exponents, strict=True)}


def model(mass_momentum, generator, low=-6, high=6):
    length = units(generator, "txy", low, high)
    centre = {name: value / 2 for name, value in length.items()}
    scaling = Scaling(centre, length, units(generator, SPACE_TIME, low, high))
    made = PotentialModel(
        network(generator), mass_momentum, SPACE_TIME, coordinates="txy", potentials=8, scaling=scaling
    )
    box = {name: (-value / 2, 3 * value / 2) for name, value in length.items()}
    return made, box


def test_a_layer_norm_is_lawful_too(mass_momentum, generator):
    """Judged by third derivatives, which torch's own layer norm has wrong."""
    made = PotentialModel(
        network(generator, nn.LayerNorm), mass_momentum, SPACE_TIME, coordinates="txy", potentials=8
    )
    for finding in judge_model(made, mass_momentum, dict.fromkeys("txy", (-1.0, 1.0)), points=32, boxes=2):
        assert finding.holds, finding


def train(model, points, steps=25):
    """Towards noise, with the statistics as they are."""
    target = torch.randn(len(points), len(model.fields), generator=torch.Generator().manual_seed(5)).double()
    optimizer = physmix.projected(torch.optim.Adam(model.parameters(), lr=0.01), model)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(points) / model.size - target).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("steps", [0, 25], ids=["random", "trained"])
@pytest.mark.parametrize("folded", [False, True], ids=["as it is", "folded"])
def test_laws_hold_through_normalised_networks_in_any_units(folded, steps, mass_momentum, generator):
    """Units from 1e-6 to 1e6, none a power of two; judged by other means than the jets."""
    made, box = model(mass_momentum, generator)
    points = made.centre + made.length * (2 * torch.rand(64, 3, generator=generator).double() - 1)
    train(made, points, steps)
    if folded:
        plain = fold(made)
        torch.testing.assert_close(
            plain(points) / made.size, made(points) / made.size, rtol=1e-12, atol=1e-12
        )
        made = plain
        assert not any(isinstance(part, nn.BatchNorm1d) for part in made.modules())
        train(made, points, steps)  # it goes on learning as a plain network
    findings = judge_model(made, mass_momentum, box, points=64, boxes=4)
    assert len(findings) == 6
    for finding in findings:
        assert finding.holds, finding
        assert not finding.trivial
        if finding.round_off:
            assert finding.violation < 100 * finding.round_off


class After(nn.Module):
    """The twin: the same network in units of one, and the units of the data applied afterwards."""

    def __init__(self, model, std):
        super().__init__()
        self.model, self.std = model, std

    def forward(self, points):
        return self.std * self.model(points)


def test_units_that_are_applied_afterwards_break_the_laws_and_are_refused(mass_momentum, generator):
    """The violation is measured by differences of the twin's fields, far above what these miss."""
    inner, _ = model(mass_momentum, generator, 0, 0)
    std = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], dtype=torch.float64)
    points = 0.5 * torch.rand(16, 3, generator=generator, dtype=torch.float64)

    def relative(twin):
        step, terms = 1e-5, []
        for axis, field in enumerate(("rho", "mx", "my")):
            shift = step * torch.eye(3, dtype=torch.float64)[axis]
            place = SPACE_TIME.index(field)
            terms.append((twin(points + shift) - twin(points - shift))[:, place] / (2 * step))
        terms = torch.stack(terms)
        return float(terms.sum(0).abs().max() / terms.abs().sum(0).max())

    with torch.no_grad():
        assert relative(inner) < 1e-8
        assert relative(After(inner, std)) > 1e-2
    with pytest.raises(CompositionError, match="multiplies the fields of law 'mass' by factors"):
        physmix.check_composition(After(inner, std), points)


def test_folding_keeps_the_map_and_the_original(generator):
    made = network(generator)
    before = copy.deepcopy(made.state_dict())
    points = torch.rand(32, 3, generator=generator, dtype=torch.float64)
    plain = fold(made)
    torch.testing.assert_close(plain(points), made(points), rtol=1e-13, atol=1e-13)
    assert [type(part).__name__ for part in plain] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert all(parameter.requires_grad for parameter in plain.parameters())
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    nested = nn.ModuleDict({"inner": nn.Sequential(nn.BatchNorm1d(3), nn.Tanh(), nn.BatchNorm1d(3))}).eval()
    assert [type(part).__name__ for part in fold(nested)["inner"]] == ["Linear", "Tanh", "Linear"]


def test_folding_leaves_constrained_weights_alone():
    balance = torch.tensor([[1.0, 1.0, -1.0]])
    layer = physmix.constrain(nn.Linear(3, 3), physmix.on_outputs(balance))
    plain = fold(nn.Sequential(layer, nn.BatchNorm1d(3)).eval())
    assert max(physmix.violations(plain).values()) < 1e-6
    assert torch.equal(plain[0].weight, layer.weight)
    assert len(plain) == 2


def test_folding_refuses_statistics_of_the_batch():
    with pytest.raises(SettingsError, match="statistics are those of the batch"):
        fold(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))


def test_a_head_on_a_grid_gives_fields_in_the_units_of_the_data(generator):
    """The law in the grid's derivatives; the twin has the same units applied after it."""
    laws = parse_laws({"mass": "dt(rho) + div(m) = 0"}, "txy", vectors=["m"])
    fields = ["rho", "mx", "my"]
    samples = torch.randn(3, 500, generator=generator, dtype=torch.float64)
    samples = samples * torch.tensor([[1e-6], [1.0], [1e-3]]) + torch.tensor([[5e-6], [2.0], [1e-3]])
    scaling = Scaling.of_data({}, dict(zip(fields, samples, strict=True)))
    mean = lawful_mean(laws, fields, dict(zip(fields, samples.mean(1).tolist(), strict=True)), scaling)
    grid = PeriodicGrid(("t", "x", "y"), points=(8, 8, 8), lengths=(1e-3, 1e3, 1.0))
    operators = Operators.derivatives("txy", 1)
    potentials = torch.randn(1, 8, 8, 8, 4, generator=generator, dtype=torch.float64)

    @torch.no_grad()
    def residual(layer, factor=1.0):
        out = factor * layer(grid.channels(potentials, layer.constraint.operators))
        slopes = grid.channels(out, operators)
        terms = torch.stack(
            [slopes[operators.monomials.index(m), ..., i] for i, m in enumerate(laws_of(operators))]
        )
        return out, float(terms.sum(0).abs().max() / terms.abs().sum(0).max())

    def laws_of(operators):
        return [tuple(int(i == axis) for i in range(3)) for axis in range(3)]

    held = LawfulLayer(
        compile_laws(laws, fields, operators, scaling=scaling), 4, generator=generator, mean=mean
    )
    out, missed = residual(held)
    assert missed < 1e-13
    torch.testing.assert_close(held.size * held.bias.detach(), samples.mean(1), rtol=1e-12, atol=0.0)
    physmix.check_composition(held, grid.channels(potentials, operators))
    plain = held.fold()
    channels = grid.channels(potentials, operators).movedim(0, -2).flatten(-2)
    torch.testing.assert_close(plain(channels), out, rtol=1e-12, atol=1e-12)
    twin = LawfulLayer(compile_laws(laws, fields, operators), 4, generator=generator)
    assert residual(twin, torch.tensor([scaling.size[name] for name in fields]).double())[1] > 1e-2


def test_the_scaling_of_data():
    t = torch.linspace(0, 8, 1000, dtype=torch.float64)
    scaling = Scaling.of_data({"t": t}, {"rho": 1e-3 * torch.sin(t), "p": torch.ones(5)})
    assert scaling.centre["t"] == pytest.approx(4.0)
    assert scaling.length == {"t": 2.0}
    assert scaling.size == {"rho": 2.0**-10, "p": 1.0}
    with pytest.raises(SamplesError, match="samples of rho: there is none, or some are not finite"):
        Scaling.of_data({}, {"rho": torch.tensor([1.0, float("nan")])})


def test_a_mean_becomes_lawful_or_is_refused():
    """Rounded shares are moved to the sum of one; a law with derivatives moves nothing."""
    fields, mean = ["Y1", "Y2", "Y3"], {"Y1": 0.2, "Y2": 0.3, "Y3": 0.499}
    scaling = Scaling(size={"Y1": 1.0, "Y2": 0.5, "Y3": 0.01})
    found = lawful_mean(SHARES, fields, mean, scaling)
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-15)
    assert abs(found["Y3"] - 0.499) < abs(found["Y2"] - 0.3) < abs(found["Y1"] - 0.2) < 1e-3
    with pytest.raises(UnsupportedLawError, match="law 'shares' is refused: the mean of the data misses it"):
        lawful_mean(SHARES, fields, {"Y1": 0.2, "Y2": 0.3, "Y3": 0.1})
    mass = parse_laws({"mass": "dt(rho) + dx(m) = 0"}, "tx")
    assert lawful_mean(mass, ["rho", "m"], {"rho": 1.3, "m": -2.0}) == {"rho": 1.3, "m": -2.0}
