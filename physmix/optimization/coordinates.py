"""Free coordinates: weights of affine sets as W = W0 + N theta, with theta free."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

from physmix.constraints import ConstraintSet, Kind
from physmix.errors import UnsupportedSetError

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class Chart(nn.Module):
    """Takes free coordinates to members of an affine set, and back."""

    def __init__(self, members: ConstraintSet) -> None:
        super().__init__()
        self.members = members

    def forward(self, coordinates: Tensor) -> Tensor:
        """The members."""
        return self.members.point(coordinates)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The coordinates of the members nearest to a weight."""
        return self.members.coordinates(weight)


def free_coordinates(module: AnyModule) -> AnyModule:
    """Train the constrained weights of a module in free coordinates; returns the module.

    Every optimiser, with any setting, is then lawful and ends at the constrained optimum: there is
    nothing left to project. The chart is an isometry, so that curvature is unchanged. `fixed_weights`
    turns the result into plain weights again.

    Raises:
        UnsupportedSetError: if a set is not affine.
    """
    for part in list(module.modules()):
        for name, members in dict(getattr(part, "constrained", {})).items():
            if members.kind is not Kind.AFFINE:
                remedy = "use physmix.projected, or physmix.SpectralProjectedGradient"
                raise UnsupportedSetError(repr(members), "free coordinates", remedy)
            if not is_parametrized(part, name):
                register_parametrization(part, name, Chart(members))
    return module


def fixed_weights(module: AnyModule) -> AnyModule:
    """Undo `free_coordinates`: the weights are plain parameters again, with their present values."""
    for part in list(module.modules()):
        for name in dict(getattr(part, "constrained", {})):
            if is_parametrized(part, name) and _is_chart(part, name):
                remove_parametrizations(part, name, leave_parametrized=True)
    return module


def _is_chart(part: Any, name: str) -> bool:
    return isinstance(part.parametrizations[name][0], Chart)
