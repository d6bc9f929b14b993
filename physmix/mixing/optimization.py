"""Projected optimisation: any torch optimiser, kept on the constraint and at its true optimum.

"Step, then project" moves the fixed point of an optimiser that scales coordinates, such as Adam.
So gradients are replaced by the gradient mapping (W - P(W - eta g)) / eta *before* the step, and
weights are projected after it. A closure computes its gradients inside the step; there the mapping
is applied to what the closure leaves behind, each time it is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from physmix.constraints import LinearSet
from physmix.errors import UnsupportedOptimizerError

AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)


def constrained_parameters(module: nn.Module) -> Iterator[tuple[nn.Parameter, LinearSet]]:
    """Every constrained parameter of a module, with its set."""
    for part in module.modules():
        sets = getattr(part, "constrained", None)
        for name, members in sets.items() if isinstance(sets, Mapping) else ():
            yield getattr(part, name), members


class _Projection:
    """The hooks of one optimiser, for the constrained parameters that it holds and trains."""

    def __init__(self, module: nn.Module) -> None:
        self.known = {id(p): (p, members) for p, members in constrained_parameters(module)}

    def held(self, optimizer: torch.optim.Optimizer) -> list[tuple[nn.Parameter, LinearSet, dict[str, Any]]]:
        """The constrained parameters of an optimiser as it is now, with their groups."""
        return [
            (*self.known[id(p)], group)
            for group in optimizer.param_groups
            for p in group["params"]
            if id(p) in self.known and p.requires_grad
        ]

    def check(self, optimizer: torch.optim.Optimizer) -> None:
        """Refuse decay of a constrained parameter: it moves the constrained optimum."""
        for _, _, group in self.held(optimizer):
            for setting in ("weight_decay", "lambd"):  # ASGD has its decay under another name
                if group.get(setting):
                    raise UnsupportedOptimizerError(
                        type(optimizer).__name__,
                        f"{setting}={group[setting]} on a constrained weight",
                        f"set {setting}=0 for it, or give it a parameter group of its own",
                    )

    def map_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        for parameter, members, _ in self.held(optimizer):
            if parameter.grad is not None:
                parameter.grad.copy_(members.map_gradient(parameter.detach(), parameter.grad))

    def before(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        self.check(optimizer)
        # args[0] is the optimiser itself: torch passes the arguments of the unbound step.
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self.map_gradients(optimizer)
            return None

        def mapped_closure() -> Any:
            with torch.enable_grad():
                loss = closure()
            self.map_gradients(optimizer)
            return loss

        rest = {key: value for key, value in kwargs.items() if key != "closure"}
        return (args[0], mapped_closure, *args[2:]), rest

    def after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        with torch.no_grad():
            for parameter, members, _ in self.held(optimizer):
                parameter.copy_(members.project(parameter))


def projected(optimizer: AnyOptimizer, module: nn.Module) -> AnyOptimizer:
    """Keep the constrained weights of a module lawful under this optimiser; returns the optimiser.

        optimizer = projected(torch.optim.Adam(model.parameters(), lr=1e-3), model)

    Works in a plain loop, with a closure, and under Lightning; tested with SGD, Adam, RMSprop and
    L-BFGS. Clip gradients by norm, never element by element: the latter moves the constrained
    optimum.

    Raises:
        UnsupportedOptimizerError: for decay of a constrained weight, or if the optimiser holds none
            of the module's constrained weights.
    """
    projection = _Projection(module)
    if not projection.held(optimizer):
        raise UnsupportedOptimizerError(
            type(optimizer).__name__,
            "none of the constrained weights of the module",
            "give it module.parameters()",
        )
    projection.check(optimizer)
    optimizer.register_step_pre_hook(projection.before)
    optimizer.register_step_post_hook(projection.after)
    return optimizer


def largest_residual(module: nn.Module) -> float:
    """The largest |A w - b| of the constrained weights, for rows of unit norm."""
    worst: list[Tensor] = [
        members.residual(parameter.detach()).abs().max()
        for parameter, members in constrained_parameters(module)
        if members.matrix.shape[0]
    ]
    return max((float(value) for value in worst), default=0.0)
