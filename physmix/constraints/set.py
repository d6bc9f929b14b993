"""What every constraint set is: the verbs, and the laws that they obey."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from physmix.errors import SettingsError, ShapeError, UnsupportedSetError


class Kind(enum.Enum):
    """What can be done on a set; the value says it in words."""

    AFFINE = "an affine set: every optimiser serves, and free coordinates exist"
    CONVEX = "a convex set with inequalities: first-order optimisers and spectral projected gradient serve"
    MANIFOLD = "a smooth manifold: first-order optimisers and spectral projected gradient serve"


class Polyhedral(NamedTuple):
    """A set in the form A w = b, lower <= w <= upper, for one member flattened to a vector."""

    matrix: Tensor
    right_side: Tensor
    lower: Tensor
    upper: Tensor
    names: tuple[str, ...]


class ConstraintSet(ABC):
    """A closed set of lawful weights.

    One member fills the last `axes` axes of a weight; leading axes are independent members. Every
    verb keeps the shape, dtype and device of what it is given, and the laws hold:

        project(project(w)) = project(w)                 idempotent
        project(w) = w for members                       to round-off
        residual(w) = 0 exactly for members
        |project(v) - project(w)| <= |v - w|             for affine and convex sets

    A set never changes after it is made; copies of a module share it.

    Attributes:
        axes: the number of trailing axes that make one member.
        places: the number of axes before those along which members obey conditions of their own, so
            that some of them cannot be projected without saying which.
        shape: of one member, where it is fixed; () where it is not.
        kind: what can be done on the set.
        tolerance: by how much a projection may miss the set relative to the size of a member; zero
            where the projection is in closed form, so that only round-off is left.
        is_complex: whether members are complex; a set of real conditions may take both.
    """

    axes: int
    places: int = 0
    kind: Kind
    shape: tuple[int, ...] = ()
    tolerance: float = 0.0
    is_complex: bool = False

    @abstractmethod
    def project(self, weight: Tensor) -> Tensor:
        """The member nearest to each vector or matrix (a nearest one, if the set is no convex set)."""

    @abstractmethod
    def residual(self, weight: Tensor) -> Tensor:
        """By how much each condition of the set is missed; zero for members."""

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """The gradient mapping (w - P(w - step * g)) / step of a member w.

        It vanishes exactly at the stationary points of the constrained problem, whatever the step
        (Beck, First-Order Methods in Optimization, 2017, theorem 10.7).
        """
        return (weight - self.project(weight - step * gradient)) / step

    def violation(self, weight: Tensor) -> float:
        """The largest residual, over 1 + the largest entry of the weight."""
        missed = self.residual(weight.detach())
        if missed.numel() == 0:
            return 0.0
        return float(missed.abs().max() / (1 + weight.detach().abs().max()))

    def contains(self, weight: Tensor) -> bool:
        """Whether every member is one to the round-off of its dtype, or the tolerance of the set."""
        return self.violation(weight) <= max(self.tolerance, round_off(weight, self.axes))

    def sample(
        self,
        *shape: int,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Members of this shape: projections of standard normal weights.

        On an affine set this is the standard normal distribution of the set.
        """
        self.check_shape(shape)
        kind = self.double() if dtype is None else dtype
        drawn = torch.randn(*shape, generator=generator, dtype=self.double(kind))
        return self.project(drawn).to(kind)

    def double(self, dtype: torch.dtype = torch.float64) -> torch.dtype:
        """float64 or complex128, whichever holds members and numbers of this dtype."""
        return torch.complex128 if self.is_complex or dtype.is_complex else torch.float64

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError if no weight of this shape can have members."""
        if len(shape) < self.axes:
            raise ShapeError("a constrained weight", shape, f"{self.axes} axes or more")
        if self.shape and tuple(shape[len(shape) - self.axes :]) != self.shape:
            raise ShapeError("a constrained weight", shape, f"(..., {', '.join(map(str, self.shape))})")

    def coordinates(self, weight: Tensor) -> Tensor:
        """The free coordinates of members of an affine set.

        Raises:
            UnsupportedSetError: if the set is not affine.
        """
        raise self._without_coordinates(weight)

    def point(self, coordinates: Tensor) -> Tensor:
        """The members at free coordinates: an isometry, and the inverse of `coordinates`.

        Raises:
            UnsupportedSetError: if the set is not affine.
        """
        raise self._without_coordinates(coordinates)

    def _without_coordinates(self, given: Tensor) -> UnsupportedSetError:
        what = f"free coordinates for {tuple(given.shape)}"
        return UnsupportedSetError(repr(self), what, "project its weights instead")

    def freedom(self, shape: Sequence[int]) -> int | None:
        """How many free coordinates a weight of this shape has; None where the set is not affine."""
        if self.kind is not Kind.AFFINE:
            return None
        self.check_shape(shape)
        return self.coordinates(torch.zeros(*shape, dtype=self.double())).numel()

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral | None:
        """The set as equations and bounds on one weight of this shape, if it is that."""
        del shape
        return None

    def __deepcopy__(self, memo: dict[int, Any]) -> ConstraintSet:
        return self


def round_off(weight: Tensor, axes: int) -> float:
    """10 eps sqrt(n) for members of n numbers: what a projection in closed form may miss."""
    size = weight[(0,) * (weight.ndim - axes)].numel() if weight.numel() else 1
    return 10 * float(torch.finfo(weight.dtype).eps) * float(max(size, 1)) ** 0.5


def check_real(weight: Tensor, members: ConstraintSet) -> None:
    """Raise SettingsError for a complex weight, for a set in which numbers are compared."""
    if weight.is_complex():
        raise SettingsError(repr(members), "the weight is complex", "constrain torch.view_as_real of it")


class Constant:
    """A float64 tensor of a set, handed out in the dtype and on the device of a weight.

    What was asked for once is kept, so that a projection inside a training step copies nothing.
    """

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self._kept: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def like(self, weight: Tensor) -> Tensor:
        """The constant beside a weight."""
        key = (weight.dtype, weight.device)
        if key not in self._kept:
            self._kept[key] = self.value.to(weight)
        return self._kept[key]

    def __getstate__(self) -> dict[str, Any]:
        return {"value": self.value, "_kept": {}}
