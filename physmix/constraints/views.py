"""Sets seen along other axes: by columns, on a whole matrix, on the kernel of a 1x1 convolution."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints.linear import LinearSet
from physmix.constraints.set import ConstraintSet, Polyhedral
from physmix.errors import ShapeError


class View(ConstraintSet):
    """A set of weights that another set constrains after a rearrangement of their numbers.

    Rearranging is an isometry; so every verb is that of the other set between `into` and `back`.
    """

    def __init__(self, members: ConstraintSet) -> None:
        self.members = members
        self.kind, self.tolerance, self.is_complex = members.kind, members.tolerance, members.is_complex
        self.places = members.places

    @abstractmethod
    def into(self, weight: Tensor) -> Tensor:
        """The weight as the other set sees it."""

    @abstractmethod
    def back(self, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """The inverse of `into`, for a weight of this shape."""

    def project(self, weight: Tensor) -> Tensor:
        """The nearest member, by the other set."""
        self.check_shape(weight.shape)
        return self.back(self.members.project(self.into(weight)), weight.shape)

    def residual(self, weight: Tensor) -> Tensor:
        """By how much each condition of the other set is missed."""
        self.check_shape(weight.shape)
        return self.members.residual(self.into(weight))

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """The gradient mapping of the other set."""
        mapped = self.members.map_gradient(self.into(weight), self.into(gradient), step)
        return self.back(mapped, weight.shape)

    def coordinates(self, weight: Tensor) -> Tensor:
        """The free coordinates of the other set."""
        self.check_shape(weight.shape)
        return self.members.coordinates(self.into(weight))

    def polyhedral(self, shape: Sequence[int]) -> Polyhedral | None:
        """The equations and bounds of the other set, with their columns rearranged."""
        self.check_shape(shape)
        order = torch.arange(math.prod(shape)).reshape(tuple(shape))
        seen = self.into(order)
        inner = self.members.polyhedral(seen.shape)
        if inner is None:
            return None
        places = torch.empty(order.numel(), dtype=torch.long)
        places[seen.reshape(-1)] = torch.arange(order.numel())
        return Polyhedral(
            inner.matrix[:, places],
            inner.right_side,
            inner.lower[places],
            inner.upper[places],
            inner.names,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.members!r})"


class Columns(View):
    """Each column of a matrix (outputs, inputs) in a set of vectors, or its transpose in one of matrices."""

    axes = 2

    def __init__(self, members: ConstraintSet) -> None:
        super().__init__(members)
        self.places = max(0, members.axes + members.places - self.axes)

    def into(self, weight: Tensor) -> Tensor:
        """The transpose."""
        return weight.mT

    def back(self, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """The transpose."""
        del shape
        return weight.mT.contiguous()

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless the transpose fits the other set."""
        super().check_shape(shape)
        self.members.check_shape((*shape[:-2], shape[-1], shape[-2]))

    def point(self, coordinates: Tensor) -> Tensor:
        """The members at free coordinates of the other set."""
        return self.members.point(coordinates).mT.contiguous()


class Whole(View):
    """All numbers of one member as one vector, row after row, in a set of vectors.

    Args:
        members: the set of vectors.
        shape: of one member, such as (outputs, inputs).
    """

    def __init__(self, members: ConstraintSet, shape: Sequence[int]) -> None:
        super().__init__(members)
        self.shape, self.axes = tuple(shape), len(shape)
        members.check_shape((math.prod(self.shape),))

    def into(self, weight: Tensor) -> Tensor:
        """The vector."""
        return weight.reshape(*weight.shape[: weight.ndim - self.axes], -1)

    def back(self, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """The member."""
        return weight.reshape(tuple(shape))

    def point(self, coordinates: Tensor) -> Tensor:
        """The members at free coordinates of the other set."""
        flat = self.members.point(coordinates)
        return flat.reshape(*flat.shape[:-1], *self.shape)


class Kernel(View):
    """The weight (outputs, inputs, 1, ...) of a 1x1 convolution as a matrix in a set.

    Args:
        members: the set of matrices.
        dimensions: of the convolution.
    """

    def __init__(self, members: ConstraintSet, dimensions: int) -> None:
        super().__init__(members)
        self.dimensions, self.axes = dimensions, members.axes + dimensions

    def into(self, weight: Tensor) -> Tensor:
        """The matrix."""
        return weight.reshape(weight.shape[: weight.ndim - self.dimensions])

    def back(self, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """The kernel."""
        return weight.reshape(tuple(shape))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless the kernel is 1x1 and its matrix fits."""
        tail = tuple(shape[len(shape) - self.dimensions :])
        if any(length != 1 for length in tail):
            raise ShapeError("the kernel of a mixing layer", shape, "1 along every dimension of the grid")
        self.members.check_shape(tuple(shape[: len(shape) - self.dimensions]))

    def point(self, coordinates: Tensor) -> Tensor:
        """The members at free coordinates of the other set."""
        matrix = self.members.point(coordinates)
        return matrix.reshape(*matrix.shape, *(1,) * self.dimensions)


class Outputs(Columns):
    """A W = B, a relation A y = B x between the outputs and the inputs of a mixing layer.

    Attributes:
        bias: the set of lawful biases, A b = 0.
    """

    def __init__(self, members: LinearSet) -> None:
        super().__init__(members)
        self.bias = members.homogeneous()


def on_outputs(
    matrix: Tensor, right_side: Tensor | None = None, names: Sequence[str] | None = None
) -> Outputs:
    """The set A W = B: every output y = W x of the layer obeys A y = B x.

    Args:
        matrix: A, (m, outputs).
        right_side: B, (m, inputs); zero if omitted.
        names: of the rows of A.

    Raises:
        ShapeError, SettingsError, ContradictionError: see `LinearSet`.
    """
    return Outputs(LinearSet(matrix, None if right_side is None else right_side.mT, names))


def on_inputs(
    matrix: Tensor, right_side: Tensor | None = None, names: Sequence[str] | None = None
) -> LinearSet:
    """The set W C = F: the layer answers the inputs in the columns of C with those of F.

    Args:
        matrix: C, (inputs, m).
        right_side: F, (outputs, m); zero if omitted.
        names: of the columns of C.

    Raises:
        ShapeError, SettingsError, ContradictionError: see `LinearSet`.
    """
    return LinearSet(matrix.mT, right_side, names)


def on_weight(
    matrix: Tensor,
    right_side: Tensor | None = None,
    names: Sequence[str] | None = None,
    *,
    shape: Sequence[int],
) -> Whole:
    """The set A vec(W) = b, where vec stacks the rows of W.

    Args:
        matrix: A, (m, outputs * inputs).
        right_side: b, (m,); zero if omitted.
        names: of the rows of A.
        shape: (outputs, inputs).

    Raises:
        ShapeError, SettingsError, ContradictionError: see `LinearSet`.
    """
    return Whole(LinearSet(matrix, right_side, names), shape)
