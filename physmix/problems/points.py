"""Points that are made some at a time, so that their number costs no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import SettingsError, ShapeError

BATCH = 2**16
"""Points that are held at once."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points in a fixed order, made anew each time that they are asked for.

        Points.of(numpy.load("points.npy", mmap_mode="r"))

    Attributes:
        count: their number.
        parts: makes them, some at a time, each (point, coordinate); each time the same.
    """

    count: int
    parts: Callable[[], Iterable[Float[Tensor, "point coordinate"]]]

    @classmethod
    def of(cls, rows: Tensor | NDArray[np.floating]) -> Points:
        """The rows of an array in memory or in a file, which is read some rows at a time.

        Raises:
            SettingsError: if there are none.
        """
        if not len(rows):
            raise SettingsError("points", "there are none", "give one row for each")
        starts = range(0, len(rows), BATCH)
        return cls(len(rows), lambda: (_copied(rows[a : a + BATCH]) for a in starts))

    def followed_by(self, *held: Float[Tensor, "_ coordinate"]) -> Points:
        """These and then others."""

        def parts() -> Iterator[Tensor]:
            yield from self.parts()
            yield from held

        return Points(self.count + sum(map(len, held)), parts)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Float[Tensor, "point coordinate"]]:
        """In batches that are as large as each other, but for the last.

        Raises:
            ShapeError: if the parts are not as many as was said.
        """
        waiting: list[Tensor] = []
        made = 0
        for some in self.parts():
            waiting.append(some)
            made += len(some)
            if sum(map(len, waiting)) >= BATCH:
                *full, rest = torch.cat(waiting).split(BATCH)
                waiting = [rest]
                yield from full
        if made != self.count:
            raise ShapeError("points made in parts", (made,), f"({self.count},)")
        yield from torch.cat(waiting).split(BATCH)


def _copied(rows: Tensor | NDArray[np.floating]) -> Tensor:
    return rows.double() if isinstance(rows, Tensor) else torch.from_numpy(np.array(rows, dtype=np.float64))
