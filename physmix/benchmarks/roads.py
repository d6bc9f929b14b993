"""Roads to an optimum: the full-batch loops in which benchmarks let optimisers run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from physmix.constraints import ConstraintSet


def closure(problem: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
    """What an optimiser calls: clears gradients, and computes the loss and its gradients."""

    def run() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = problem()
        loss.backward()
        return loss

    return run


def descend(problem: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """So many steps. Those of plain gradient descent get short by themselves; all others are shortened."""
    evaluate = closure(problem, optimizer)
    plain = isinstance(optimizer, torch.optim.SGD)
    decay = None if plain else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        evaluate()
        optimizer.step()
        if decay is not None:
            decay.step()


def search(problem: nn.Module, optimizer: torch.optim.Optimizer, rounds: int = 1) -> None:
    """So many calls of an optimiser that evaluates the loss by itself."""
    evaluate = closure(problem, optimizer)
    for _ in range(rounds):
        optimizer.step(evaluate)


def lbfgs(parameters: Any, steps: int, history: int = 50) -> torch.optim.LBFGS:
    """L-BFGS that goes on to round-off, with this many steps in a call."""
    return torch.optim.LBFGS(
        parameters,
        max_iter=steps,
        history_size=history,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )


def project_afterwards(
    optimizer: torch.optim.Optimizer, weight: nn.Parameter, members: ConstraintSet
) -> torch.optim.Optimizer:
    """The twin that must fail: steps as they are, and then a projection. Returns the optimiser."""

    @torch.no_grad()
    def project(*_: Any) -> None:
        weight.copy_(members.project(weight))

    optimizer.register_step_post_hook(project)
    return optimizer
