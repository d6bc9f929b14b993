"""Normalisations with fixed statistics, folded into the linear layers beside them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from physmix.jets import affine_of

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def fold(module: AnyModule) -> AnyModule:
    """The same map with plain linear layers; a copy.

        model = physmix.fold(model.eval())

    In every `nn.Sequential` a BatchNorm1d goes into the Linear before it, or else into the one after
    it, or becomes a Linear of its own; a weight that is made from others, as by `weight_norm`, becomes
    a parameter. Weights that a law constrains are left as they are: so the law holds as it did, and
    the new module can be trained further without statistics that change.

    Args:
        module: a network, or a model around one.

    Raises:
        SettingsError: for a BatchNorm1d that is training, and so has no fixed statistics.
    """
    return _with_parts_folded(copy.deepcopy(module))  # type: ignore[return-value]


def _with_parts_folded(module: nn.Module) -> nn.Module:
    if _is_made(module):
        return _linear(module.weight, module.bias, module.training)
    for name, part in list(module.named_children()):
        setattr(module, name, _with_parts_folded(part))
    if type(module) is nn.Sequential:
        return nn.Sequential(*_folded(module)).train(module.training)
    return module


def _is_made(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether it is a Linear whose weight is made from others; torch makes a subclass of it."""
    free = not getattr(module, "constrained", None)
    return free and is_parametrized(module) and type(module).__mro__[1] is nn.Linear


def _folded(parts: Iterable[nn.Module]) -> list[nn.Module]:
    done: list[nn.Module] = []
    waiting = False  # whether the last one is a normalisation that no linear layer has taken in yet
    for part in parts:
        normalises = type(part) is nn.BatchNorm1d
        one = _diagonal(part) if isinstance(part, nn.BatchNorm1d) and normalises else part
        if done and _plain(one) and _plain(done[-1]) and (normalises or waiting):
            done[-1] = _product(one, done[-1])
            waiting = waiting and normalises
        else:
            done.append(one)
            waiting = normalises
    return done


def _plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    hooks = module._forward_hooks or module._forward_pre_hooks  # noqa: SLF001
    return type(module) is nn.Linear and not hooks and not getattr(module, "constrained", None)


def _diagonal(module: nn.BatchNorm1d) -> nn.Linear:
    factor, shift = affine_of(module)
    return _linear(torch.diag(factor), shift, module.training)


def _product(after: nn.Linear, before: nn.Linear) -> nn.Linear:
    """Both in one; where either is diagonal each weight is one product, so that nothing cancels."""
    shift = after.bias if before.bias is None else nn.functional.linear(before.bias, after.weight, after.bias)
    return _linear(after.weight @ before.weight, shift, before.training)


def _linear(weight: Tensor, bias: Tensor | None, training: bool) -> nn.Linear:  # noqa: FBT001
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias is not None, device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer.train(training)
