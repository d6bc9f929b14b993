"""Incompressible flows as the basis functions of finite elements give them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physmix.errors import SettingsError
from physmix.flows.simulation.finite_elements import Array, finite_elements
from physmix.flows.simulation.taylor_hood import TaylorHood
from physmix.flows.solution import Solution


@dataclass(frozen=True, eq=False)
class FiniteElementFlow(Solution):
    """An incompressible flow as its basis functions give it, at any point of the mesh.

    Attributes:
        space: the mesh and its basis functions.
        state: coefficients of velocities and pressure.
    """

    space: TaylorHood
    state: Array

    coordinates = "xy"
    names = ("velocity_x", "velocity_y", "pressure")

    @cached_property
    def _finder(self) -> Callable[[Array, Array], NDArray[np.int64]]:
        fem, mesh = finite_elements(), self.space.mesh
        return fem.MeshQuad(mesh.p[:, : mesh.nvertices], mesh.t).element_finder()

    def _values(self, points: Tensor) -> tuple[Tensor, ...]:
        if len(points) == 0:
            return points.new_zeros(0), points.new_zeros(0), points.new_zeros(0)
        places = np.ascontiguousarray(points.detach().numpy().T)
        try:
            cells = self._finder(*places)
        except ValueError as error:
            raise SettingsError("the points", "some lie outside the fluid", "leave them out") from error
        local = self._local(places, cells)
        u, v, p = self.space.parts(self.state)

        def value(basis: Any, coefficients: Array) -> Tensor:
            dofs = basis.element_dofs[:, cells]
            shapes = (basis.elem.lbasis(local, i)[0] * coefficients[d] for i, d in enumerate(dofs))
            return torch.from_numpy(np.sum(list(shapes), 0))

        return value(self.space.velocity, u), value(self.space.velocity, v), value(self.space.pressure, p)

    def _local(self, places: Array, cells: NDArray[np.int64]) -> Array:
        """The coordinates of places within their cells, (2, point), by Newton's method."""
        shared = self.space.mesh.mapping()
        mapping = type(shared)(shared.mesh, shared.elem, shared.bndelem)  # it keeps whatever it computes
        local = np.full((2, places.shape[1], 1), 0.5)
        for _ in range(20):
            away = places[:, :, None] - mapping.F(local, cells)
            step = np.einsum("ijkl,jkl->ikl", mapping.invDF(local, cells), away)
            local = local + step
            if np.abs(step).max() < 1e-13:
                break
        return local[:, :, 0]
