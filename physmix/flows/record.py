"""An unsteady incompressible flow known at every point of space, at stored times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.flows.solution import Solution


@dataclass(frozen=True, eq=False)
class Record(Solution):
    """The flow at each of some times; between them it is not known.

    Attributes:
        times: increasing.
        states: the flow at each of them, over x and y.
    """

    times: NDArray[np.float64]
    states: Sequence[Solution]

    coordinates = "txy"
    names = ("velocity_x", "velocity_y", "pressure")

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        times = torch.from_numpy(self.times)
        nearest = (points[:, :1] - times).abs().argmin(1)
        if not torch.equal(points[:, 0], times[nearest]):
            shown = listing(f"{t:.6g}" for t in self.times[:: max(1, len(self.times) // 8)])
            raise SettingsError(
                "the points", "some are at times that are not stored", f"take t from {shown}, ..."
            )
        out = points.new_empty(len(self.names), len(points))
        for index in nearest.unique().tolist():
            chosen = nearest == index
            fields = self.states[index].fields(points[chosen, 1:])
            out[:, chosen] = torch.stack([fields[name] for name in self.names])
        return tuple(out)
