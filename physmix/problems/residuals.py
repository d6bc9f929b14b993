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
from physmix.mixing.support import Support, WeightLayout
from physmix.problems.measured import DataTerm
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
        jacobian: with respect to the coordinates of the support, those of the bias, and the unknown
            numbers, (row, column).
        support: which potentials they see.
        term: of which these are, by number; residual by residual, each at all places.
        places: of their points among those of the term.
    """

    residual: Float[Tensor, " row"]
    jacobian: Float[Tensor, "row column"]
    support: Support
    term: int
    places: Tensor


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some points of a term that see the same potentials."""

    term: int
    places: Tensor
    support: Support


class Residuals:
    """All residuals r of a problem: the loss is |r|^2 = sum over terms of weight * balance * mean square.

    Args:
        problem: its terms.
        model: fields of the problem, in its coordinates.
        terms: others than those of the problem.

    Attributes:
        layout: the free coordinates of the model's mixing weights.
        unknowns: the present values of the unknown numbers, by name.
        balance: a factor for each term, 1 at first; see `balanced`.
        names: of the residuals of each term.
        kept: how many numbers are held between passes.
    """

    def __init__(self, problem: Problem, model: PotentialModel, terms: Sequence[Term] | None = None) -> None:
        self.problem, self.model, self.layout = problem, model, WeightLayout(model)
        self.unknowns = {name: float(value) for name, value in problem.unknowns.items()}
        self.terms: list[Term] = problem.terms() if terms is None else list(terms)
        self.names: list[tuple[str, ...]] = []
        self._maps: list[DerivativeMap] = []
        for term in self.terms:
            known = (*model.coordinates, *term.known, *self.unknowns)
            entries, names = entries_of(term.residual, model.coordinates, model.fields, known)
            self.names.append(names)
            self._maps.append(DerivativeMap(model, entries))
        self.balance = [1.0] * len(self.terms)
        self._pieces = [piece for place in range(len(self.terms)) for piece in self._cut(place)]
        numbers = sum(
            len(self._maps[p.term].monomials) * len(p.places) * len(p.support.potentials)
            for p in self._pieces
        )
        self._keeps, self._channels_of = numbers <= _KEPT, dict[int, Tensor]()
        self.kept = numbers if self._keeps else 0

    @property
    def count(self) -> int:
        """The number of residuals."""
        return sum(len(names) * len(term.points) for names, term in zip(self.names, self.terms, strict=True))

    def loss(self) -> float:
        """The sum of squares."""
        total = 0.0
        for number, piece in enumerate(self._pieces):
            found, _, _ = self._state(number)
            weighted = self._factor(piece.term) * self._roots(piece) * torch.stack(list(found.values()))
            total += float(weighted.square().sum())
        return total

    def sizes(self) -> dict[str, float]:
        """The root mean square of each residual, not weighted, by "term: residual"."""
        squares: dict[str, float] = {}
        for number, piece in enumerate(self._pieces):
            term = self.terms[piece.term]
            for name, value in self._state(number)[0].items():
                label = f"{term.name}: {name}"
                squares[label] = squares.get(label, 0.0) + float(value.square().sum()) / len(term.points)
        return {label: math.sqrt(square) for label, square in squares.items()}

    def rows(self) -> Iterator[Rows]:
        """The weighted residuals with their Jacobian, some at a time."""
        for number, piece in enumerate(self._pieces):
            residual, jacobian = self._linear(number)
            factor = self._factor(piece.term) * self._roots(piece)
            rows = (factor * residual).flatten(), (factor[:, None] * jacobian).flatten(0, 1)
            yield Rows(*rows, piece.support, piece.term, piece.places)

    def balanced(self, exactness: float = 10.0) -> None:
        """Weigh every term so that a step of the weights changes each by as much.

        The balance of a term is one over the mean square of its rows of the Jacobian, its share of the
        trace of the tangent kernel (Wang, Yu and Perdikaris, "When and why PINNs fail to train",
        J. Comput. Phys. 449, 2022, equation 6.5), taken once, at the present weights, so that the loss
        stays the same function. Measurements stay in units of their deviations.

        Args:
            exactness: beside measurements, how much stronger each other term is than they are together, in
                roots of these shares: what it leaves free is what the data decide.
        """
        squares, rows = [0.0] * len(self.terms), [0] * len(self.terms)
        for number, piece in enumerate(self._pieces):
            residual, jacobian = self._linear(number)
            sizes = jacobian[..., : len(piece.support.columns)].square().sum(2)
            squares[piece.term] += float((self._roots(piece) ** 2 * sizes).sum())
            rows[piece.term] += residual.numel()
        data = [isinstance(term, DataTerm) for term in self.terms]
        known = sum(b * s for b, s, seen in zip(self.balance, squares, data, strict=True) if seen)
        strong = exactness**2 * known if known > 0 else 1.0
        self.balance = [
            b if seen else strong * n / s if s > 0 else 1.0
            for b, s, n, seen in zip(self.balance, squares, rows, data, strict=True)
        ]

    def _roots(self, piece: _Piece) -> Float[Tensor, " point"]:
        """The roots of the shares of the points of a piece."""
        term = self.terms[piece.term]
        return (
            term.points.new_ones(len(piece.places)) if term.share is None else term.share[piece.places].sqrt()
        )

    def _factor(self, place: int) -> float:
        term = self.terms[place]
        return math.sqrt(term.weight * self.balance[place] / len(term.points))

    def _cut(self, place: int) -> Iterator[_Piece]:
        for places, support in self.layout.supports(self.terms[place].points):
            width = len(self.names[place]) * max(1, len(support.columns))
            for some in places.split(max(1, _CHUNK // width)):
                yield _Piece(place, some, support)

    def _linear(self, number: int) -> tuple[Tensor, Tensor]:
        """Residuals (residual, point) and Jacobian (residual, point, column) of a piece."""
        piece = self._pieces[number]
        found, inputs, numbers = self._state(number, differentiable=True)
        residual = torch.stack(list(found.values()))
        leaves = [*inputs.values(), *numbers.values()]
        slopes = torch.stack(
            [
                torch.stack(torch.autograd.grad(one.sum(), leaves, retain_graph=True, materialize_grads=True))
                for one in residual
            ]
        )
        with torch.no_grad():
            entries, rest = slopes.split([len(inputs), len(numbers)], 1)
            jacobian = self._maps[piece.term].jacobian(entries, piece.support, self._channels(number))
            return residual.detach(), torch.cat([jacobian, rest.transpose(1, 2)], 2)

    @torch.no_grad()
    def _channels(self, number: int) -> Tensor:
        if number in self._channels_of:
            return self._channels_of[number]
        piece = self._pieces[number]
        points = self.terms[piece.term].points[piece.places]
        channels = self._maps[piece.term].channels(points, piece.support)
        if self._keeps:
            self._channels_of[number] = channels
        return channels

    def _state(
        self, number: int, *, differentiable: bool = False
    ) -> tuple[Mapping[str, Tensor], dict[Entry, Tensor], dict[str, Tensor]]:
        """The residuals of a piece, and what they are functions of."""
        piece = self._pieces[number]
        term, derivatives = self.terms[piece.term], self._maps[piece.term]
        points = term.points[piece.places]
        with torch.no_grad():
            values = derivatives.values(points, piece.support, self._channels(number))
        inputs = dict(zip(derivatives.entries, values.unbind(0), strict=True))
        numbers = {name: points.new_full((len(points),), value) for name, value in self.unknowns.items()}
        if differentiable:
            inputs = {entry: value.clone().requires_grad_() for entry, value in inputs.items()}
            numbers = {name: value.requires_grad_() for name, value in numbers.items()}
        places = {name: points[:, i] for i, name in enumerate(self.model.coordinates)}
        given = {name: value[piece.places] for name, value in term.known.items()}
        known = places | given | numbers
        state = State(self.model.coordinates, self.model.fields, known, inputs.__getitem__)
        with torch.set_grad_enabled(differentiable):
            return term.residual(state), inputs, numbers


def weighed_in_words(balance: Mapping[str, float]) -> str:
    """What a balance does, against the term that counts least."""
    least = min((value for value in balance.values() if value > 0), default=0.0)
    if not balance or all(value == 1.0 for value in balance.values()):
        return "terms are not balanced: each counts by its own weight alone"
    shares = ", ".join(
        f"{name} {value / least:.3g}" for name, value in sorted(balance.items(), key=lambda one: one[1])
    )
    return (
        "terms are balanced, so that a step of the weights changes each by as much; "
        f"by that a squared residual counts: {shares}"
    )
