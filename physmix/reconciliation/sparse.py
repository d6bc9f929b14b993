"""Laws on any grid as sparse equations L y = s, and the nearest fields that obey them.

The smallest change, in the sum of w (y - y0)^2, is W^-1 L^T lambda with (L W^-1 L^T) lambda = L y0 - s.
W^-1 may be zero: values that are held, at walls, inflows and in obstacles. Conjugate gradients find
lambda; fast diagonalisation is their preconditioner, and with walls alone, or weights that are products
of factors along the coordinates, ends them after one step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.sparse import block_array, csr_array, kron, vstack
from torch import Tensor

from physmix.errors import ProjectionError, UnsupportedLawError, listing
from physmix.grids import Place, PointGrid, StaggeredGrid
from physmix.laws import Law
from physmix.reconciliation.balance import Balance
from physmix.reconciliation.conjugate import conjugate_gradients
from physmix.reconciliation.diagonalization import SplitTerm, SumOfProducts

_ROUNDING = 8 * torch.finfo(torch.float64).eps  # of the size of the terms
_LAWFUL = 1e-12
_SETTLED, _STEPS = 1e-13, 2000

Array = NDArray[np.float64]

States = Float64[Tensor, "state value"]


class SparseLaws:
    """L y = s on a staggered grid, or one of points.

    Args:
        laws: without totals.
        places: of the fields, by name.
        grid: where they live.
        inverse: W^-1 of every value, one field after the other.

    Attributes:
        steps: of conjugate gradients that the last correction took.

    Raises:
        UnsupportedLawError: if a law is about a total, or its terms live at several places.
    """

    def __init__(
        self,
        laws: Sequence[Law],
        places: Mapping[str, Place],
        grid: StaggeredGrid | PointGrid,
        inverse: Float64[Tensor, " value"],
    ) -> None:
        self.laws, self.places, self.grid, self.steps = tuple(laws), dict(places), grid, 0
        self.sizes = [math.prod(grid.shape(place)) for place in self.places.values()]
        self.inverse = inverse.numpy()[:, None]
        self.rows = [self._row(law) for law in self.laws]
        self.counts = [row.shape[0] for row in self.rows]
        self.matrix = csr_array(vstack(self.rows)) if self.rows else csr_array((0, sum(self.sizes)))
        self.back, self.absolute = csr_array(self.matrix.T), abs(self.matrix)
        sources = [np.full((n, 1), float(law.source)) for n, law in zip(self.counts, self.laws, strict=True)]
        self.source = np.concatenate(sources) if sources else np.zeros((0, 1))
        self.diagonal = self.matrix.power(2) @ self.inverse[:, 0]
        self.split = [self._split(law, i) for i, law in enumerate(self.laws)]
        self.balances: list[Balance] = []
        if isinstance(grid, StaggeredGrid) and ((self.inverse == 0).any() or self.source.any()):
            free = csr_array(self.matrix * (self.inverse[:, 0] > 0))
            free.eliminate_zeros()
            self.balances = [
                Balance(law.name, free[self._rows_of(i)], grid.volumes(self._place(law)).numpy().ravel())
                for i, law in enumerate(self.laws)
            ]

    def _place(self, law: Law) -> Place:
        places = {
            self.grid.moved(self.places[name], self._exponents(law, monomial)) for name, monomial in law.terms
        }
        if law.integral:
            problem = "its total changes by what flows through the boundary"
            remedy = "give a law that holds at each point, or has derivatives in space"
            raise UnsupportedLawError(law.name, problem, remedy)
        if len(places) > 1:
            problem = f"its terms live at the places {listing(sorted(places))}"
            raise UnsupportedLawError(law.name, problem, "choose places such that all terms live at one")
        return places.pop()

    def _exponents(self, law: Law, monomial: tuple[int, ...]) -> tuple[int, ...]:
        return monomial if law.order else (0,) * len(self.grid.coordinates)

    def _row(self, law: Law) -> csr_array:
        """The equations of one law over all values."""
        count = math.prod(self.grid.shape(self._place(law)))
        blocks = {name: csr_array((count, n)) for name, n in zip(self.places, self.sizes, strict=True)}
        for (name, monomial), value in law.terms.items():
            factors = self.grid.factors(self.places[name], self._exponents(law, monomial))
            product = functools.reduce(lambda a, b: kron(a, b, format="csr"), factors)
            blocks[name] = blocks[name] + float(value) * product
        return csr_array(block_array([list(blocks.values())]))

    def _rows_of(self, number: int) -> slice:
        start = sum(self.counts[:number])
        return slice(start, start + self.counts[number])

    def _split(self, law: Law, number: int) -> SumOfProducts | None:
        """The fast inverse of one law, if it has one."""
        parts, ends, terms = [], np.cumsum([0, *self.sizes]), []
        for (name, monomial), value in law.terms.items():
            along = [i for i, exponent in enumerate(self._exponents(law, monomial)) if exponent]
            if len(along) > 1 or name in parts:
                return None
            parts.append(name)
            field = list(self.places).index(name)
            inverse = self.inverse[ends[field] : ends[field + 1], 0]
            matrix = self.grid.factors(self.places[name], monomial)[along[0]] if along else None
            shape = self.grid.shape(self.places[name])
            terms.append(SplitTerm(along[0] if along else None, matrix, float(value), inverse.reshape(shape)))
        return SumOfProducts(terms, self.grid.shape(self._place(law)), self.diagonal[self._rows_of(number)])

    def _precondition(self, rest: Tensor) -> Tensor:
        """Near to the inverse of each law by itself."""
        found = torch.empty_like(rest)
        for number, split in enumerate(self.split):
            part = self._rows_of(number)
            if split is None:
                diagonal = torch.as_tensor(self.diagonal[part])[:, None]
                found[part] = torch.where(diagonal > 0, rest[part] / diagonal, 0.0)
            else:
                found[part] = split.solve(rest[part])
        return found

    def _apply(self, multiplier: Tensor) -> Tensor:
        return torch.from_numpy(self.matrix @ (self.inverse * (self.back @ multiplier.numpy())))

    def missed(self, states: States, *, homogeneous: bool = False) -> tuple[Array, Array]:
        """L y - s, and the size of the terms of each equation, (equation, state)."""
        values, source = states.T.numpy(), np.zeros(()) if homogeneous else self.source
        return self.matrix @ values - source, self.absolute @ np.abs(values) + np.abs(source)

    def share(self, left: Array, size: Array) -> Array:
        """What is left in each state of the law that is missed most, of the size of its terms."""
        each = [
            np.abs(left[part]).max(0) / np.maximum(size[part].max(0), 1e-300)
            for part in map(self._rows_of, range(len(self.laws)))
        ]
        return np.max(each, 0)

    def correction(self, states: States, *, homogeneous: bool = False) -> States:
        """What the nearest lawful states differ by; linear if homogeneous."""
        left, size = self.missed(states, homogeneous=homogeneous)
        share = torch.from_numpy(self.share(left, size))
        multiplier, self.steps = conjugate_gradients(
            self._apply,
            torch.from_numpy(left),
            lambda a, b: (a * b).sum(0),
            precondition=self._precondition,
            settled=(_ROUNDING / share).clamp(min=_SETTLED),  # no step takes away all round-off
            steps=_STEPS,
        )
        return torch.from_numpy(self.inverse * (self.back @ multiplier.numpy())).T

    def project(self, states: States) -> States:
        """The nearest lawful states; those that are lawful stay as they are.

        Raises:
            SettingsError: if values that are held, or sources, do not balance.
            ProjectionError: if conjugate gradients do not settle.
        """
        if not self.rows:
            return states
        left, size = self.missed(states)
        if self.balances:
            for number, balance in enumerate(self.balances):
                part = self._rows_of(number)
                balance.check(left[part], size[part])
        share, before = float(self.share(left, size).max()), math.inf
        # The second time removes the round-off of the first.
        while _ROUNDING < share < 0.5 * before:
            states = states - self.correction(states)
            before, share = share, float(self.share(*self.missed(states)).max())
        if share > _LAWFUL:
            raise ProjectionError(
                f"after {self.steps} steps of conjugate gradients the laws are still missed by {share:.1e} "
                "of their terms",
                "weigh points less unequally, or hold fewer values: they may contradict the laws",
            )
        return states
