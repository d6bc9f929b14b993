"""Where the numbers of one field lie in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physmix.errors import listing
from physmix.flows.layout import refusal
from physmix.flows.metadata import Metadata
from physmix.flows.untrusted import UntrustedFile, native


@dataclass(frozen=True)
class Piece:
    """One or several channels in one dataset, or in one dataset for each trajectory.

    Attributes:
        names: of the dataset, or of one for each trajectory.
        channels: how many it holds: the product of its axes after time and space.
        apart: whether each trajectory has a dataset of its own.
        sampled: whether the dataset has an axis of trajectories; else all have the same numbers.
        timed: whether it has an axis of time; else all times have the same numbers.
        spread: for each dimension whether it has an axis of it; empty for all.
        components: the axes behind those of space.
    """

    names: tuple[str, ...]
    channels: int = 1
    apart: bool = False
    sampled: bool = True
    timed: bool = True
    spread: tuple[bool, ...] = ()
    components: tuple[int, ...] = field(default=())

    def check(self, file: UntrustedFile, metadata: Metadata) -> None:
        """Refuse datasets whose shape does not fit.

        Raises:
            FlowFileError: if one has another shape, is missing, or kept elsewhere.
        """
        sizes = {"trajectory": metadata.trajectories} if self.sampled and not self.apart else {}
        sizes |= {"time": len(metadata.time)} if self.timed else {}
        spread = self.spread or (True,) * len(metadata.axes)
        sizes |= {n: side for n, side, has in zip(metadata.axes, metadata.grid, spread, strict=True) if has}
        behind = [f"component {side}" for side in self.components]
        for name in self.names:
            shape = file.floats(name).shape
            if shape != (*sizes.values(), *self.components):
                shown = [n if n == "trajectory" else f"{n} {side}" for n, side in sizes.items()]
                field_name = name.rpartition("/")[2]
                expected = listing([*shown, *behind])
                problem = f"has a field {field_name} of shape {shape}, expected ({expected})"
                raise refusal(file.path, problem)

    def read(
        self, file: UntrustedFile, metadata: Metadata, trajectories: slice, times: slice
    ) -> NDArray[np.floating]:
        """Numbers of shape (trajectory, time, *grid, channel), broadcast along axes that it does not have."""
        count = trajectories.stop - trajectories.start
        steps = times.stop - times.start
        part = (times,) if self.timed else ()
        if self.apart:
            each = [file.numbers(name, part) for name in self.names[trajectories]]
            values = np.stack(each)
        else:
            values = file.numbers(self.names[0], ((trajectories,) if self.sampled else ()) + part)
            values = values if self.sampled else values[None]
        if not self.timed:
            values = values[:, None]
        for i, has in enumerate(self.spread):
            if not has:
                values = np.expand_dims(values, 2 + i)
        sides = values.shape[: 2 + len(metadata.axes)]
        values = values.reshape(*sides, self.channels)
        shape = (count, steps, *metadata.grid, self.channels)
        # A view by broadcasting is read-only, which torch does not take.
        return values if values.shape == shape else np.broadcast_to(values, shape).copy()


def precision_of(file: UntrustedFile, pieces: Iterable[Piece]) -> np.dtype:
    """The widest type of the numbers of all pieces: float32 or float64."""
    kinds = [native(file.floats(name).dtype) for piece in pieces for name in piece.names[:1]]
    return max(kinds, key=lambda kind: kind.itemsize, default=np.dtype(np.float64))
