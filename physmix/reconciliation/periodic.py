"""The nearest lawful fields on a periodic grid, mode by mode.

Every operator of a periodic grid is diagonal in Fourier space: a law is one row L(k) over the fields at
each wavenumber, and the nearest lawful field is y - W^-1 L^H (L W^-1 L^H)^+ (L y - s) there, in a time
of N log N. Rows that vanish, as those of derivatives do for the mean, ask nothing: means are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float64
from torch import Tensor

from physmix.constraints import LinearSet
from physmix.grids import PeriodicGrid, derivative_symbol
from physmix.laws import Law
from physmix.reconciliation.conjugate import conjugate_gradients

_RELATIVE = 1e-10  # singular values of a mode's rows below this are zero; rows have size one
_MODES = 2**16  # at once, so that memory stays small
_STEPS = 2000

States = Float64[Tensor, "trajectory time *grid field"]


class PeriodicLaws:
    """The laws on a periodic grid in its own operators.

    Args:
        laws: of the grid's coordinates: with derivatives, of values at each point, or of totals, which
            are to stay what they are on average over the times of a trajectory.
        names: of the fields.
        grid: where they live.
        inverse: W^-1 of every value, (*grid, field), or of every field, (field,).

    Raises:
        ContradictionError: if no field obeys the laws; it names a minimal conflicting subset.
    """

    def __init__(
        self,
        laws: Sequence[Law],
        names: Sequence[str],
        grid: PeriodicGrid,
        inverse: Float64[Tensor, "*grid field"],
    ) -> None:
        self.names, self.grid = tuple(names), grid
        # Modes know one weight a field: the mean one, beside which those of points are near to 1.
        mean = inverse.flatten(0, -2).mean(0) if inverse.ndim > 1 else inverse
        self.scale = torch.where(mean > 0, mean, 1.0).rsqrt()
        self.relative = None if inverse.ndim == 1 and bool((mean > 0).all()) else inverse * self.scale**2
        self.local = tuple(law for law in laws if not law.integral)
        self.totals = tuple(law for law in laws if law.integral)
        self._check_means()

    def _check_means(self) -> None:
        """On a periodic grid derivatives have no mean, so that sources are those of the other terms."""
        matrix = torch.zeros(len(self.local), len(self.names), dtype=torch.float64)
        for number, law in enumerate(self.local):
            for (field, monomial), value in law.terms.items():
                if not any(monomial):
                    matrix[number, self.names.index(field)] = float(value)
        source = torch.tensor([float(law.source) for law in self.local], dtype=torch.float64)
        LinearSet(matrix, source, [law.name for law in self.local])

    def project(self, states: States) -> States:
        """The nearest lawful states."""
        for _ in range(2):  # the second time removes the round-off of the first
            states = states - self.correction(states)
        return states

    def correction(self, states: States, *, homogeneous: bool = False) -> States:
        """What the nearest lawful states differ by; linear if homogeneous.

        Modes give the part P of fields that projection takes. With weights by point it is W^-1 v, where
        P W^-1 P v = P y; conjugate gradients find v.
        """
        scaled = states * self.scale
        side = self._modes(scaled, homogeneous=homogeneous)
        if self.relative is not None:
            inverse = self.relative
            side = self._modes(side, homogeneous=True)  # its round-off outside of the range would grow
            side, _ = conjugate_gradients(
                lambda part: self._modes(inverse * part, homogeneous=True),
                side,
                lambda a, b: (a * b).sum(),
                settled=1e-14,
                steps=_STEPS,
                least=1e-14,
            )
            side = inverse * side
        return side / self.scale

    def _modes(self, scaled: States, *, homogeneous: bool = False) -> States:
        """What projection takes from fields times the root of their weights."""
        axes = tuple(range(2, scaled.ndim - 1))
        modes = torch.fft.rfftn(scaled, dim=axes)
        shape = modes.shape
        flat = modes.flatten(2, -2)
        taken = torch.empty_like(flat)
        for start in range(0, flat.shape[2], _MODES):
            part = slice(start, start + _MODES)
            rows, side = self._rows(part, shape[2:-1])
            taken[:, :, part] = self._mode_correction(flat[:, :, part], rows, None if homogeneous else side)
        taken[:, :, 0] = self._mean_correction(flat[:, :, 0], homogeneous=homogeneous)
        return torch.fft.irfftn(taken.reshape(shape), s=self.grid.points, dim=axes)

    def _mode_correction(
        self, values: Tensor, rows: Complex[Tensor, "mode law field"], side: Tensor | None
    ) -> Tensor:
        if rows.shape[1] == 0:
            return torch.zeros_like(values)
        missed = torch.einsum("mlf,abmf->abml", rows, values)
        if side is not None:
            missed = missed - side
        if rows.shape[1] == 1:  # rows have size one or zero
            return missed * rows.conj()[:, 0]
        inverse = torch.linalg.pinv(rows, rtol=_RELATIVE)
        return torch.einsum("mfl,abml->abmf", inverse, missed)

    def _rows(self, part: slice, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The laws at some modes, each row of size one or zero, and their sources there."""
        places = torch.arange(math.prod(shape))[part]
        index = torch.unravel_index(places, tuple(shape))
        symbols = [
            derivative_symbol(self.grid.scheme, n, length)[i]
            for n, length, i in zip(self.grid.points, self.grid.lengths, index, strict=True)
        ]
        rows = torch.zeros(len(places), len(self.local), len(self.names), dtype=torch.complex128)
        for number, law in enumerate(self.local):
            for (field, monomial), value in law.terms.items():
                term = torch.full((len(places),), float(value), dtype=torch.complex128)
                for symbol, exponent in zip(symbols, monomial, strict=False):
                    term = term * symbol**exponent
                place = self.names.index(field)
                rows[:, number, place] += term / self.scale[place]
        size = torch.linalg.vector_norm(rows, dim=2, keepdim=True)
        size = torch.where(size > 0, size, torch.ones_like(size))
        source = torch.tensor([float(law.source) for law in self.local], dtype=torch.float64)
        side = (places == 0)[:, None] * source * math.prod(self.grid.points) / size[..., 0]
        return rows / size, side

    def _mean_correction(self, mean: Tensor, *, homogeneous: bool) -> Tensor:
        """Of the mode without waves: totals stay over time what they are on average."""
        rows, side = self._rows(slice(0, 1), self.grid.points)
        steady = mean.mean(1, keepdim=True)
        taken = self._mode_correction(steady[:, :, None], rows, None if homogeneous else side)[:, :, 0]
        changing = mean - steady
        total = torch.zeros(1, len(self.totals), len(self.names), dtype=torch.complex128)
        for number, law in enumerate(self.totals):
            for (field, _), value in law.terms.items():
                place = self.names.index(field)
                total[0, number, place] = float(value) / self.scale[place]
        size = torch.linalg.vector_norm(total, dim=2, keepdim=True)
        both = torch.cat([rows, total / torch.where(size > 0, size, torch.ones_like(size))], 1)
        return taken + self._mode_correction(changing[:, :, None], both, None)[:, :, 0]
