"""What a prediction is worth: errors, missed totals and spectra, as the benchmarks of the field have them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from physmix import grids

States = Float[Tensor, "batch time *grid field"]
ByTime = Float[Tensor, "time field"]


def normalised_error(predicted: States, true: States) -> ByTime:
    """nRMSE: the norm of the error over that of the true field, at each time, averaged over the batch.

    Takamoto et al., "PDEBench", NeurIPS 2022, table 3 and section 3.3.
    """
    grid = tuple(range(2, true.ndim - 1))
    error = (predicted - true).double().square().sum(grid).sqrt()
    return (error / true.double().square().sum(grid).sqrt()).mean(0)


def conserved_error(predicted: States, true: States) -> ByTime:
    """cRMSE: the root mean square over the batch of the difference of sums, over the number of cells.

    It says something of conservation only for fields whose totals are conserved: in primitive variables,
    of the density alone. Source: as for `normalised_error`.
    """
    grid = tuple(range(2, true.ndim - 1))
    cells = true[0, 0, ..., 0].numel()
    missed = predicted.double().sum(grid) - true.double().sum(grid)
    return missed.square().mean(0).sqrt() / cells


def drift(states: States) -> ByTime:
    """How far the total of each field is from its first one, of the worst of the batch; see `grids.drift`."""
    grid = tuple(range(2, states.ndim - 1))
    values = states.double()
    return grids.drift(values.sum(grid), values.abs().sum(grid)).relative.amax(0)


def spectrum(states: Float[Tensor, "batch *grid field"]) -> Float[Tensor, "wave field"]:
    """The energy of a periodic grid's fields by wave number: the sum over shells of width one, batch mean.

    Shell k has the waves with k - 1/2 <= |wave| < k + 1/2, up to half the shortest side.
    """
    grid = tuple(range(1, states.ndim - 1))
    sides = [states.shape[i] for i in grid]
    cells = states[0, ..., 0].numel()
    energy = (torch.fft.fftn(states.double(), dim=grid).abs() / cells).square()
    waves = torch.meshgrid(*[torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) for n in sides], indexing="ij")
    shell = torch.stack(waves).square().sum(0).sqrt().round().long().flatten()
    found = energy.new_zeros(int(shell.max()) + 1, states.shape[-1])
    found.index_add_(0, shell.to(energy.device), energy.mean(0).flatten(0, -2))
    return found[: min(sides) // 2 + 1]


def spectral_error(predicted: Tensor, true: Tensor) -> Float[Tensor, " field"]:
    """Root mean square of the natural logarithm of the ratio of spectra over all waves but the mean."""
    ratio = spectrum(predicted)[1:] / spectrum(true)[1:]
    return ratio.log().square().mean(0).sqrt()
