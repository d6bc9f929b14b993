"""The points of a problem's terms in pieces that see the same potentials, held or cut anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.mixing.derivatives import DerivativeMap
from physmix.mixing.support import Support, WeightLayout
from physmix.problems.terms import Term

_CHUNK = 2**19  # numbers of a Jacobian that are made at once: more do not stay in the caches
_KEPT = 2**28  # numbers of channels that are kept between passes, 2 GiB; beyond, none are


@dataclass(eq=False)
class Piece:
    """Some points of a term that see the same potentials, with the roots of their shares."""

    term: int
    places: Tensor
    points: Tensor
    known: Mapping[str, Tensor]
    roots: Tensor
    support: Support
    channels: Tensor | None = None


class Pieces:
    """All points of some terms, a piece after the other.

    Their channels are kept where they fit in memory, and else made anew in each pass.

    Args:
        terms: with their points.
        counts: of the residuals of each term.
        maps: from mixing weights to the derivatives that each term asks for.
        layout: the free coordinates of the mixing weights.

    Attributes:
        kept: how many numbers are held between passes.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        counts: Sequence[int],
        maps: Sequence[DerivativeMap],
        layout: WeightLayout,
    ) -> None:
        self.terms, self.counts, self.maps, self.layout = terms, counts, maps, layout
        self._held, self.kept = self._hold()

    def __iter__(self) -> Iterator[Piece]:
        return self._cut() if self._held is None else iter(self._held)

    @property
    def held(self) -> list[Piece]:
        """The pieces, to be taken in any order.

        Raises:
            SettingsError: if they are not held.
        """
        if self._held is None:
            raise SettingsError(
                "the points", "they are too many to be held", "give fewer, or solve for the last layer alone"
            )
        return self._held

    def forget(self) -> None:
        """Drop the channels that are kept: the hidden layers of the model have changed."""
        for piece in self._held or ():
            piece.channels = None

    @torch.no_grad()
    def channels(self, piece: Piece) -> Tensor:
        """The derivatives of the potentials of a piece, (monomial, point, potential)."""
        if piece.channels is None:
            piece.channels = self.maps[piece.term].channels(piece.points, piece.support)
        return piece.channels

    def _hold(self) -> tuple[list[Piece] | None, int]:
        """The pieces, and how many numbers their channels have; none where these are too many."""
        held, numbers = list[Piece](), 0
        for piece in self._cut():
            width = len(self.maps[piece.term].monomials) * len(piece.support.potentials)
            numbers += width * len(piece.points)
            if numbers > _KEPT:
                return None, 0
            held.append(piece)
        return held, numbers

    def _cut(self) -> Iterator[Piece]:
        for number, term in enumerate(self.terms):
            start = 0
            for points, known, share in term.batches():
                roots = share.sqrt()
                for places, support in self.layout.supports(points):
                    width = self.counts[number] * max(1, len(support.columns))
                    for some in places.split(max(1, _CHUNK // width)):
                        given = {name: value[some] for name, value in known.items()}
                        yield Piece(number, start + some, points[some], given, roots[some], support)
                start += len(points)
