"""A flow that is known at every point: from a formula, or from the basis functions of a solver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import ShapeError
from physmix.flows.flow import Flow

_VECTOR = "velocity"


class Solution(ABC):
    """Fields as functions of space, and of time if they are unsteady.

    Attributes:
        coordinates: letters of the columns of points, such as "txy".
        names: of the fields, as in `Flow.component`: density, velocity_x, velocity_y, pressure.
    """

    coordinates: ClassVar[str]
    names: ClassVar[tuple[str, ...]]

    def fields(self, points: Float[Tensor, "point coordinate"]) -> dict[str, Float[Tensor, " point"]]:
        """The fields at points, by name.

        Raises:
            ShapeError: if the points have another number of coordinates.
        """
        if points.ndim != 2 or points.shape[1] != len(self.coordinates):
            raise ShapeError("points", points.shape, f"(point, {', '.join(self.coordinates)})")
        return dict(zip(self.names, self._values(points), strict=True))

    @abstractmethod
    def _values(self, points: Float[Tensor, "point coordinate"]) -> tuple[Float[Tensor, " point"], ...]:
        """The fields in the order of `names`."""

    def on_grid(
        self,
        name: str,
        axes: Mapping[str, NDArray[np.float64]],
        *,
        time: NDArray[np.float64] | None = None,
        boundary: Mapping[str, str] | None = None,
        parameters: Mapping[str, float] | None = None,
        provenance: Mapping[str, str] | None = None,
        solid: NDArray[np.bool_] | None = None,
    ) -> Flow:
        """The flow with its values at the points of a grid, as one trajectory.

        Args:
            name: of the data set.
            axes: coordinates of the points along each dimension.
            time: stored times; None stores a steady flow once, at t = 0.
            boundary: type of boundary along each dimension; see `Flow`.
            parameters: constants of the flow.
            provenance: how it was made.
            solid: which points are in no fluid, of the shape of the grid; their values are 0.
        """
        steady = "t" not in self.coordinates
        times = np.zeros(1) if time is None else time
        grid = tuple(len(axis) for axis in axes.values())
        fluid = np.ones(grid, dtype=bool) if solid is None else ~solid
        columns = [torch.from_numpy(axis) for axis in axes.values()]
        if not steady:
            columns.insert(0, torch.from_numpy(times))
        points = torch.cartesian_prod(*columns).view(-1, len(columns))
        wet = torch.from_numpy(fluid).reshape(-1).repeat(1 if steady else len(times))
        values = {}
        with torch.no_grad():
            for key, field in self.fields(points[wet]).items():
                full = torch.zeros(len(points), dtype=torch.float64)
                full[wet] = field
                shape = (1, 1 if steady else len(times), *grid)
                values[key] = np.broadcast_to(full.view(shape).numpy(), (1, len(times), *grid))
        vector = [f"{_VECTOR}_{axis}" for axis in axes]
        return Flow(
            name=name,
            time=times,
            axes=dict(axes),
            scalars={key: field for key, field in values.items() if key not in vector},
            vectors={_VECTOR: np.stack([values[key] for key in vector], -1)} if vector[0] in values else {},
            parameters=parameters or {},
            boundary=boundary or {},
            provenance=provenance or {},
            solid=solid,
        )
