"""What is known of stored fields before any is read: the one type from which models are built."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physmix.errors import SettingsError
from physmix.flows.gas import IdealGas
from physmix.flows.on_grid import Array, OnGrid


@dataclass(frozen=True)
class Field:
    """A stored field.

    Attributes:
        name: as in the file.
        order: its tensor order: 0 for a scalar, 1 for a vector, 2 for a tensor of second order.
        unit: as text; empty where the file does not say.
        staggered: whether each component of a vector is the value at the lower face of its cell along
            its own direction; else all are at cell centres, as averages or point values.
    """

    name: str
    order: int = 0
    unit: str = ""
    staggered: bool = False

    def components(self, axes: Iterable[str]) -> tuple[str, ...]:
        """Names of the channels: pressure; velocity_x, velocity_y; stress_xx, stress_xy, ..."""
        ends = ("".join(parts) for parts in itertools.product(axes, repeat=self.order))
        return tuple(f"{self.name}_{end}" if end else self.name for end in ends)


@dataclass(frozen=True, kw_only=True)
class Metadata(OnGrid):
    """Fields, grid, boundaries and constants of a data set.

        head_for(metadata.components, metadata.grid, metadata.spacing, metadata.boundary)

    Attributes:
        name: of the data set.
        fields: in the order of the channels.
        time, axes, boundary, parameters, solid: see `OnGrid`.
        trajectories: how many there are.
        precision: of the stored numbers: float32 or float64.
        provenance: how the data were made, and what a reader had to assume, as text.
    """

    name: str
    fields: tuple[Field, ...]
    time: Array
    axes: Mapping[str, Array]
    trajectories: int
    precision: np.dtype
    boundary: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    solid: NDArray[np.bool_] | None = None

    @property
    def components(self) -> tuple[str, ...]:
        """The name of each channel."""
        return tuple(name for field in self.fields for name in field.components(self.axes))

    @property
    def places(self) -> dict[str, tuple[int, ...]]:
        """Where each channel lives along each dimension: 0 at cells, 1 at faces, as in a `StaggeredGrid`."""
        centre = (0,) * len(self.axes)
        found = dict.fromkeys(self.components, centre)
        for each in self.fields:
            if each.staggered and each.order == 1:
                for i, name in enumerate(each.components(self.axes)):
                    found[name] = tuple(int(i == j) for j in range(len(self.axes)))
        return found

    @property
    def state_bytes(self) -> int:
        """Bytes of one state of one trajectory."""
        return len(self.components) * int(np.prod(self.grid)) * self.precision.itemsize

    @property
    def state_equation(self) -> IdealGas:
        """The equation of state of a gas, by the constant gamma.

        Raises:
            SettingsError: if no gamma above 1 is known.
        """
        gamma = self.parameters.get("gamma", float("nan"))
        if not gamma > 1:
            problem = f"the data set {self.name!r} tells no ratio of specific heats above 1"
            raise SettingsError("the equation of state", problem, "give constants={'gamma': 1.4}")
        return IdealGas(gamma)
