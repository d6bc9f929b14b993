"""Every pair of optimiser and set: it reaches the constrained optimum, or is refused with what does."""

import pytest
import torch
from optima import AFFINE, SETS, Problem
from torch import nn, optim

from physmix.constraints import LinearSet
from physmix.errors import UnsupportedOptimizerError, UnsupportedSetError
from physmix.optimization import (
    FIRST_ORDER,
    GaussNewton,
    SpectralProjectedGradient,
    constrain,
    fixed_weights,
    free_coordinates,
    projected,
    violations,
)

STEPS, CLOSE, LAWFUL = 200, 1e-6, 1e-14
CURVED = [name for name in SETS if name not in AFFINE]

SETTINGS = {
    "SGD": [{"lr": 0.1}, {"lr": 0.05, "momentum": 0.8}, {"lr": 0.05, "momentum": 0.8, "nesterov": True}],
    "Adam": [{"lr": 0.2}, {"lr": 0.2, "amsgrad": True}],
    "AdamW": [{"lr": 0.2, "weight_decay": 0}],
    "NAdam": [{"lr": 0.2}],
    "RAdam": [{"lr": 0.3}],
    "Adamax": [{"lr": 0.3}],
    "RMSprop": [{"lr": 0.05}, {"lr": 0.05, "momentum": 0.5, "centered": True}],
    "Adagrad": [{"lr": 0.5}],
    "ASGD": [{"lr": 0.1, "lambd": 0}],
}
PAIRS = [
    pytest.param(getattr(optim, name), settings, id="-".join([name, *list(settings)[1:]]))
    for name, choices in SETTINGS.items()
    for settings in choices
]


def descend(model, optimizer, steps=STEPS, between=lambda: None, after=lambda: None):
    decay = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        model().backward()
        between()
        optimizer.step()
        after()
        decay.step()


def closure_of(model, optimizer, between=lambda: None):
    def closure():
        optimizer.zero_grad()
        loss = model()
        loss.backward()
        between()
        return loss

    return closure


def ends_well(model):
    assert abs(model.excess()) < CLOSE
    assert max(violations(model).values()) < LAWFUL


def test_every_first_order_optimiser_is_tried():
    assert {kind.__name__ for kind in FIRST_ORDER} == set(SETTINGS)


@pytest.mark.parametrize(("kind", "settings"), PAIRS)
@pytest.mark.parametrize("name", SETS)
def test_first_order_optimisers_reach_the_optimum(name, kind, settings):
    model = Problem(name)
    assert model.excess() > 0.1
    descend(model, projected(kind(model.parameters(), **settings), model))
    ends_well(model)


def test_the_optimum_is_below_its_neighbours(generator):
    """The known optima hold: no other member is better, and members come near."""
    for name in SETS:
        model = Problem(name)
        for size in (1.0, 0.1):
            near = model.weight + size * torch.randn(200, *model.weight.shape, generator=generator)
            for weight in model.members.project(near.detach()):
                assert float(model(weight).detach()) >= model.best - 1e-12


# Clamping to a box acts on each entry by itself, as Adam does; there the two may change places.
@pytest.mark.parametrize("name", [name for name in SETS if name != "box"])
def test_step_then_project_ends_at_the_wrong_point_under_adam(name):
    model = Problem(name)

    def project():
        with torch.no_grad():
            model.weight.copy_(model.members.project(model.weight))

    descend(model, optim.Adam(model.parameters(), lr=0.2), after=project)
    assert max(violations(model).values()) < LAWFUL  # the violation sees nothing
    assert model.excess() > 1e-2


@pytest.mark.parametrize(
    "settings", [{"line_search_fn": "strong_wolfe"}, {"lr": 0.5}], ids=["wolfe", "plain"]
)
@pytest.mark.parametrize("name", AFFINE)
def test_lbfgs_reaches_the_optimum_on_affine_sets(name, settings):
    model = Problem(name)
    optimizer = projected(optim.LBFGS(model.parameters(), **settings), model)
    for _ in range(15):
        optimizer.step(closure_of(model, optimizer))
    ends_well(model)


@pytest.mark.parametrize("name", AFFINE)
def test_gauss_newton_reaches_the_optimum_on_affine_sets(name):
    model = Problem(name)
    optimizer = GaussNewton(model)
    for _ in range(20):
        optimizer.step(model.residuals)
    ends_well(model)


@pytest.mark.parametrize("name", SETS)
def test_spectral_projected_gradient_reaches_the_optimum(name):
    model = Problem(name)
    optimizer = SpectralProjectedGradient(model)
    for _ in range(10):
        optimizer.step(closure_of(model, optimizer))
    ends_well(model)


@pytest.mark.parametrize("name", AFFINE)
def test_free_coordinates_reach_the_optimum_under_any_optimiser(name):
    model = free_coordinates(Problem(name))
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    for _ in range(5):
        optimizer.step(closure_of(model, optimizer))
    assert abs(model.excess()) < CLOSE
    ends_well(fixed_weights(model))
    other = free_coordinates(Problem(name))
    descend(other, optim.Rprop(other.parameters(), lr=0.01))  # one that `projected` refuses
    assert abs(other.excess()) < CLOSE


@pytest.mark.parametrize("name", CURVED)
def test_what_takes_curvature_is_refused_on_sets_with_bounds_or_curvature(name):
    model = Problem(name)
    with pytest.raises(UnsupportedOptimizerError, match=r"use physmix\.SpectralProjectedGradient\(module\)"):
        projected(optim.LBFGS(model.parameters()), model)
    with pytest.raises(UnsupportedOptimizerError, match=r"use physmix\.SpectralProjectedGradient\(module\)"):
        GaussNewton(model)
    with pytest.raises(UnsupportedSetError, match=r"physmix\.projected.*SpectralProjectedGradient"):
        free_coordinates(model)


class Foreign(optim.Optimizer):
    """What another package might bring: sign descent."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.01})

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.sub_(self.param_groups[0]["lr"] * p.grad.sign())


class Ascending(optim.Adam):
    """A listed optimiser in name only."""

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.add_(p.grad)


class Renamed(optim.Adam):
    """A listed optimiser with settings of its own."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.2)


@pytest.mark.parametrize(
    "make",
    [
        optim.Adadelta,
        optim.Rprop,
        optim.SparseAdam,
        optim.Muon,
        optim.Adafactor,
        Foreign,
        Ascending,
    ],
    ids=lambda make: make.__name__,
)
def test_an_optimiser_that_is_not_listed_is_refused_unless_trusted(make):
    model = Problem("linear")
    listed = r"use one of SGD, Adam, .*physmix\.free_coordinates\(module\).*trusted=True"
    with pytest.raises(UnsupportedOptimizerError, match=listed):
        projected(make(model.parameters()), model)
    trusted = make(model.parameters())
    for group in trusted.param_groups:
        group["weight_decay"] = 0.0
    assert projected(trusted, model, trusted=True) is trusted


def test_a_subclass_that_steps_as_a_listed_one_serves():
    model = Problem("linear")
    descend(model, projected(Renamed(model.parameters()), model))
    ends_well(model)


def test_a_trusted_optimiser_is_kept_lawful():
    model = Problem("simplex")
    before = model.excess()
    descend(model, projected(Foreign(model.parameters()), model, trusted=True))
    assert max(violations(model).values()) < LAWFUL
    assert model.excess() < before


@pytest.mark.parametrize("name", SETS)
def test_the_default_decay_of_adamw_is_refused(name):
    model = Problem(name)
    with pytest.raises(UnsupportedOptimizerError, match=r"weight_decay=0\.01.*set weight_decay=0"):
        projected(optim.AdamW(model.parameters()), model)


REAL = [name for name in SETS if name != "complex linear"]


def clip_entries(model):
    nn.utils.clip_grad_value_(model.parameters(), 0.5)


@pytest.mark.parametrize("name", REAL)  # torch clips no complex entries
def test_clipping_entry_by_entry_is_refused(name):
    model = Problem(name)
    optimizer = projected(optim.Adam(model.parameters(), lr=0.2), model)
    with pytest.raises(UnsupportedOptimizerError, match=r"clip by norm \(torch.nn.utils.clip_grad_norm_\)"):
        descend(model, optimizer, between=lambda: clip_entries(model))


@pytest.mark.parametrize("kind", [optim.Adam, optim.LBFGS])
def test_clipping_entry_by_entry_inside_a_closure_is_refused(kind):
    model = Problem("linear")
    optimizer = projected(kind(model.parameters(), lr=0.1), model)
    with pytest.raises(UnsupportedOptimizerError, match="entry by entry"):
        optimizer.step(closure_of(model, optimizer, between=lambda: clip_entries(model)))


def test_clipping_entry_by_entry_passes_where_trusted():
    model = Problem("linear")
    optimizer = projected(optim.Adam(model.parameters(), lr=0.2), model, trusted=True)
    descend(model, optimizer, between=lambda: clip_entries(model))
    assert max(violations(model).values()) < LAWFUL


@pytest.mark.parametrize("name", SETS)
def test_clipping_by_norm_reaches_the_optimum(name):
    model = Problem(name)
    optimizer = projected(optim.SGD(model.parameters(), lr=0.1), model)
    descend(model, optimizer, between=lambda: nn.utils.clip_grad_norm_(model.parameters(), 10.0))
    ends_well(model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_clipping_by_norm_is_not_taken_for_clipping_by_entry(dtype, generator):
    """Rounding of half precision moves entries by more than that of float32."""
    from physmix.optimization.watch import GradientWatch

    for _ in range(200):
        parameter = nn.Parameter(torch.zeros(3, 5, dtype=dtype))
        watch = GradientWatch()
        watch.add(parameter)
        slope = torch.randn(3, 5, generator=generator).to(dtype)
        (parameter * slope).sum().backward()
        nn.utils.clip_grad_norm_([parameter], 0.1)
        watch.check(parameter, "SGD")


@pytest.mark.parametrize("name", SETS)
def test_accumulated_gradients_reach_the_optimum(name):
    model = Problem(name)
    optimizer = projected(optim.Adam(model.parameters(), lr=0.2), model)

    def again():
        model().backward()
        model.weight.grad /= 2

    descend(model, optimizer, between=again)
    ends_well(model)


def test_unscaled_gradients_reach_the_optimum():
    model = Problem("simplex")
    optimizer = projected(optim.Adam(model.parameters(), lr=0.2), model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=50)
    decay = optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for turn in range(STEPS):
        optimizer.zero_grad()
        scaler.scale(model()).backward()
        if turn % 2:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 100.0)
        scaler.step(optimizer)
        scaler.update()
        decay.step()
    ends_well(model)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_climbing_the_negative_reaches_the_optimum(kind, name):
    model = Problem(name)
    optimizer = projected(kind(model.parameters(), lr=0.1, maximize=True), model)

    def negate():
        model.weight.grad.neg_()

    descend(model, optimizer, between=negate)
    ends_well(model)


@pytest.mark.parametrize("name", SETS)
def test_a_schedule_may_end_at_zero(name):
    model = Problem(name)
    optimizer = projected(optim.Adam(model.parameters(), lr=0.2), model)
    decay = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model().backward()
        optimizer.step()
        decay.step()
    assert optimizer.param_groups[0]["lr"] == 0.0
    ends_well(model)
    rest = model.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        model().backward()
        optimizer.step()
    torch.testing.assert_close(model.weight.detach(), rest, rtol=0, atol=1e-15)


def test_groups_may_have_rates_of_their_own():
    parts = nn.ModuleList(Problem(name) for name in SETS)
    groups = [{"params": part.parameters(), "lr": 0.15 + 0.02 * i} for i, part in enumerate(parts)]
    optimizer = projected(optim.Adam(groups), parts)
    descend(lambda: sum(part() for part in parts), optimizer)
    for part in parts:
        ends_well(part)


def test_a_rate_may_be_a_tensor():
    model = Problem("simplex")
    optimizer = projected(optim.Adam(model.parameters(), lr=torch.tensor(0.2)), model)
    descend(model, optimizer)
    ends_well(model)


def test_a_group_added_later_is_held():
    first, second = Problem("linear"), Problem("simplex")
    both = nn.ModuleList([first, second])
    optimizer = projected(optim.Adam(first.parameters(), lr=0.2), both)
    optimizer.add_param_group({"params": list(second.parameters())})
    descend(lambda: first() + second(), optimizer)
    ends_well(first)
    ends_well(second)


IMPLEMENTATIONS = [
    pytest.param(kind, settings, id=kind.__name__)
    for kind, settings in [
        (optim.SGD, {"lr": 0.05, "momentum": 0.8}),
        (optim.Adam, {"lr": 0.1}),
        (optim.AdamW, {"lr": 0.1, "weight_decay": 0}),
        (optim.Adagrad, {"lr": 0.5}),
    ]
]


@pytest.mark.parametrize(("kind", "settings"), IMPLEMENTATIONS)
@pytest.mark.parametrize("name", REAL)  # fused steps take no complex weights
def test_every_implementation_of_a_step_agrees(name, kind, settings):
    ends = []
    for how in ({"foreach": False}, {"foreach": True}, {"fused": True}):
        model = Problem(name)
        descend(model, projected(kind(model.parameters(), **settings, **how), model), 50)
        ends.append(model.weight.detach())
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(ends[2], ends[0], rtol=0, atol=1e-10)


def test_a_second_step_on_one_gradient_is_no_clipping():
    """The first step leaves the mapped gradient, whose largest entry is smaller than the one born."""
    layer = constrain(nn.Linear(6, 1, bias=False), LinearSet(torch.ones(1, 6)))
    optimizer = projected(optim.SGD(layer.parameters(), lr=1e-3), layer)
    layer.weight[0, 0].backward()
    optimizer.step()
    optimizer.step()
    assert max(violations(layer).values()) < 1e-6
