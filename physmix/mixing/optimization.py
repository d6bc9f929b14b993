"""Projected optimisation: any torch optimiser, kept on the constraint and at its true optimum.

"Step, then project" moves the fixed point of an optimiser that scales coordinates, such as Adam.
So gradients are replaced by the gradient mapping (W - P(W - eta g)) / eta *before* the step, and
weights are projected after it. A closure computes its gradients inside the step; there the mapping
is applied to what the closure leaves behind, each time it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from physmix.constraints import LinearSet
from physmix.errors import UnsupportedOptimizerError

AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)


def constrained_parameters(module: nn.Module) -> Iterator[tuple[nn.Parameter, LinearSet]]:
    """Every constrained parameter of a module, with its set."""
    for part in module.modules():
        sets: dict[str, LinearSet] = getattr(part, "constrained", {})
        for name, members in sets.items():
            yield getattr(part, name), members


class _Projection:
    """The hooks of one optimiser."""

    def __init__(self, module: nn.Module) -> None:
        self.pairs = list(constrained_parameters(module))

    def map_gradients(self) -> None:
        for parameter, members in self.pairs:
            if parameter.grad is not None:
                parameter.grad.copy_(members.map_gradient(parameter.detach(), parameter.grad))

    def before(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        refuse_weight_decay(optimizer, [parameter for parameter, _ in self.pairs])
        # args[0] is the optimiser itself: torch passes the arguments of the unbound step.
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self.map_gradients()
            return None

        def mapped_closure() -> Any:
            with torch.enable_grad():
                loss = closure()
            self.map_gradients()
            return loss

        rest = {key: value for key, value in kwargs.items() if key != "closure"}
        return (args[0], mapped_closure, *args[2:]), rest

    def after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        del optimizer, args, kwargs
        with torch.no_grad():
            for parameter, members in self.pairs:
                parameter.copy_(members.project(parameter))


def refuse_weight_decay(optimizer: torch.optim.Optimizer, constrained: list[nn.Parameter]) -> None:
    """Raise unless weight decay is zero wherever a constrained parameter is optimised."""
    held = {id(parameter) for parameter in constrained}
    for group in optimizer.param_groups:
        if group.get("weight_decay") and any(id(p) in held for p in group["params"]):
            raise UnsupportedOptimizerError(
                type(optimizer).__name__,
                f"weight_decay={group['weight_decay']} on a constrained weight",
                "set weight_decay=0 for it, or give it a parameter group of its own",
            )


def projected(optimizer: AnyOptimizer, module: nn.Module) -> AnyOptimizer:
    """Keep the constrained weights of a module lawful under this optimiser; returns the optimiser.

        optimizer = projected(torch.optim.Adam(model.parameters(), lr=1e-3), model)

    Works in a plain loop, with a closure, and under Lightning. Clip gradients by norm, never
    element by element: the latter moves the constrained optimum.

    Raises:
        UnsupportedOptimizerError: for weight decay on a constrained weight.
    """
    projection = _Projection(module)
    refuse_weight_decay(optimizer, [parameter for parameter, _ in projection.pairs])
    optimizer.register_step_pre_hook(projection.before)
    optimizer.register_step_post_hook(projection.after)
    return optimizer


def residual(module: nn.Module) -> float:
    """The largest |A w - b| of the constrained weights, for rows of unit norm."""
    worst: list[Tensor] = [
        members.residual(parameter.detach()).abs().max()
        for parameter, members in constrained_parameters(module)
        if members.matrix.shape[0]
    ]
    return max((float(value) for value in worst), default=0.0)
