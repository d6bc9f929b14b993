"""Points that are made some at a time, so that their number costs no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import SettingsError, ShapeError
from physmix.problems.samples import Sample, joined

BATCH = 2**16
"""Points that are held at once."""

_TRIALS = 64  # batches drawn before a part counts as empty

Rows = Tensor | NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Points:
    """Points in a fixed order, with what each stands for, made anew each time that they are asked for.

        Points.of(numpy.load("points.npy", mmap_mode="r"))

    Attributes:
        count: their number.
        parts: makes them, some at a time; each time the same.
    """

    count: int
    parts: Callable[[], Iterable[Sample]]

    @classmethod
    def of(cls, rows: Rows, share: Rows | None = None) -> Points:
        """The rows of an array in memory or in a file, which is read some rows at a time.

        Args:
            rows: (point, coordinate).
            share: what each stands for, one on average, (point); all alike where omitted.

        Raises:
            SettingsError: if there are none.
            ShapeError: if shares are not one for each point.
        """
        if not len(rows):
            raise SettingsError("points", "there are none", "give one row for each")
        if share is not None and share.shape != (len(rows),):
            raise ShapeError("shares of points", tuple(share.shape), f"({len(rows)},), one for each point")

        def parts() -> Iterator[Sample]:
            for start in range(0, len(rows), BATCH):
                some = _copied(rows[start : start + BATCH])
                stands = some.new_ones(len(some)) if share is None else _copied(share[start : start + BATCH])
                yield Sample(some, torch.zeros_like(some), stands)

        return cls(len(rows), parts)

    def followed_by(self, *held: Sample) -> Points:
        """These and then others."""

        def parts() -> Iterator[Sample]:
            yield from self.parts()
            yield from held

        return Points(self.count + sum(map(len, held)), parts)

    def held(self) -> Sample:
        """All of them at once."""
        return joined(*self.parts())

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Sample]:
        """In batches that are as large as each other, but for the last.

        Raises:
            ShapeError: if the parts are not as many as was said.
        """
        waiting: list[Sample] = []
        made = 0
        for some in self.parts():
            waiting.append(some)
            made += len(some)
            if sum(map(len, waiting)) >= BATCH:
                *full, rest = _cut(joined(*waiting))
                waiting = [rest]
                yield from full
        if made != self.count:
            raise ShapeError("points made in parts", (made,), f"({self.count},)")
        yield from _cut(joined(*waiting))


def drawn(
    place: Callable[[Tensor], Sample],
    contains: Callable[[Tensor], Bool[Tensor, " point"]],
    dimensions: int,
    count: int,
    seed: int,
) -> Points:
    """Quasi-random points (Sobol, scrambled), of which those outside are left out.

    Args:
        place: takes points of the unit cube to a sample.
        contains: which points are kept.
        dimensions: of the cube.
        count: of the points.
        seed: of the scrambling.

    Raises:
        SettingsError: if no point is asked for, or, when they are made, almost none is kept.
    """
    if count < 1:
        raise SettingsError("a sample", f"{count} points", "give one or more")

    def parts() -> Iterator[Sample]:
        engine = torch.quasirandom.SobolEngine(max(dimensions, 1), scramble=True, seed=seed)
        left, size = count, min(count, BATCH)
        for _ in range(_TRIALS * -(-count // size)):
            sample = place(engine.draw(size, dtype=torch.float64)[:, :dimensions])
            found = sample.where(contains(sample.points))[:left]
            left -= len(found)
            yield found
            if not left:
                return
        raise SettingsError(
            "a region", "almost none of it is left beside its holes and limits", "change them"
        )

    return Points(count, parts)


def _cut(sample: Sample) -> list[Sample]:
    return [sample[start : start + BATCH] for start in range(0, max(len(sample), 1), BATCH)]


def _copied(rows: Rows) -> Float[Tensor, ...]:
    return rows.double() if isinstance(rows, Tensor) else torch.from_numpy(np.array(rows, dtype=np.float64))
