"""The orthogonal projection of fields on a periodic grid onto those that obey laws, mode by mode.

Every operator of a periodic grid is diagonal in Fourier space: a law is one row L(k) over the fields at
each wavenumber, and the nearest lawful field is y - W^-1 L^H (L W^-1 L^H)^+ (L y - s) there, in a time
of N log N. Rows that vanish, as those of derivatives do for the mean, ask nothing: means are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from physmix.constraints import LinearSet
from physmix.errors import SettingsError, ShapeError, UnsupportedLawError, listing
from physmix.grids import PeriodicGrid, derivative_symbol
from physmix.laws import Law

_RELATIVE = 1e-10  # singular values of a mode's rows below this are zero; rows have size one
_MODES = 2**16  # at once, so that memory stays small

Fields = Float[Tensor, "trajectory time *grid field"]


def law_terms(fields: Fields, names: Sequence[str], law: Law, grid: PeriodicGrid) -> Tensor:
    """Each term of a law in the operators of a grid, (term, trajectory, time, *grid)."""
    whole = fields.flatten(0, 1)
    terms = [
        float(value) * grid.apply(whole[..., [names.index(field)]], monomial)[..., 0]
        for (field, monomial), value in law.terms.items()
    ]
    return torch.stack(terms).reshape(len(terms), *fields.shape[:-1])


class LawfulFields:
    """The fields on a periodic grid that obey laws in the grid's own operators.

    Args:
        laws: of the grid's coordinates: with derivatives, of values at each point, or of totals, which
            are to stay what they are on average over the times of a trajectory.
        names: of the fields.
        grid: where they live.
        weights: how much a change of each field counts, by name; 1 if omitted.

    Raises:
        UnknownFieldError: if a law names another field.
        UnsupportedLawError: if a law has derivatives along other coordinates.
        SettingsError: if a weight is not positive.
        ContradictionError: if no field obeys the laws; it names a minimal conflicting subset.
    """

    def __init__(
        self,
        laws: Iterable[Law],
        names: Sequence[str],
        grid: PeriodicGrid,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.laws, self.names, self.grid = tuple(laws), tuple(names), grid
        for law in self.laws:
            law.check_fields(self.names)
            if law.order and law.coordinates != grid.coordinates:
                raise UnsupportedLawError(
                    law.name,
                    f"it has derivatives in {listing(law.coordinates)}, and the grid has "
                    f"{listing(grid.coordinates)}",
                    "write it in the coordinates of the grid, without time",
                )
        sizes = [(weights or {}).get(name, 1.0) for name in self.names]
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise SettingsError("the weights", f"they are {listing(sizes)}", "give positive numbers")
        self.scale = torch.tensor(sizes, dtype=torch.float64).sqrt()
        self.local = tuple(law for law in self.laws if not law.integral)
        self.totals = tuple(law for law in self.laws if law.integral)
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

    def project(self, fields: Fields) -> Fields:
        """The nearest lawful fields, in the sum of weights times squares.

        Raises:
            ShapeError: if the fields are not on the grid.
        """
        expected = (*self.grid.points, len(self.names))
        if fields.ndim < 3 or tuple(fields.shape[2:]) != expected:
            raise ShapeError("the fields", fields.shape, f"(trajectory, time, {listing(expected)})")
        scale = self.scale.to(fields.device)
        scaled = fields.double() * scale
        for _ in range(2):  # the second time removes the round-off of the first
            scaled = scaled - self.correction(scaled)
        return scaled / scale

    def correction(self, scaled: Fields, *, homogeneous: bool = False) -> Fields:
        """What projection takes from fields times the root of their weights; linear if homogeneous."""
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

    def violation(self, fields: Fields) -> dict[str, float]:
        """max |L y - s| / max sum of |terms| of each law; of a total, its change over time."""
        found = {}
        for law in self.laws:
            terms = law_terms(fields.double(), self.names, law, self.grid)
            if law.integral:
                terms = terms.flatten(3).sum(3)
                missed = (terms - terms[:, :, :1]).sum(0)
            else:
                missed = terms.sum(0) - float(law.source)
            size = float(terms.abs().sum(0).max())
            found[law.name] = float(missed.abs().max()) / (size or 1.0)
        return found
