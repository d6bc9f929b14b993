"""Projected optimisation: any torch optimiser, kept on the constraint and at its true optimum.

"Step, then project" moves the fixed point of an optimiser that scales coordinates, such as Adam.
So gradients are replaced by the gradient mapping (W - P(W - eta g)) / eta *before* the step, and
weights are projected after it. A step along -D G with positive definite D, projected, rests at a
point only if the mapping G vanishes there: with W - eta G a member, a resting point gives
<D G, G> <= 0. A closure computes its gradients inside the step; there the mapping is applied to
what the closure leaves behind, each time it is called.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn, optim

from physmix.constraints import ConstraintSet, Kind
from physmix.errors import UnsupportedOptimizerError, listing
from physmix.optimization.composition import watch_composition
from physmix.optimization.constrained import apply, constrained_parameters
from physmix.optimization.watch import GradientWatch

AnyOptimizer = TypeVar("AnyOptimizer", bound=optim.Optimizer)

FIRST_ORDER: tuple[type[optim.Optimizer], ...] = (
    optim.SGD,
    optim.Adam,
    optim.AdamW,
    optim.NAdam,
    optim.RAdam,
    optim.Adamax,
    optim.RMSprop,
    optim.Adagrad,
    optim.ASGD,
)
"""Optimisers whose step is a positive scaling of (averaged) gradients: they serve on every set."""
QUASI_NEWTON: tuple[type[optim.Optimizer], ...] = (optim.LBFGS,)
"""Optimisers that take curvature from gradients: on affine sets mapped gradients have it right."""
_SMALLEST_STEP = 1e-4


class _Held(NamedTuple):
    parameter: nn.Parameter
    members: ConstraintSet
    group: dict[str, Any]


class _Projection:
    """The hooks of one optimiser, for the constrained parameters that it holds and trains."""

    def __init__(self, module: nn.Module, *, trusted: bool) -> None:
        self.known = {id(p): (p, members) for p, members in constrained_parameters(module)}
        self.watch = None if trusted else GradientWatch()
        self.trusted = trusted

    def held(self, optimizer: optim.Optimizer) -> list[_Held]:
        """The constrained parameters of an optimiser as it is now, with their groups."""
        return [
            _Held(*self.known[id(p)], group)
            for group in optimizer.param_groups
            for p in group["params"]
            if id(p) in self.known and p.requires_grad
        ]

    def check(self, optimizer: optim.Optimizer) -> None:
        """Refuse what would move the constrained optimum."""
        name = type(optimizer).__name__
        if not (self.trusted or _steps_as_listed(optimizer)):
            known = listing(kind.__name__ for kind in (*FIRST_ORDER, *QUASI_NEWTON))
            raise UnsupportedOptimizerError(
                name,
                "constrained weights is untested, and perhaps",
                f"use one of {known}, train affine sets in physmix.free_coordinates(module), or say "
                "trusted=True if its step is a positive definite map of the gradient",
            )
        for _, members, group in self.held(optimizer):
            for setting in ("weight_decay", "lambd"):  # ASGD has its decay under another name
                if group.get(setting):
                    raise UnsupportedOptimizerError(
                        name,
                        f"{setting}={group[setting]} on a constrained weight",
                        f"set {setting}=0 for it, or give it a parameter group of its own",
                    )
            if isinstance(optimizer, QUASI_NEWTON) and members.kind is not Kind.AFFINE:
                raise UnsupportedOptimizerError(
                    name,
                    f"the set {members!r}",
                    "it takes the bounds for curvature; use physmix.SpectralProjectedGradient(module)",
                )

    def map_gradients(self, optimizer: optim.Optimizer) -> None:
        # A fused step unscales by itself, and does nothing where a gradient is infinite.
        scale, infinite = (getattr(optimizer, name, None) for name in ("grad_scale", "found_inf"))
        if infinite is not None and bool(infinite):
            return
        for parameter, members, group in self.held(optimizer):
            if parameter.grad is None:
                continue
            if self.watch is not None:
                self.watch.check(parameter, type(optimizer).__name__)
            sign = -1.0 if group.get("maximize") else 1.0
            step = max(float(group.get("lr", 1.0)), _SMALLEST_STEP) / (1.0 if scale is None else float(scale))
            change = partial(_mapped, members, sign, step)
            apply(parameter.detach(), members, change, parameter.grad)

    def before(
        self, optimizer: optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        self.check(optimizer)
        # args[0] is the optimiser itself: torch passes the arguments of the unbound step.
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            with torch.no_grad():
                self.map_gradients(optimizer)
            return None

        def mapped_closure() -> Any:
            with torch.enable_grad():
                loss = closure()
            with torch.no_grad():
                self.map_gradients(optimizer)
            return loss

        rest = {key: value for key, value in kwargs.items() if key != "closure"}
        return (args[0], mapped_closure, *args[2:]), rest

    def after(self, optimizer: optim.Optimizer, args: Any, kwargs: Any) -> None:
        del args, kwargs
        with torch.no_grad():
            for parameter, members, _ in self.held(optimizer):
                apply(parameter.detach(), members, members.project)


def _steps_as_listed(optimizer: optim.Optimizer) -> bool:
    # A subclass may inherit the step, or write one of its own; torch wraps steps to call hooks.
    step = inspect.unwrap(type(optimizer).step)
    return any(
        isinstance(optimizer, kind) and step is inspect.unwrap(kind.step)
        for kind in (*FIRST_ORDER, *QUASI_NEWTON)
    )


def _mapped(members: ConstraintSet, sign: float, step: float, weight: Tensor, gradient: Tensor) -> Tensor:
    return sign * members.map_gradient(weight, sign * gradient, step)


def projected(optimizer: AnyOptimizer, module: nn.Module, *, trusted: bool = False) -> AnyOptimizer:
    """Keep the constrained weights of a module lawful under this optimiser; returns the optimiser.

        optimizer = projected(torch.optim.Adam(model.parameters(), lr=1e-3), model)

    Works in a plain loop, with a closure, under Lightning, with accumulation, gradient scaling and
    sharded weights. Clip gradients by norm: clipping entry by entry moves the constrained optimum,
    and is refused when it is seen. So is a network that breaks laws after a lawful layer, in its
    first forward pass; see `check_composition`.

    Args:
        optimizer: one of FIRST_ORDER on any set; one of QUASI_NEWTON on affine sets.
        module: whose constrained parameters are meant.
        trusted: whether to take an optimiser that is not listed, gradients that were changed after
            the backward pass, and whatever follows a lawful layer, at your own risk.

    Raises:
        UnsupportedOptimizerError: for a pair of optimiser and set, or a setting, that would not
            reach the constrained optimum; it names what does.
    """
    projection = _Projection(module, trusted=trusted)
    held = projection.held(optimizer)
    if not held:
        raise UnsupportedOptimizerError(
            type(optimizer).__name__,
            "none of the constrained weights of the module",
            "give it module.parameters()",
        )
    projection.check(optimizer)
    if projection.watch is not None:
        for parameter, _, _ in held:
            projection.watch.add(parameter)
        watch_composition(module)
    # The hooks ask for numbers, which a compiled step cannot give: it breaks off for them.
    optimizer.register_step_pre_hook(torch.compiler.disable(projection.before))
    optimizer.register_step_post_hook(torch.compiler.disable(projection.after))
    return optimizer
