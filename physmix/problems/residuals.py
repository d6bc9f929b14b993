"""The residuals of a problem on a model, and how they change with its mixing weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.mixing import PotentialModel
from physmix.mixing.derivatives import DerivativeMap, Entry
from physmix.problems.problem import Problem
from physmix.problems.state import State, entries_of
from physmix.problems.terms import Term

_CHUNK = 2**21  # numbers of a Jacobian that are made at once
_KEPT = 2**28  # numbers of channels that are kept between passes; 2 GiB


@dataclass(frozen=True)
class Rows:
    """Some residuals and their derivatives.

    Attributes:
        residual: weighted, (row).
        jacobian: with respect to the free coordinates and the unknown numbers, (row, column).
    """

    residual: Float[Tensor, " row"]
    jacobian: Float[Tensor, "row column"]


class _Part:
    """A term on a model: the entries it asks for."""

    def __init__(self, term: Term, model: PotentialModel, unknowns: Sequence[str]) -> None:
        self.term = term
        known = (*model.coordinates, *term.known, *unknowns)
        entries, self.names = entries_of(term.residual, model.coordinates, model.fields, known)
        self.map = DerivativeMap(model, entries)
        self.kept: dict[int, Tensor] = {}

    @property
    def size(self) -> int:
        """The numbers of its channels."""
        return len(self.map.monomials) * len(self.term.points) * self.map.model.mixing.weight.shape[0]


class Residuals:
    """All residuals r of a problem: the loss is |r|^2 = sum over terms of weight * balance * mean square.

    Args:
        problem: its terms.
        model: fields of the problem, in its coordinates.

    Attributes:
        unknowns: the present values of the unknown numbers, by name.
        balance: a factor for each term, 1 at first; see `balanced`.
    """

    def __init__(self, problem: Problem, model: PotentialModel) -> None:
        self.problem, self.model = problem, model
        self.unknowns = {name: float(value) for name, value in problem.unknowns.items()}
        self.parts = [_Part(term, model, tuple(self.unknowns)) for term in problem.terms()]
        self.balance = [1.0] * len(self.parts)
        self.keeps = sum(part.size for part in self.parts) <= _KEPT

    @property
    def count(self) -> int:
        """The number of residuals."""
        return sum(len(p.names) * len(p.term.points) // p.term.group for p in self.parts)

    def values(self) -> Iterator[Float[Tensor, " row"]]:
        """The weighted residuals, some at a time."""
        for place, part in enumerate(self.parts):
            for chunk in self._chunks(part):
                found = torch.stack(list(self._state(part, chunk)[0].values()))
                yield self._factor(place) * _grouped(found, part.term.group).flatten()

    def loss(self) -> float:
        """The sum of squares."""
        return sum(float(part.square().sum()) for part in self.values())

    def losses(self) -> dict[str, float]:
        """The root mean square of each residual, not weighted, by "term: residual"."""
        found = {}
        for part in self.parts:
            pieces = [torch.stack(list(self._state(part, chunk)[0].values())) for chunk in self._chunks(part)]
            sizes = _grouped(torch.cat(pieces, 1), part.term.group).square().mean(1).sqrt()
            found |= {f"{part.term.name}: {n}": float(s) for n, s in zip(part.names, sizes, strict=True)}
        return found

    def rows(self) -> Iterator[Rows]:
        """The weighted residuals with their Jacobian, some at a time."""
        for place in range(len(self.parts)):
            for residual, jacobian in self._linear(place):
                factor = self._factor(place)
                yield Rows(factor * residual.flatten(), factor * jacobian.flatten(0, 1))

    def balanced(self) -> None:
        """Weigh every term so that a step of the weights changes each by as much.

        The balance of a term is one over the mean square of its rows of the Jacobian, the share of its
        trace in the tangent kernel (Wang, Yu and Perdikaris, "When and why PINNs fail to train",
        J. Comput. Phys. 449, 2022, equation 6.5), taken once, at the first weights, so that the loss
        stays the same function.
        """
        for place in range(len(self.parts)):
            square, rows = 0.0, 0
            for residual, jacobian in self._linear(place):
                square += float(jacobian[..., : -len(self.unknowns) or None].square().sum())
                rows += residual.numel()
            self.balance[place] = rows / square if square > 0 else 1.0

    def _factor(self, place: int) -> float:
        term = self.parts[place].term
        return math.sqrt(term.weight * self.balance[place] * term.group / len(term.points))

    def _linear(self, place: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Residuals (residual, point) and Jacobian (residual, point, column) of a term."""
        part = self.parts[place]
        for chunk in self._chunks(part):
            found, inputs, numbers = self._state(part, chunk, differentiable=True)
            residual = torch.stack(list(found.values()))
            leaves = [*inputs.values(), *numbers.values()]
            slopes = torch.stack(
                [
                    torch.stack(torch.autograd.grad(one.sum(), leaves, retain_graph=True, materialize_grads=True))
                    for one in residual
                ]
            )
            with torch.no_grad():
                entries = slopes[:, : len(inputs)]
                jacobian = part.map.jacobian(entries, self._channels(part, chunk))
                jacobian = torch.cat([jacobian, slopes[:, len(inputs) :].transpose(1, 2)], 2)
                residual = residual.detach()
            yield _grouped(residual, part.term.group), _grouped(jacobian, part.term.group)

    def _chunks(self, part: _Part) -> list[slice]:
        rows = max(1, _CHUNK // max(1, len(part.names) * self.model.mixing.weight.shape[0]))
        count, rows = len(part.term.points), -(-rows // part.term.group) * part.term.group
        return [slice(start, min(start + rows, count)) for start in range(0, count, rows)]

    def _channels(self, part: _Part, chunk: slice) -> Tensor:
        if chunk.start in part.kept:
            return part.kept[chunk.start]
        with torch.no_grad():
            channels = part.map.channels(part.term.points[chunk])
        if self.keeps:
            part.kept[chunk.start] = channels
        return channels

    def _state(
        self, part: _Part, chunk: slice, *, differentiable: bool = False
    ) -> tuple[Mapping[str, Tensor], dict[Entry, Tensor], dict[str, Tensor]]:
        points = part.term.points[chunk]
        with torch.no_grad():
            values = part.map.values(points, self._channels(part, chunk))
        inputs = dict(zip(part.map.entries, values.unbind(0), strict=True))
        numbers = {name: points.new_full((len(points),), value) for name, value in self.unknowns.items()}
        if differentiable:
            inputs = {entry: value.clone().requires_grad_() for entry, value in inputs.items()}
            numbers = {name: value.requires_grad_() for name, value in numbers.items()}
        places = {name: points[:, i] for i, name in enumerate(self.model.coordinates)}
        given = {name: value[chunk] for name, value in part.term.known.items()}
        state = State(self.model.coordinates, self.model.fields, places | given | numbers, inputs.__getitem__)
        with torch.set_grad_enabled(differentiable):
            return part.term.residual(state), inputs, numbers


def _grouped(values: Float[Tensor, "residual point *column"], group: int) -> Tensor:
    """The means over groups of points."""
    return values if group == 1 else values.unflatten(1, (-1, group)).mean(2)
