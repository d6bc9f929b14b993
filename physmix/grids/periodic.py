"""Commuting derivatives on periodic grids: spectral, central and compact differences.

Each is a circulant along one dimension, so any two commute, and a law that is compiled over them
holds to round-off in the same operators. All have zero mean and are real: the symbol vanishes at the
Nyquist wavenumber of an even number of points, where an odd derivative has no real value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from physmix.errors import SettingsError, listing, suggestion
from physmix.grids.collocated import CollocatedGrid

Scheme = Literal["spectral", "central2", "central4", "compact4", "compact6"]

# alpha (f'[-1] + f'[1]) + f' = a (f[1] - f[-1]) / 2h + b (f[2] - f[-2]) / 4h
# (Lele, J. Comput. Phys. 103, 1992, section 2.1)
_COEFFICIENTS: dict[str, tuple[float, float, float]] = {
    "central2": (0.0, 1.0, 0.0),
    "central4": (0.0, 4 / 3, -1 / 3),
    "compact4": (1 / 4, 3 / 2, 0.0),
    "compact6": (1 / 3, 14 / 9, 1 / 9),
}


def _check_scheme(scheme: str) -> None:
    known = ["spectral", *_COEFFICIENTS]
    if scheme not in known:
        problem = f"scheme={scheme}{suggestion(scheme, known)}"
        raise SettingsError("the grid", problem, f"choose {listing(known)}")


def derivative_symbol(scheme: Scheme, points: int, length: float) -> Complex[Tensor, " wavenumber"]:
    """The eigenvalues of a first derivative, in the order of `torch.fft.fftfreq`.

    Raises:
        SettingsError: for a scheme that is not known.
    """
    _check_scheme(scheme)
    angle = 2 * math.pi * torch.fft.fftfreq(points, dtype=torch.float64)
    if scheme == "spectral":
        value = angle
    else:
        alpha, a, b = _COEFFICIENTS[scheme]
        value = (a * angle.sin() + b / 2 * (2 * angle).sin()) / (1 + 2 * alpha * angle.cos())
    value = value * (points / length)
    if points % 2 == 0:
        value[points // 2] = 0.0  # not merely small: its null space is asked for
    return torch.complex(torch.zeros_like(value), value)


@dataclass(frozen=True)
class PeriodicGrid(CollocatedGrid):
    """Points x_j = j L / n along each dimension, and one derivative scheme for all.

    Attributes:
        coordinates: the names of the dimensions.
        points: n of each dimension.
        lengths: the period L of each dimension.
        scheme: of the derivatives.

    Raises:
        SettingsError: for a scheme that is not known.
    """

    coordinates: tuple[str, ...]
    points: tuple[int, ...]
    lengths: tuple[float, ...]
    scheme: Scheme = "spectral"

    def __post_init__(self) -> None:
        _check_scheme(self.scheme)

    def differentiate(
        self, field: Float[Tensor, "batch *grid channel"], dimension: int
    ) -> Float[Tensor, "batch *grid channel"]:
        """The first derivative along one dimension of the grid."""
        n = self.points[dimension]
        symbol = derivative_symbol(self.scheme, n, self.lengths[dimension])[: n // 2 + 1]
        complex_type = torch.complex64 if field.dtype == torch.float32 else torch.complex128
        symbol = symbol.to(field.device, complex_type)
        modes = torch.fft.rfft(field, dim=dimension + 1)
        shape = [1] * field.ndim
        shape[dimension + 1] = len(symbol)
        return torch.fft.irfft(modes * symbol.view(shape), n=n, dim=dimension + 1)
