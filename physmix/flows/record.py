"""An unsteady incompressible flow known at every point of space, at stored times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.flows.known import KnownFlow

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Record(KnownFlow):
    """The flow at each of some times; between them it is not known.

    Attributes:
        times: increasing.
        states: the flow at each of them, over x and y.
    """

    times: NDArray[np.float64]
    states: Sequence[KnownFlow]

    coordinates = "txy"
    names = ("velocity_x", "velocity_y", "pressure")

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        times = torch.from_numpy(self.times)
        nearest = (points[:, :1].detach() - times).abs().argmin(1)
        if not torch.allclose(points[:, 0].double(), times[nearest], rtol=0.0, atol=_ROUNDING):
            shown = listing(f"{t:.6g}" for t in self.times[:: max(1, len(self.times) // 8)])
            raise SettingsError(
                "the points", "some are at times that are not stored", f"take t from {shown}, ..."
            )
        out = torch.empty(len(self.names), len(points), dtype=torch.float64)
        for index in nearest.unique().tolist():
            chosen = nearest == index
            fields = self.states[index].fields(points[chosen, 1:])
            out[:, chosen] = torch.stack([fields[name] for name in self.names])
        return tuple(out)
