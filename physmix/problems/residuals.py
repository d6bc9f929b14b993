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
from physmix.problems.pieces import Piece, Pieces
from physmix.problems.problem import Problem
from physmix.problems.state import State, entries_of
from physmix.problems.terms import Term


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
class Local:
    """Residuals at some points, differentiable in all weights of the model.

    Attributes:
        residual: weighted, (residual, point).
        values: the fields and derivatives that they are functions of, (entry, point).
        channels: the derivatives of the potentials, (monomial, point, potential).
        support: which potentials they see.
        term: of which they are, by number.
    """

    residual: Float[Tensor, "residual point"]
    values: Float[Tensor, "entry point"]
    channels: Tensor
    support: Support
    term: int


class Residuals:
    """All residuals r of a problem: the loss is |r|^2 = sum over terms of weight * balance * mean square.

    What residuals need at their points is made once where it fits in memory, and else anew in each pass,
    some points at a time: the memory does not grow with the points then.

    Args:
        problem: its terms.
        model: fields of the problem, in its coordinates.
        terms: others than those of the problem.

    Attributes:
        layout: the free coordinates of the model's mixing weights.
        unknowns: the present values of the unknown numbers, by name.
        balance: a factor for each term, 1 at first; see `balanced`.
        names: of the residuals of each term.
        maps: from mixing weights to the derivatives that each term asks for.
    """

    def __init__(self, problem: Problem, model: PotentialModel, terms: Sequence[Term] | None = None) -> None:
        self.problem, self.model, self.layout = problem, model, WeightLayout(model)
        self.unknowns = {name: float(value) for name, value in problem.unknowns.items()}
        self.terms: list[Term] = problem.terms() if terms is None else list(terms)
        self.names: list[tuple[str, ...]] = []
        self.maps: list[DerivativeMap] = []
        for term in self.terms:
            known = (*model.coordinates, *term.known, *self.unknowns)
            entries, names = entries_of(term.residual, model.coordinates, model.fields, known)
            self.names.append(names)
            self.maps.append(DerivativeMap(model, entries))
        self.balance = [1.0] * len(self.terms)
        self._pieces = Pieces(self.terms, [len(names) for names in self.names], self.maps, self.layout)

    @property
    def kept(self) -> int:
        """How many numbers are held between passes."""
        return self._pieces.kept

    @property
    def count(self) -> int:
        """The number of residuals."""
        return sum(len(names) * len(term.points) for names, term in zip(self.names, self.terms, strict=True))

    def forget(self) -> None:
        """Drop the channels that are kept: the hidden layers of the model have changed."""
        self._pieces.forget()

    def loss(self) -> float:
        """The sum of squares."""
        total = 0.0
        for piece in self._pieces:
            found, _, _ = self._state(piece)
            weighted = self._factor(piece.term) * piece.roots * torch.stack(list(found.values()))
            total += float(weighted.square().sum())
        return total

    def sizes(self) -> dict[str, float]:
        """The root mean square of each residual, not weighted, by "term: residual"."""
        squares: dict[str, float] = {}
        for piece in self._pieces:
            term = self.terms[piece.term]
            for name, value in self._state(piece)[0].items():
                label = f"{term.name}: {name}"
                squares[label] = squares.get(label, 0.0) + float(value.square().sum()) / len(term.points)
        return {label: math.sqrt(square) for label, square in squares.items()}

    def rows(self) -> Iterator[Rows]:
        """The weighted residuals with their Jacobian, some at a time."""
        for piece in self._pieces:
            residual, jacobian = self._linear(piece)
            factor = self._factor(piece.term) * piece.roots
            rows = (factor * residual).flatten(), (factor[:, None] * jacobian).flatten(0, 1)
            yield Rows(*rows, piece.support, piece.term, piece.places)

    @property
    def pieces(self) -> list[int]:
        """The numbers of points that are evaluated at once, in all terms together."""
        return [len(piece.places) for piece in self._pieces.held]

    def local(
        self, number: int, numbers: Mapping[str, Tensor], *, live: bool, some: Tensor | None = None
    ) -> Local:
        """The residuals of a piece, differentiable in the weights of the model and the unknown numbers.

        Args:
            number: of the piece.
            numbers: the unknown numbers by name, each a tensor with one value.
            live: whether hidden layers have changed, or are to be differentiated.
            some: places of points in the piece; their squares then stand for those of the whole piece.
        """
        piece = self._pieces.held[number]
        derivatives = self.maps[piece.term]
        places = torch.arange(len(piece.points)) if some is None else some
        points = piece.points[places]
        channels = (
            derivatives.channels(points, piece.support) if live else self._pieces.channels(piece)[:, places]
        )
        values = derivatives.values(points, piece.support, channels)
        inputs = dict(zip(derivatives.entries, values.unbind(0), strict=True))
        spread = {name: value.expand(len(points)) for name, value in numbers.items()}
        found = self._found(piece, places, inputs, spread)
        share = len(piece.points) / len(places)
        factor = self._factor(piece.term) * math.sqrt(share) * piece.roots[places]
        residual = factor * torch.stack(list(found.values()))
        return Local(residual, values, channels, piece.support, piece.term)

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
        for piece in self._pieces:
            residual, jacobian = self._linear(piece)
            sizes = jacobian[..., : len(piece.support.columns)].square().sum(2)
            squares[piece.term] += float((piece.roots**2 * sizes).sum())
            rows[piece.term] += residual.numel()
        data = [isinstance(term, DataTerm) for term in self.terms]
        known = sum(b * s for b, s, seen in zip(self.balance, squares, data, strict=True) if seen)
        strong = exactness**2 * known if known > 0 else 1.0
        self.balance = [
            b if seen else strong * n / s if s > 0 else 1.0
            for b, s, n, seen in zip(self.balance, squares, rows, data, strict=True)
        ]

    def _factor(self, place: int) -> float:
        term = self.terms[place]
        return math.sqrt(term.weight * self.balance[place] / len(term.points))

    @torch.enable_grad()
    def _linear(self, piece: Piece) -> tuple[Tensor, Tensor]:
        """Residuals (residual, point) and Jacobian (residual, point, column) of a piece."""
        found, inputs, numbers = self._state(piece, differentiable=True)
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
            jacobian = self.maps[piece.term].jacobian(entries, piece.support, self._pieces.channels(piece))
            return residual.detach(), torch.cat([jacobian, rest.transpose(1, 2)], 2)

    def _state(
        self, piece: Piece, *, differentiable: bool = False
    ) -> tuple[Mapping[str, Tensor], dict[Entry, Tensor], dict[str, Tensor]]:
        """The residuals of a piece, and what they are functions of."""
        points, derivatives = piece.points, self.maps[piece.term]
        with torch.no_grad():
            values = derivatives.values(points, piece.support, self._pieces.channels(piece))
        inputs = dict(zip(derivatives.entries, values.unbind(0), strict=True))
        numbers = {name: points.new_full((len(points),), value) for name, value in self.unknowns.items()}
        if differentiable:
            inputs = {entry: value.clone().requires_grad_() for entry, value in inputs.items()}
            numbers = {name: value.requires_grad_() for name, value in numbers.items()}
        with torch.set_grad_enabled(differentiable):
            return self._found(piece, torch.arange(len(points)), inputs, numbers), inputs, numbers

    def _found(
        self, piece: Piece, chosen: Tensor, inputs: Mapping[Entry, Tensor], numbers: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """The residuals of a piece at some of its points."""
        places = {name: piece.points[chosen, i] for i, name in enumerate(self.model.coordinates)}
        given = {name: value[chosen] for name, value in piece.known.items()}
        known = {**places, **given, **numbers}
        state = State(self.model.coordinates, self.model.fields, known, inputs.__getitem__)
        return self.terms[piece.term].residual(state)


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
