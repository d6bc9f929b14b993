"""Totals over time: how far they drift, relative to what they are the sums of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

ByTime = Float[Tensor, "trajectory time *law"]


@dataclass(frozen=True)
class Drift:
    """How far the totals of trajectories are from their first ones.

    Attributes:
        missed: |Q(t) - Q(0)|.
        size: the largest sum of magnitudes that the trajectory has had by then.
    """

    missed: ByTime
    size: ByTime

    @property
    def relative(self) -> ByTime:
        """Their ratio, which is at most two; zero where every term has been zero so far."""
        return torch.where(self.size == 0, self.missed, self.missed / self.size)

    @property
    def worst(self) -> tuple[float, float]:
        """`missed` and `size` where the ratio is largest, or no number; where all stay, the largest size."""
        ratio = self.relative.flatten()
        place = int(ratio.argmax())  # of what is not a number, if there is any
        if ratio[place] == 0:
            return 0.0, float(self.size.max())
        return float(self.missed.flatten()[place]), float(self.size.flatten()[place])


def drift(totals: ByTime, magnitudes: ByTime) -> Drift:
    """The drift of totals: |Q(t) - Q(0)| over the largest sum of |terms| of the same trajectory up to t.

    Round-off of a total is relative to the sum of the magnitudes of its terms, and so must be its drift: a
    momentum may well be zero in total. But of which state? Not of the first alone: in a flow that begins at
    rest, or nearly so across its stream, momentum grows to sizes that have nothing to do with the first
    one, and a lawful path would drift beyond all bounds. Nor of all states to come, or of all trajectories:
    what is said of a time would depend on what follows it, and a quiet trajectory would hide behind a loud
    one, more or less as files are cut. With the largest size up to t the drift is at most two, since |Q| is
    at most the sum of |terms|; the drift of a path is the largest of its curve; and that of a data set the
    largest of its trajectories.

    Args:
        totals: sums over the grid.
        magnitudes: sums over the grid of the magnitudes of all terms.
    """
    return Drift((totals - totals[:, :1]).abs(), magnitudes.cummax(1).values)
