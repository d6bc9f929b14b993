"""The stack of lawful 1x1 layers: field tensors in, the field tensors of the next time out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import ShapeError
from physmix.grids import neighbour_operators
from physmix.laws import Law, Scaling, compile_laws
from physmix.mixing import MixingBlock, claim_laws


class FieldStack(nn.Module):
    """Mixing blocks over the fields of a flow and latent channels on a periodic grid.

    The fields enter in units of size one around their mean, join latent channels that start at
    zero, and pass through blocks whose weights the laws constrain; the lawful increment is added to
    the state. So a total that the laws keep is kept through the whole depth and any roll-out.

    Args:
        laws: integral laws of the fields, possibly none.
        fields: the channels of the state, in order.
        dimensions: of the grid.
        latent: channels that no law speaks of.
        width: channels inside each block.
        depth: number of blocks.
        scaling: sizes of the fields.
        mean: the mean of each field.
        generator: source of the initial weights.

    Raises:
        UnknownFieldError, UnsupportedLawError, ContradictionError, NoFreedomError: if the laws
            cannot be held; see `compile_laws`.
    """

    def __init__(
        self,
        laws: Iterable[Law],
        fields: Sequence[str],
        *,
        dimensions: int = 2,
        latent: int = 8,
        width: int = 24,
        depth: int = 3,
        scaling: Scaling | None = None,
        mean: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        scaling, mean = scaling or Scaling(), mean or {}
        self.laws, self.fields, self.dimensions = tuple(laws), tuple(fields), dimensions
        channels = [*self.fields, *(f"latent_{i}" for i in range(latent))]
        constraint = compile_laws(
            # Blocks add increments, the difference of two lawful states.
            [scaling.apply(law).homogeneous() for law in self.laws],
            channels,
            neighbour_operators(dimensions),
        )
        self.blocks = nn.Sequential(
            *(MixingBlock(constraint, width, generator=generator) for _ in range(depth))
        )
        self.latent = latent
        self.claim = claim_laws(self.laws, self.fields, kept=True)
        for name, values, default in (("size", scaling.size, 1.0), ("mean", mean, 0.0)):
            vector = [values.get(field, default) for field in self.fields]
            self.register_buffer(name, torch.tensor(vector, dtype=torch.float64))

    size: Tensor
    mean: Tensor

    def forward(self, state: Float[Tensor, "batch *grid field"]) -> Float[Tensor, "batch *grid field"]:
        """The state one stored time later."""
        if state.ndim != self.dimensions + 2 or state.shape[-1] != len(self.fields):
            expected = f"(batch, {self.dimensions} grid axes, {len(self.fields)} fields)"
            raise ShapeError("the state", state.shape, expected)
        start = (state - self.mean) / self.size
        start = nn.functional.pad(start, (0, self.latent))
        increment = self.blocks(start) - start
        return state + (self.size * increment[..., : len(self.fields)]).to(state)


def rollout(
    model: nn.Module, state: Float[Tensor, "batch *grid field"], steps: int
) -> Float[Tensor, "time batch *grid field"]:
    """The states at times 0 to `steps`, each predicted from the one before."""
    states = [state]
    with torch.no_grad():
        for _ in range(steps):
            states.append(model(states[-1]))
    return torch.stack(states)
