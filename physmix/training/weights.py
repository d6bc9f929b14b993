"""Everything that a solver moves, as one vector: hidden layers, lawful mixing weights, unknown numbers.

Lawful weights are W = W0 + N theta with orthonormal N; solvers see theta alone, so that each of them ends
at the same constrained optimum, with nothing to project.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.jets import Tap, compilation, taps
from physmix.problems.residuals import Local, Residuals

Vector = Float[Tensor, " weight"]


class Weights:
    """The vector x of what moves, and the sum of squares |r(x)|^2.

    Args:
        residuals: of a problem on a model. Parameters of the model's network move if they require a
            gradient, as those of random features do not.
        hidden: whether they do; else mixing weights and unknown numbers alone.

    Raises:
        SettingsError: if features of subdomains require a gradient.
    """

    def __init__(self, residuals: Residuals, *, hidden: bool = True) -> None:
        self.residuals, self.layout = residuals, residuals.layout
        self.hidden = [p for p in residuals.model.network.parameters() if p.requires_grad and hidden]
        if self.hidden and self.layout.partition is not None:
            raise SettingsError(
                "the features of subdomains",
                "they require a gradient, and are frozen by their nature",
                "call model.network.requires_grad_(False), or give a network without subdomains",
            )
        blocks = [(count, one.nullity) for one, count in self.layout.sets]
        bias = self.layout.count - sum(a * b for a, b in blocks)
        self.shapes = [*(tuple(p.shape) for p in self.hidden), *blocks, (bias,), (len(residuals.unknowns),)]
        self._sizes = [torch.Size(shape).numel() for shape in self.shapes]

    @property
    def moving(self) -> bool:
        """Whether hidden layers move."""
        return bool(self.hidden)

    @property
    def count(self) -> int:
        """The length of the vector."""
        return sum(self._sizes)

    def parts(self, vector: Vector) -> list[Tensor]:
        """Views of the vector: hidden parameters, mixing weights by blocks, bias, unknown numbers."""
        pieces = vector.split(self._sizes)
        return [piece.view(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]

    def vector(self) -> Vector:
        """The present one."""
        hidden = [p.detach().reshape(-1) for p in self.hidden]
        numbers = torch.tensor(list(self.residuals.unknowns.values()), dtype=torch.float64)
        return torch.cat([*hidden, self.layout.coordinates(), numbers])

    @torch.no_grad()
    def set(self, vector: Vector) -> None:
        """Make the model and the unknown numbers those of the vector."""
        parts = self.parts(vector)
        for parameter, part in zip(self.hidden, parts, strict=False):
            parameter.copy_(part)
        start = sum(p.numel() for p in self.hidden)
        if start:
            self.residuals.forget()
        self.layout.set(vector[start : start + self.layout.count])
        names = self.residuals.unknowns
        self.residuals.unknowns = dict(zip(names, parts[-1].tolist(), strict=True))

    @torch.no_grad()
    def loss(self) -> float:
        """|r|^2."""
        if not self.moving:
            return self.residuals.loss()
        numbers = self._numbers()
        return sum(float(self._local(i, numbers).residual.square().sum()) for i in self._pieces)

    @torch.enable_grad()
    def gradient(self, batch: Mapping[int, Tensor] | None = None) -> tuple[float, Vector]:
        """|r|^2 and its gradient.

        Args:
            batch: places of points by piece; all of them if omitted.
        """
        total, found = 0.0, [torch.zeros(0)]
        for number in self._pieces if batch is None else batch:
            numbers = self._numbers()
            leaves = self._leaves(numbers)
            local = self._local(number, numbers, None if batch is None else batch[number])
            loss = local.residual.square().sum()
            slopes = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
            found = list(slopes) if total == 0.0 else [a + b for a, b in zip(found, slopes, strict=True)]
            total += float(loss.detach())
        return total, self._pulled(found)

    def rows(self) -> Iterator[tuple[Vector, Float[Tensor, "row weight"]]]:
        """The weighted residuals r and their Jacobian, some at a time."""
        if self.moving:
            for number in self._pieces:
                yield self._differentiated(number)
            return
        for rows in self.residuals.rows():
            extra = len(self.residuals.unknowns)
            jacobian = rows.jacobian.new_zeros(len(rows.residual), self.count)
            jacobian[:, rows.support.columns] = rows.jacobian[:, : len(rows.support.columns)]
            jacobian[:, self.count - extra :] = rows.jacobian[:, len(rows.support.columns) :]
            yield rows.residual, jacobian

    @property
    def _pieces(self) -> range:
        return range(len(self.residuals.pieces))

    def _numbers(self) -> dict[str, Tensor]:
        return {
            name: torch.tensor([value], dtype=torch.float64, requires_grad=True)
            for name, value in self.residuals.unknowns.items()
        }

    def _leaves(self, numbers: Mapping[str, Tensor]) -> list[Tensor]:
        mixing = self.residuals.model.mixing
        return [*self.hidden, mixing.weight, mixing.bias, *numbers.values()]

    def _local(self, number: int, numbers: Mapping[str, Tensor], some: Tensor | None = None) -> Local:
        with compilation(wanted=self.residuals.model.compiled):
            return self.residuals.local(number, numbers, live=self.moving, some=some)

    def _pulled(self, slopes: Sequence[Tensor]) -> Vector:
        """Slopes with respect to the leaves as slopes with respect to the vector."""
        *hidden, weight, bias = slopes[: len(self.hidden) + 2]
        rows = weight.split([count for _, count in self.layout.sets])
        mixed = [part @ one.basis() for part, (one, _) in zip(rows, self.layout.sets, strict=True)]
        fixed = self.residuals.model.mixing.constraint.bias.basis()
        parts = [*hidden, *mixed, bias @ fixed, *slopes[len(self.hidden) + 2 :]]
        return torch.cat([part.reshape(-1) for part in parts])

    def _pushed(self, step: Vector) -> list[Tensor]:
        """A step of the vector as a step of the leaves: the transpose of `_pulled`."""
        hidden = len(self.hidden)
        parts = self.parts(step)
        mixed = [
            part @ one.basis().T for part, (one, _) in zip(parts[hidden:-2], self.layout.sets, strict=True)
        ]
        fixed = self.residuals.model.mixing.constraint.bias.basis()
        return [*parts[:hidden], torch.cat(mixed), fixed @ parts[-2], *parts[-1].split(1)]

    @torch.enable_grad()
    def _differentiated(self, number: int) -> tuple[Tensor, Tensor]:
        """The residuals of a piece and their Jacobian, hidden layers and all.

        One backward pass for each residual gives the gradients of linear layers at each point; what
        other layers hold is found by one forward derivative for each number.
        """
        numbers = self._numbers()
        with taps() as tapped:
            local = self._local(number, numbers)
        known = {id(p) for tap in tapped for p in (tap.layer.weight, tap.layer.bias)}
        wanted = [tap for tap in tapped if tap.outputs.requires_grad]
        spread = [local.values, *(tap.outputs for tap in wanted)]
        columns = {id(p): slice(a, b) for p, a, b in self._places()}
        width = sum(p.numel() for p in self.hidden)
        count, points = local.residual.shape
        jacobian = local.residual.new_zeros(count, points, self.count)
        slopes = []
        for i, residual in enumerate(local.residual):
            of_values, *of_outputs = torch.autograd.grad(
                residual.sum(), spread, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            slopes.append(of_values)
            for tap, grad in zip(wanted, of_outputs, strict=True):
                _add_layer(jacobian[i], columns, tap, grad)
        with torch.no_grad():
            mixed = self.residuals.maps[local.term].jacobian(
                torch.stack(slopes), local.support, local.channels
            )
            jacobian[:, :, width : width + self.layout.count] = mixed
        others = [column for p, a, b in self._places() if id(p) not in known for column in range(a, b)]
        others += range(self.count - len(numbers), self.count)
        if others:
            product = self._product(local.residual, self._leaves(numbers))
            for column in others:
                unit = torch.zeros(self.count, dtype=jacobian.dtype)
                unit[column] = 1.0
                jacobian[:, :, column] = product(unit)
        return local.residual.detach().flatten(), jacobian.flatten(0, 1)

    def _places(self) -> list[tuple[nn.Parameter, int, int]]:
        ends = itertools.accumulate((p.numel() for p in self.hidden), initial=0)
        return [(p, a, b) for p, (a, b) in zip(self.hidden, itertools.pairwise(ends), strict=True)]

    def _product(self, residual: Tensor, leaves: Sequence[Tensor]) -> Callable[[Vector], Tensor]:
        """v -> J v at the residuals: J^T u is linear in u, so its derivative along v is J v."""
        dual = torch.zeros_like(residual, requires_grad=True)
        found = torch.autograd.grad(residual, leaves, dual, create_graph=True, allow_unused=True)
        used = [(place, one) for place, one in enumerate(found) if one is not None and one.requires_grad]

        def product(vector: Vector) -> Tensor:
            pushed = self._pushed(vector)
            sides = [pushed[place].reshape(one.shape) for place, one in used]
            (out,) = torch.autograd.grad([one for _, one in used], dual, sides, retain_graph=True)
            return out

        return product

    @torch.enable_grad()
    def linearised(self) -> tuple[Tensor, Callable[[Vector], Tensor], Callable[[Tensor], Vector]]:
        """The residuals r, v -> J v and u -> J^T u, with J at the present weights, which is never made."""
        held = []
        for number in self._pieces:
            numbers = self._numbers()
            leaves = self._leaves(numbers)
            local = self._local(number, numbers)
            held.append((local.residual, leaves, self._product(local.residual, leaves)))
        lengths = [one.numel() for one, _, _ in held]

        def forward(vector: Vector) -> Tensor:
            return torch.cat([product(vector).flatten() for _, _, product in held])

        def backward(dual: Tensor) -> Vector:
            found = []
            for (residual, leaves, _), part in zip(held, dual.split(lengths), strict=True):
                slopes = torch.autograd.grad(
                    residual,
                    leaves,
                    part.view_as(residual),
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                found.append(self._pulled(slopes))
            return torch.stack(found).sum(0)

        return torch.cat([one.detach().flatten() for one, _, _ in held]), forward, backward


def _add_layer(jacobian: Tensor, columns: Mapping[int, slice], tap: Tap, grad: Tensor) -> None:
    """Add the gradients of a linear layer at each point, (point, weight)."""
    weight, bias = tap.layer.weight, tap.layer.bias
    if id(weight) in columns:
        # Sums over coefficients, at each point by itself.
        each = grad.permute(1, 2, 0) @ tap.inputs.detach().transpose(0, 1)
        jacobian[:, columns[id(weight)]] += each.flatten(1)
    if id(bias) in columns:
        jacobian[:, columns[id(bias)]] += grad[0]
