"""What may follow a lawful layer: what passes, what is refused, and whether the law truly holds."""

import copy
import io

import pytest
import torch
from torch import nn

import physmix
from physmix.errors import CompositionError, SettingsError
from physmix.grids import neighbour_operators
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import LawfulLayer, MixingBlock, PotentialModel, claim_laws, pointwise_network
from physmix.operators import Operators
from physmix.surrogates import FieldStack

FIELDS = ("rho", "mx", "my")
MASS = parse_laws({"mass": "dt(rho) + dx(mx) + dy(my) = 0"}, "txy")
SHARES = parse_laws({"shares": "a + b + c = 1"}, "")
BALANCE = parse_laws({"balance": "a + b = c"}, "")


class Head(nn.Module):
    """Features, a lawful layer on the (one) identity or three derivatives of them, and what follows."""

    def __init__(self, after, laws=MASS, fields=FIELDS):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        operators = Operators.derivatives("txy", 1) if laws[0].order else Operators.identity()
        self.operators = len(operators)
        self.features = nn.Linear(3, 4, dtype=torch.float64)
        self.head = LawfulLayer(compile_laws(laws, fields, operators), 4, generator=generator)
        self.after = after if isinstance(after, nn.Module) else None
        self.function = None if isinstance(after, nn.Module) else after
        self.free = nn.Linear(3, 3, dtype=torch.float64)
        self.amount = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.register_buffer("std", torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
        self.register_buffer("mean", torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64))

    def forward(self, x):
        features = torch.tanh(self.features(x))
        fields = self.head(torch.stack([features**k for k in range(1, self.operators + 1)]))
        return self.function(self, fields, x) if self.after is None else self.after(fields)


def halves(model, y, x):
    out = torch.empty_like(y)
    out[..., 0], out[..., 1:] = y[..., 0], y[..., 1:]
    return out


def in_place(model, y, x):
    y *= 2.0
    return y


KEEPS = {
    "nothing": lambda m, y, x: y,
    "identity": nn.Identity(),
    "other arrangement": lambda m, y, x: y.reshape(2, -1, 3).movedim(-1, 0).contiguous()[:, 1:],
    "renamed fields": lambda m, y, x: dict(zip(FIELDS, y.unbind(-1), strict=True)),
    "one number": lambda m, y, x: (0.5 * y / 3.0) * m.amount,
    "in place": in_place,
    "by parts in place": halves,
    "other channels": lambda m, y, x: torch.cat([nn.functional.gelu(m.free(x)), y], -1),
    "padded": lambda m, y, x: nn.functional.pad(y, (0, 2)),
    "two of them": lambda m, y, x: y - 2 * y.clone(),
    "constant mean": lambda m, y, x: y + m.mean,
    "the input": lambda m, y, x: x + y,
    "beside a loss": lambda m, y, x: (y, (y - x).square().mean()),
    "precision": lambda m, y, x: y.float(),
    "derived": lambda m, y, x: (y, physmix.derived(y)[..., 1:] / physmix.derived(y)[..., :1]),
    "repeated": lambda m, y, x: y.repeat(2, 1),
    "control flow": lambda m, y, x: y if bool(torch.isfinite(y).all()) else torch.relu(y),
}
BREAKS = {
    "module": (nn.GELU(), r"after \(GELU\) applies gelu"),
    "affine": (nn.Linear(3, 3, dtype=torch.float64), r"after \(Linear\) applies linear"),
    "norm": (nn.LayerNorm(3, dtype=torch.float64), "applies layer_norm"),
    "batch norm": (nn.BatchNorm1d(3, dtype=torch.float64), r"after \(BatchNorm1d\) applies batch_norm"),
    "dropout": (nn.Dropout(), "applies dropout"),
    "function": (lambda m, y, x: torch.relu(y), r"Head\) applies relu"),
    "one channel": (lambda m, y, x: torch.cat([y[..., :1].exp(), y[..., 1:]], -1), "applies exp"),
    "free channel": (lambda m, y, x: torch.cat([m.free(x)[..., :1], y[..., 1:]], -1), "leaves out rho"),
    "in place": (lambda m, y, x: y[..., 1:].mul_(2.0) is None or y, "changed in place through a view"),
    "units": (lambda m, y, x: y * m.std, "multiplies the fields of law 'mass' by factors"),
    "units of names": (lambda m, y, x: {"rho": y[..., 0], "m": y[..., 1:] * 2.0}, "factors that are not"),
    "a place": (lambda m, y, x: y * x[..., :1], "factors that are not"),
    "learnt scale": (lambda m, y, x: y * m.free.bias, "multiplies by what is learnt"),
    "learnt shift": (lambda m, y, x: y + m.free(x), "adds what is learnt"),
    "each other": (lambda m, y, x: y * y, "fields by each other"),
    "inverse": (lambda m, y, x: 1.0 / y, "divides by fields"),
    "half": (lambda m, y, x: y.half(), "to float16"),
    "shifted apart": (
        lambda m, y, x: torch.stack([y[..., 0].roll(1), y[..., 1], y[..., 2]], -1),
        "different points",
    ),
    "last channel": (lambda m, y, x: torch.cat([y[..., :2], y[..., 2:].abs()], -1), "applies abs"),
    "unseen": (
        lambda m, y, x: torch.vmap(torch.relu)(y),
        "where operations are not seen",
    ),
    "deep": (nn.Sequential(nn.Identity(), nn.Sequential(nn.Tanh())), r"after\.1\.0 \(Tanh\) applies tanh"),
}
X = torch.rand(8, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("case", KEEPS)
def test_what_keeps_a_law_passes(case):
    physmix.check_composition(Head(KEEPS[case]), X)


@pytest.mark.parametrize("case", BREAKS)
def test_what_breaks_a_law_is_refused_by_name(case):
    after, message = BREAKS[case]
    with pytest.raises(CompositionError, match=message) as caught:
        physmix.check_composition(Head(after), X)
    assert "layer head" in str(caught.value)
    assert "mass" in str(caught.value)


CASES = KEEPS | {name: after for name, (after, _) in BREAKS.items()}
INPUT = X @ torch.tensor([[1.0, 0, 1], [0, 1, 1], [0, 0, 0]], dtype=torch.float64)  # balanced as well


# Of those, all that give one tensor of three fields in the precision of the layer.
OTHERS = {"other arrangement", "renamed fields", "other channels", "padded", "beside a loss", "precision"}
OTHERS |= {"derived", "repeated", "units of names"}


@pytest.mark.parametrize("case", [case for case in CASES if case not in OTHERS])
def test_what_is_refused_is_what_breaks(case):
    """By the residual of a law at each point."""
    model = Head(copy.deepcopy(CASES[case]), BALANCE, ("a", "b", "c"))
    torch.manual_seed(0)
    out = model(INPUT)
    residual = (out.double() @ torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)).abs().max()
    try:
        physmix.check_composition(model, INPUT)
    except CompositionError:
        assert residual > 1e-5
    else:
        assert residual < 1e-14


def test_what_is_added_must_obey_a_pointwise_law():
    model = Head(KEEPS["the input"], BALANCE, ("a", "b", "c"))
    physmix.check_composition(model, INPUT)
    with pytest.raises(CompositionError, match="given part that does not obey law 'balance'"):
        physmix.check_composition(model, X)


def test_a_mean_must_obey_a_pointwise_law():
    """1 + 1 = 2 does; a mean of ones does not."""
    model = Head(KEEPS["constant mean"], BALANCE, ("a", "b", "c"))
    physmix.check_composition(model, X)
    residual = model(X) @ torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    assert residual.abs().max() < 1e-14
    model.mean.fill_(1.0)
    with pytest.raises(CompositionError, match="given part that does not obey law 'balance'"):
        physmix.check_composition(model, X)


@pytest.mark.parametrize(
    ("after", "lawful"),
    [
        (lambda m, y, x: 0.5 * y + 0.5 * y, True),
        (lambda m, y, x: 2 * y - y, True),
        (lambda m, y, x: y + y, False),
        (lambda m, y, x: 2 * y, False),
        (lambda m, y, x: m.amount * y, False),
        (lambda m, y, x: -y, False),
    ],
)
def test_a_source_is_counted(after, lawful):
    """Shares that sum to one: their mean does, their sum does not."""
    model = Head(after, SHARES, ("a", "b", "c"))
    if lawful:
        physmix.check_composition(model, X)
        assert (model(X).sum(-1) - 1).abs().max() < 1e-14
    else:
        with pytest.raises(CompositionError, match=r"source of law 'shares'|what is learnt"):
            physmix.check_composition(model, X)


def test_a_pointwise_law_may_be_scaled_from_point_to_point():
    model = Head(lambda m, y, x: y * x[..., :1], BALANCE, ("a", "b", "c"))
    physmix.check_composition(model, X)


class Two(nn.Module):
    """Two lawful heads."""

    def __init__(self, scale):
        super().__init__()
        self.first, self.second, self.scale = Head(KEEPS["nothing"]), Head(KEEPS["nothing"]), scale

    def forward(self, x):
        return torch.cat([self.first(x), self.second(x) * self.scale], -1)


def test_two_lawful_layers_stand_side_by_side():
    physmix.check_composition(Two(2.0), X)
    with pytest.raises(CompositionError, match="factors that are not the same"):
        physmix.check_composition(Two(torch.arange(1.0, 4.0)), X)


def test_lawful_fields_may_be_features_of_a_lawful_layer():
    """Whatever enters a lawful layer, its output is lawful."""
    physmix.check_composition(nn.Sequential(Head(nn.GELU()), Head(nn.Identity())), X)


def block(generator, laws="integral(rho) = const"):
    law = parse_laws({"mass": laws}, "xy")
    return MixingBlock(compile_laws(law, ["rho", "E"], neighbour_operators(2)), 4, generator=generator)


def test_blocks_keep_only_what_is_left(generator):
    state = torch.rand(2, 6, 6, 2, generator=generator, dtype=torch.float64)
    physmix.check_composition(nn.Sequential(block(generator), block(generator)), state)
    with pytest.raises(CompositionError, match=r"layer 0 .* 1 \(GELU\) applies gelu"):
        physmix.check_composition(nn.Sequential(block(generator), nn.GELU(), block(generator)), state)


def test_models_are_lawful_by_themselves(generator):
    model = PotentialModel(pointwise_network(3, [8], 4), MASS, FIELDS, coordinates="txy", potentials=4)
    physmix.check_composition(model, X)
    with pytest.raises(CompositionError, match=r"layer 0 .* 1 \(Softplus\) applies softplus"):
        physmix.check_composition(nn.Sequential(model, nn.Softplus()), X)
    stack = FieldStack(parse_laws({"mass": "integral(rho) = const"}, "xy"), ["rho", "E"], depth=1)
    physmix.check_composition(stack, torch.rand(1, 6, 6, 2, generator=generator, dtype=torch.float64))


def test_a_check_that_sees_nothing_says_so():
    plain = nn.Sequential(nn.Linear(3, 3, dtype=torch.float64), nn.GELU())
    with pytest.raises(SettingsError, match="no tensor that it returns comes from a lawful layer"):
        physmix.check_composition(plain, X)
    relation = physmix.on_outputs(torch.tensor([[1.0, 1.0, -1.0]]))
    physmix.constrain(plain[0], relation)  # a relation of the layer's own outputs
    optimizer = physmix.projected(torch.optim.SGD(plain.parameters(), lr=0.1), plain)
    plain(X).sum().backward()
    optimizer.step()


def test_no_law_is_claimed_of_what_is_derived():
    """Nor does training refuse a network that gives nothing else, or a loss."""
    for after in (lambda m, y, x: physmix.derived(y)[..., 1:].exp(), lambda m, y, x: y.exp().mean()):
        model = Head(after)
        with pytest.raises(SettingsError, match="no tensor that it returns comes from a lawful layer"):
            physmix.check_composition(model, X)
        adam(model)
        model(X)


def test_a_check_changes_nothing():
    model = Head(nn.Identity())
    model.norm = nn.BatchNorm1d(3, dtype=torch.float64)
    before = copy.deepcopy(model.state_dict())
    physmix.check_composition(model, X)
    assert model.training
    assert model.norm.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def adam(model, **settings):
    return physmix.projected(torch.optim.Adam(model.parameters(), lr=0.01), model, **settings)


def hooks(model):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


def test_training_refuses_by_itself():
    """Nothing is typed but `projected`; once the composition was seen, nothing is left on the module."""
    model = Head(nn.Identity())
    adam(model)
    assert hooks(model) == 2
    model(X)
    assert hooks(model) == 0
    broken = Head(nn.GELU())
    adam(broken)
    with torch.no_grad():
        broken(X)  # looks at nothing: without gradients it is not known what is learnt
    with pytest.raises(CompositionError, match="applies gelu"):
        broken(X)
    assert torch.overrides._len_torch_function_stack() == 0
    trusted = Head(nn.GELU())
    adam(trusted, trusted=True)
    trusted(X)


@pytest.mark.parametrize("make", [physmix.SpectralProjectedGradient, physmix.GaussNewton])
def test_other_optimisers_refuse_as_well(make):
    model = Head(nn.GELU())
    make(model)
    with pytest.raises(CompositionError, match="applies gelu"):
        model(X)


def test_the_outermost_module_that_is_called_decides():
    """A part may break what a later lawful layer makes anew; a module around it need not be called."""
    model = nn.Sequential(Head(nn.GELU()), Head(nn.Identity()))
    adam(model)
    model(X)
    outer = nn.Module()  # a training module, whose own forward pass nobody calls
    outer.model = Head(nn.GELU())
    adam(outer)
    with pytest.raises(CompositionError, match="applies gelu"):
        outer.model(X)


def test_a_failing_forward_pass_leaves_nothing_behind():
    model = Head(lambda m, y, x: y if len(x) == 8 else y.nonsense)
    adam(model)
    with pytest.raises(AttributeError, match="nonsense"):
        model(X[:3])
    assert torch.overrides._len_torch_function_stack() == 0
    model(X)
    assert hooks(model) == 0


def own(after):
    """A layer of torch for which a user makes the claim."""
    balance = torch.tensor([[1.0, 1.0, -1.0]], dtype=torch.float64)
    layer = physmix.constrain(nn.Linear(3, 3, dtype=torch.float64), physmix.on_outputs(balance))
    layer.claim = claim_laws(BALANCE, ["a", "b", "c"])
    return nn.Sequential(nn.Tanh(), layer, after)


def test_transforms_of_functions_are_not_looked_into():
    """The next plain forward pass is."""
    model = Head(lambda m, y, x: torch.relu(x + y), BALANCE, ("a", "b", "c"))
    adam(model)
    torch.func.jacrev(lambda x: torch.vmap(model)(x[:, None]))(INPUT)
    with pytest.raises(CompositionError, match="applies relu"):
        model(INPUT)


def test_copies_exports_and_compilation_go_on():
    model = own(nn.Identity())
    expected = model(X)
    adam(model)
    copied = copy.deepcopy(model)
    assert torch.equal(copied(X), expected)
    assert hooks(copied) == 0
    torch.save(model, io.BytesIO())
    exported = torch.export.export(model, (X,))
    assert torch.allclose(exported.module()(X), expected, rtol=1e-14)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(X), expected, rtol=1e-14)
    assert hooks(model) == 2  # what is compiled is not looked at
    physmix.check_composition(compiled, X)
    with pytest.raises(CompositionError, match="applies gelu"):
        physmix.check_composition(torch.compile(own(nn.GELU()), backend="eager"), X)
