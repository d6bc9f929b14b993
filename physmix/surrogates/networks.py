"""Networks to put a lawful head on: those of the neuraloperator library, and a U-Net.

Each maps (batch, field, *grid) to (batch, potential, *grid), in float32, without being told where a point
is. Any other module that maps so serves as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

import torch
from torch import Tensor, nn

from physmix.errors import MissingPackageError, SettingsError, ShapeError

_CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@contextmanager
def drawn_from(generator: torch.Generator | None) -> Iterator[None]:
    """Initial weights of modules that draw from torch's own generator, from another in its place."""
    seed = int(torch.randint(2**31, (), generator=generator)) if generator else random.getrandbits(31)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def fourier_operator(
    fields: int, potentials: int, dimensions: int, *, modes: int, width: int, depth: int
) -> nn.Module:
    """The Fourier neural operator of the neuraloperator library, on a periodic grid.

    Li et al., "Fourier neural operator for parametric partial differential equations", ICLR 2021.

    Args:
        fields: channels in.
        potentials: channels out.
        dimensions: of the grid.
        modes: that are kept along each.
        width: channels inside.
        depth: layers.

    Raises:
        MissingPackageError: if neuraloperator is not installed.
    """
    try:
        from neuralop.models import FNO  # noqa: PLC0415
    except ImportError as error:
        raise MissingPackageError("neuraloperator", "surrogates") from error
    made: nn.Module = FNO(
        (modes,) * dimensions, fields, potentials, width, n_layers=depth, positional_embedding=None
    )
    return made


def u_shaped_operator(fields: int, potentials: int, dimensions: int, *, modes: int, width: int) -> nn.Module:
    """The U-shaped neural operator of the neuraloperator library: a coarse level between two fine ones.

    Rahman, Ross and Azizzadenesheli, "U-NO: U-shaped neural operators", TMLR 2023.

    Args:
        fields: channels in.
        potentials: channels out.
        dimensions: of the grid.
        modes: that are kept along each on the fine level; half of them on the coarse one.
        width: channels inside, twice as many on the coarse level.

    Raises:
        MissingPackageError: if neuraloperator is not installed.
    """
    try:
        from neuralop.models import UNO  # noqa: PLC0415
    except ImportError as error:
        raise MissingPackageError("neuraloperator", "surrogates") from error
    fine, coarse = [modes] * dimensions, [max(2, modes // 2)] * dimensions
    with redirect_stdout(StringIO()):  # it prints its settings
        made: nn.Module = UNO(
            fields,
            potentials,
            width,
            lifting_channels=2 * width,
            projection_channels=2 * width,
            positional_embedding=None,
            n_layers=5,
            channel_mlp_skip="linear",  # the only one from one width to another
            uno_out_channels=[width, 2 * width, 2 * width, width, width],
            uno_n_modes=[fine, coarse, coarse, coarse, fine],
            uno_scalings=[[scale] * dimensions for scale in (1.0, 0.5, 1.0, 2.0, 1.0)],
        )
    return made


class UNet(nn.Module):
    """Convolutions on ever coarser grids and back, with what each level saw handed across.

    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015; with periodic convolutions where the grid is.

    Args:
        fields: channels in.
        potentials: channels out.
        dimensions: of the grid, 1 to 3.
        width: channels of the finest level; twice as many on each further one.
        levels: below the finest; every side of the grid must be a multiple of two to this power.
        padding: circular for periodic grids, replicate for those with ends.

    Raises:
        SettingsError: for another number of dimensions.
    """

    def __init__(
        self,
        fields: int,
        potentials: int,
        dimensions: int,
        *,
        width: int,
        levels: int,
        padding: str = "circular",
    ) -> None:
        super().__init__()
        if dimensions not in _CONVOLUTIONS:
            raise SettingsError("a U-Net", f"dimensions={dimensions}", "give 1 to 3")
        self.factor, convolution = 2**levels, _CONVOLUTIONS[dimensions]

        def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(
                convolution(inputs, outputs, 3, stride=stride, padding=1, padding_mode=padding),
                nn.GroupNorm(1, outputs),
                nn.GELU(),
                convolution(outputs, outputs, 3, padding=1, padding_mode=padding),
                nn.GELU(),
            )

        widths = [width * 2**level for level in range(levels + 1)]
        self.first = block(fields, width)
        self.down = nn.ModuleList(block(widths[i], widths[i + 1], stride=2) for i in range(levels))
        self.up = nn.ModuleList(block(widths[i] + widths[i + 1], widths[i]) for i in reversed(range(levels)))
        self.last = convolution(width, potentials, 1)

    def forward(self, state: Tensor) -> Tensor:
        """Down and up again."""
        if any(size % self.factor for size in state.shape[2:]):
            raise ShapeError("the state", state.shape, f"sides that are multiples of {self.factor}")
        seen = [self.first(state)]
        for step in self.down:
            seen.append(step(seen[-1]))
        found = seen.pop()
        for step in self.up:
            across = seen.pop()
            # The nearest value, since interpolation at the edges would not be periodic.
            found = nn.functional.interpolate(found, size=across.shape[2:], mode="nearest")
            found = step(torch.cat([found, across], 1))
        return self.last(found)
