"""Projected optimisation reaches the constrained optimum; step-then-project does not.

No test of the violation sees the difference: both stay on the constraint. So there is a quadratic
whose constrained optimum is known, and every optimiser, in every kind of loop, must end there.
"""

import copy
import warnings

import pytest
import torch
from lightning import LightningModule, Trainer
from quadratic import SIZE, Quadratic
from torch import nn
from torch.utils.data import DataLoader

from physmix.errors import UnsupportedOptimizerError
from physmix.optimization import constrained_parameters, projected, violations

STEPS = 1500


OPTIMIZERS = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=0.05), STEPS),
    "momentum": (lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9), STEPS),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.1), STEPS),
    "rmsprop": (lambda p: torch.optim.RMSprop(p, lr=0.05), STEPS),
    "lbfgs": (lambda p: torch.optim.LBFGS(p, line_search_fn="strong_wolfe"), 20),
}


def schedule(optimizer, steps):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def plain_loop(model, optimizer, steps):
    decay = schedule(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        model().backward()
        optimizer.step()
        decay.step()


def closure_loop(model, optimizer, steps, keyword=False):
    decay = schedule(optimizer, steps)

    def closure():
        optimizer.zero_grad()
        loss = model()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure=closure) if keyword else optimizer.step(closure)
        decay.step()


def lightning_loop(model, optimizer, steps, **settings):
    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def training_step(self, batch, index):
            return self.model()

        def configure_optimizers(self):
            decay = schedule(optimizer, steps)
            return [optimizer], [{"scheduler": decay, "interval": "step"}]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **settings,
        ).fit(Module(), DataLoader(range(steps * settings.get("accumulate_grad_batches", 1))))


def keyword_loop(model, optimizer, steps):
    closure_loop(model, optimizer, steps, keyword=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("loop", [plain_loop, closure_loop, keyword_loop])
def test_every_optimiser_reaches_the_constrained_optimum(loop, name):
    make, steps = OPTIMIZERS[name]
    if name == "lbfgs" and loop is plain_loop:
        loop = closure_loop  # it needs a closure
    model = Quadratic()
    loop(model, projected(make(model.parameters()), model), steps)
    assert abs(model.excess()) < 1e-6
    assert max(violations(model).values()) < 1e-13


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_lightning_reaches_the_constrained_optimum(name):
    make, steps = OPTIMIZERS[name]
    model = Quadratic()
    lightning_loop(model, projected(make(model.parameters()), model), steps)
    assert abs(model.excess()) < 1e-6
    assert max(violations(model).values()) < 1e-13


def test_lightning_with_accumulation_and_norm_clipping():
    model = Quadratic()
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=0.1), model)
    lightning_loop(model, optimizer, 1000, accumulate_grad_batches=2, gradient_clip_val=5.0)
    assert abs(model.excess()) < 1e-6


@pytest.mark.parametrize("loop", [plain_loop, closure_loop, lightning_loop])
def test_step_then_project_ends_at_the_wrong_point_under_adam(loop):
    """The twin that must fail: the same loop with the projection after the step only."""
    model = Quadratic()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

    def project(*_):
        with torch.no_grad():
            model.weight.copy_(model.members.project(model.weight))

    optimizer.register_step_post_hook(project)
    loop(model, optimizer, STEPS)
    assert model.members.contains(model.weight.detach())  # the violation sees nothing
    assert model.excess() > 1e-3


def test_mapping_the_old_gradient_ends_at_the_wrong_point_with_a_closure():
    """The other twin: a pre-hook that ignores the closure maps a gradient that is not used."""
    model = Quadratic()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

    def before(*_):
        if model.weight.grad is not None:
            model.weight.grad.copy_(model.members.map_gradient(model.weight.detach(), model.weight.grad))

    def after(*_):
        with torch.no_grad():
            model.weight.copy_(model.members.project(model.weight))

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
    closure_loop(model, optimizer, STEPS)
    assert model.excess() > 1e-3


def test_the_closure_loss_is_returned():
    model = Quadratic()
    optimizer = projected(torch.optim.SGD(model.parameters(), lr=0.0), model)
    assert optimizer.step(model.forward).item() == pytest.approx(model().item())


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_weight_decay_on_a_constrained_weight_is_refused(optimizer):
    model = Quadratic()
    with pytest.raises(UnsupportedOptimizerError, match="weight_decay=0"):
        projected(optimizer(model.parameters(), lr=0.1, weight_decay=0.01), model)
    other = nn.Parameter(torch.zeros(2))
    groups = [{"params": [model.weight], "weight_decay": 0.0}, {"params": [other], "weight_decay": 0.01}]
    projected(optimizer(groups, lr=0.1), model)  # decay elsewhere is fine


def test_decay_under_another_name_is_refused():
    model = Quadratic()
    with pytest.raises(UnsupportedOptimizerError, match="lambd=0"):
        projected(torch.optim.ASGD(model.parameters()), model)


def test_only_parameters_of_the_optimiser_are_touched():
    held, other, frozen = Quadratic(), Quadratic(), Quadratic()
    frozen.weight.requires_grad_(False)
    for model in (other, frozen):  # off the set: any projection would move them
        model.weight.data.add_(1.0)
    model = nn.ModuleList([held, other, frozen])
    parameters = [held.weight, frozen.weight]
    optimizer = projected(torch.optim.Adam(parameters, lr=0.1), model)
    before = [m.weight.detach().clone() for m in model]
    (held() + other()).backward()
    gradient = other.weight.grad.clone()
    optimizer.step()
    assert not torch.equal(held.weight, before[0])
    assert torch.equal(other.weight, before[1])
    assert torch.equal(other.weight.grad, gradient)
    assert torch.equal(frozen.weight, before[2])


def test_an_optimiser_of_other_parameters_is_refused():
    with pytest.raises(UnsupportedOptimizerError, match=r"none of the constrained weights.*parameters\(\)"):
        projected(torch.optim.SGD(Quadratic().parameters(), lr=0.1), Quadratic())


def test_weight_decay_set_later_is_refused():
    model = Quadratic()
    optimizer = projected(torch.optim.Adam(model.parameters()), model)
    optimizer.param_groups[0]["weight_decay"] = 0.1
    with pytest.raises(UnsupportedOptimizerError):
        plain_loop(model, optimizer, 1)


def test_drift_of_float32_is_removed():
    model = Quadratic().float()
    optimizer = projected(torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), model)
    model.hessian, model.target = model.hessian.float(), model.target.float()
    plain_loop(model, optimizer, 500)
    assert max(violations(model).values()) < 10 * torch.finfo(torch.float32).eps * SIZE**0.5


def test_a_copy_keeps_its_sets():
    model = nn.Sequential(Quadratic())
    copied = copy.deepcopy(model)
    assert len(list(constrained_parameters(copied))) == 1
    ((parameter, members),) = constrained_parameters(copied)
    assert parameter is copied[0].weight
    assert members.contains(parameter.detach())
