"""Laws over the roll-outs of surrogates, and states to start one from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.checking.finding import Finding
from physmix.checking.totals import judge_states
from physmix.laws import Law


def judge_rollout(
    states: Float[Tensor, "time batch *grid field"], fields: Sequence[str], laws: Iterable[Law]
) -> list[Finding]:
    """Judge laws over the roll-out of a surrogate.

    Args:
        states: the predicted states, the first one given.
        fields: the channels of a state.
        laws: integral or pointwise.

    Raises:
        UnknownFieldError, UnsupportedLawError: see `check_grid_laws`.
    """
    trajectories = states.movedim(0, 1).numpy()
    values = {name: trajectories[..., i] for i, name in enumerate(fields)}
    where = f"a {len(states) - 1}-step roll-out"
    return judge_states(values, laws, where, dict.fromkeys(fields, states.dtype))


def random_states(
    mean: Tensor, size: Tensor, grid: Sequence[int], *, batch: int = 4, seed: int = 0
) -> Tensor:
    """Fresh smooth periodic states around a mean, (batch, *grid, field)."""
    generator = torch.Generator().manual_seed(seed)
    axes = tuple(range(1, len(grid) + 1))
    noise = torch.randn(batch, *grid, len(mean), generator=generator, dtype=mean.dtype)
    modes = torch.fft.fftn(noise, dim=axes)
    frequencies = [torch.fft.fftfreq(points, 1 / points, dtype=mean.dtype) for points in grid]
    square = sum(f**2 for f in torch.meshgrid(*frequencies, indexing="ij"))
    damping = torch.exp(-torch.as_tensor(square) / 18)[..., None]
    smooth = torch.fft.ifftn(modes * damping, dim=axes).real
    return mean + size * smooth / smooth.std()
