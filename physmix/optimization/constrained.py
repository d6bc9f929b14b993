"""Which parameters of a module obey which constraint set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from physmix.constraints import ConstraintSet, Kernel, Outputs, intersect
from physmix.errors import NoFreedomError, SettingsError, ShapeError

AnyModule = TypeVar("AnyModule", bound=nn.Module)
_CONVOLUTIONS: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def constrain(
    module: AnyModule,
    members: ConstraintSet | Sequence[ConstraintSet],
    name: str = "weight",
    *,
    bias: ConstraintSet | None = None,
) -> AnyModule:
    """Declare that a parameter of a module stays in a set; returns the module.

        constrain(torch.nn.Conv2d(8, 3, 1), physmix.on_outputs(A, B))

    The parameter is projected at once, and then kept lawful by an optimiser that went through
    `projected`. The module stays the plain module that it is: nothing is added to its forward pass,
    its state or its export.

    Args:
        module: with the parameter. The weight of a Linear, or of a convolution with 1x1 kernel, is
            the matrix (outputs, inputs); any other parameter is taken as it is.
        members: the set, or several whose intersection is meant.
        name: of the parameter.
        bias: the set of the module's bias. Where a relation A y = B x holds (`on_outputs`) it is
            A b = 0 if omitted; elsewhere the bias is free.

    Raises:
        SettingsError: if there is no such parameter, or the module mixes more than channels.
        ShapeError, UnsupportedSetError, ContradictionError: if the sets do not fit the parameter.
        NoFreedomError: if one single weight is lawful.
    """
    if bias is None and isinstance(members, Outputs):
        bias = members.bias
    _declare(module, name, members)
    if bias is not None and getattr(module, "bias", None) is not None:
        _declare(module, "bias", bias, may_be_fixed=True)
    return module


def _declare(
    module: nn.Module,
    name: str,
    members: ConstraintSet | Sequence[ConstraintSet],
    *,
    may_be_fixed: bool = False,
) -> None:
    parameter = dict(module.named_parameters(recurse=False)).get(name)
    kind = type(module).__name__
    if parameter is None:
        known = ", ".join(key for key, _ in module.named_parameters(recurse=False)) or "none"
        raise SettingsError(kind, f"it has no parameter {name!r}", f"its own parameters are {known}")
    dimensions = _CONVOLUTIONS.get(type(module), 0) if name == "weight" else 0
    if dimensions and (module.groups != 1 or any(length != 1 for length in parameter.shape[2:])):
        raise ShapeError(f"the kernel of {kind}", parameter.shape, "(outputs, inputs, 1, ...) in one group")
    if not isinstance(members, ConstraintSet):
        shape = parameter.shape[: parameter.ndim - dimensions]
        axes = max(one.axes for one in members)
        members = intersect(*members, shape=shape[len(shape) - axes :])
    held = Kernel(members, dimensions) if dimensions else members
    held.check_shape(parameter.shape)
    if held.freedom(parameter.shape) == 0 and not may_be_fixed:
        raise NoFreedomError(
            f"the set {members!r} of {kind}.{name}", "drop a condition, or set the weight by hand"
        )
    with torch.no_grad():
        parameter.copy_(held.project(parameter))
    module.constrained = {**getattr(module, "constrained", {}), name: held}  # type: ignore[assignment]


def constrained_parameters(module: nn.Module) -> Iterator[tuple[nn.Parameter, ConstraintSet]]:
    """Every constrained parameter of a module and its parts, with its set.

    A part declares them by `constrain`, or by an attribute `constrained` that maps names of
    parameters to sets.
    """
    for _, parameter, members in _named(module):
        yield parameter, members


def _named(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, ConstraintSet]]:
    for path, part in module.named_modules():
        sets = getattr(part, "constrained", None)
        for name, members in sets.items() if isinstance(sets, Mapping) else ():
            # In free coordinates the parameter is a result, lawful by itself.
            if isinstance(members, ConstraintSet) and not is_parametrized(part, name):
                yield f"{path}.{name}".lstrip("."), getattr(part, name), members


def violations(module: nn.Module) -> dict[str, float]:
    """The violation of each constrained parameter, by its name in the module."""
    found = {}
    for name, parameter, members in _named(module):
        found[name] = members.violation(_full(parameter.detach()))
    return found


@torch.no_grad()
def project_weights(module: nn.Module) -> None:
    """Project every constrained parameter in place: after averaging, quantising or editing weights."""
    for parameter, members in constrained_parameters(module):
        apply(parameter, members, members.project)


def apply(parameter: Any, members: ConstraintSet, change: Callable[..., Tensor], *others: Any) -> None:
    """Put change(parameter, *others) into the last of these tensors, sharded or not.

    A shard along independent members that obey the same conditions is changed by itself; otherwise
    each process changes the whole weight, and keeps its part.
    """
    tensors = (parameter, *others)
    target = tensors[-1]
    if not _is_sharded(target):
        target.copy_(change(*tensors))
        return
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor  # noqa: PLC0415

    lead = target.ndim - members.axes - members.places
    own = all(isinstance(p, Replicate) or (isinstance(p, Shard) and p.dim < lead) for p in target.placements)
    if own:
        parts = [tensor.to_local() for tensor in tensors]
        if parts[-1].numel():
            parts[-1].copy_(change(*parts))
        return
    whole = change(*(tensor.full_tensor() for tensor in tensors))
    target.copy_(distribute_tensor(whole, target.device_mesh, target.placements))


def _is_sharded(tensor: Any) -> bool:
    return hasattr(tensor, "full_tensor")  # a DTensor; its module takes long to import


def _full(tensor: Any) -> Tensor:
    whole: Tensor = tensor.full_tensor() if _is_sharded(tensor) else tensor
    return whole
