"""Incompressible viscous flow by the finite elements of scikit-fem.

Taylor and Hood's pair on quadrilaterals: velocities of degree k in each direction, a continuous pressure
of degree k - 1 (Elman, Silvester and Wathen, "Finite Elements and Fast Iterative Solvers", 2nd ed., 2014,
chapter 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from physmix.errors import SettingsError
from physmix.flows.simulation.finite_elements import Array, finite_elements

Velocity = Callable[[Array], tuple[Array | float | None, Array | float | None]]
"""Takes places, (2, ...), to the velocities along x and y there; None leaves one free."""


class TaylorHood:
    """The equations of an incompressible flow on a mesh, for a state of velocities and pressure.

    A state is one vector: coefficients of the velocity along x, along y, and of the pressure.

    Args:
        mesh: of quadrilaterals, with names for its boundaries.
        degree: of the velocity, from 2 up.
        velocity: on boundaries, by name; where two meet the later one holds. Elsewhere, and along a
            component that is left free, nothing acts on the boundary: viscosity du/dn = p n. With all of it
            given, one pressure is fixed as well.

    Attributes:
        fixed, values: which parts of a state are given, and what they are.
        closed: whether the velocity is given on the whole boundary.

    Raises:
        MissingPackageError: if scikit-fem is not installed.
        SettingsError: if the degree is too low.
    """

    def __init__(self, mesh: Any, degree: int, velocity: Mapping[str, Velocity]) -> None:
        if degree < 2:
            raise SettingsError("the flow", f"degree={degree} has no stable pressure", "give 2 or more")
        fem = finite_elements()
        low = {1: fem.ElementQuad1, 2: fem.ElementQuad2}

        def element(k: int) -> Any:
            return low[k]() if k in low else fem.ElementQuadP(k)

        self.mesh = mesh
        self.velocity = fem.Basis(mesh, element(degree), intorder=3 * degree - 1)
        self.pressure = self.velocity.with_element(element(degree - 1))
        self.size = self.velocity.N
        self._advection = fem.BilinearForm(lambda u, v, w: (w["ux"] * u.grad[0] + w["uy"] * u.grad[1]) * v)
        self._weighted = fem.BilinearForm(lambda u, v, w: w["by"] * u * v)
        self.mass = fem.BilinearForm(lambda u, v, _: u * v).assemble(self.velocity)
        self.stiffness = fem.BilinearForm(
            lambda u, v, _: u.grad[0] * v.grad[0] + u.grad[1] * v.grad[1]
        ).assemble(self.velocity)
        slope = fem.BilinearForm(lambda u, q, w: u.grad[w["axis"]] * q)
        self._divergence = [slope.assemble(self.velocity, self.pressure, axis=axis) for axis in (0, 1)]
        self.fixed, self.values = self._boundary(velocity)
        self.closed = len(self.fixed) == 2 * len(self.velocity.get_dofs().all())
        if self.closed:  # the pressure is known up to a constant
            self.fixed = np.append(self.fixed, 2 * self.size)
            self.values = np.append(self.values, 0.0)
        self._free = np.setdiff1d(np.arange(2 * self.size + self.pressure.N), self.fixed)

    def _boundary(self, velocity: Mapping[str, Velocity]) -> tuple[NDArray[np.int64], Array]:
        found: dict[int, float] = {}
        for name, given in velocity.items():
            basis = self.velocity.boundary(name)
            at = self.velocity.get_dofs(name).all()
            for axis in (0, 1):
                if given(np.zeros((2, 1)))[axis] is None:
                    continue
                values = basis.project(lambda x, axis=axis, given=given: given(x)[axis] + 0 * x[0])
                found |= dict(zip((at + axis * self.size).tolist(), values[at].tolist(), strict=True))
        return np.array(sorted(found)), np.array([found[key] for key in sorted(found)])

    def parts(self, state: Array) -> tuple[Array, Array, Array]:
        """Coefficients of the velocities along x and y, and of the pressure."""
        u, v, p = np.split(state, [self.size, 2 * self.size])
        return u, v, p

    def advection(self, u: Array, v: Array) -> sparse.spmatrix:
        """The matrix of being carried along by a velocity."""
        fields = {"ux": self.velocity.interpolate(u), "uy": self.velocity.interpolate(v)}
        return self._advection.assemble(self.velocity, **fields)

    def matrix(self, diagonal: Any, *, extra: Any = None) -> sparse.csc_array:
        """The system with a matrix for each velocity, and what couples them by rows and columns."""
        (a, b), (c, d) = extra if extra is not None else ((None, None), (None, None))
        bx, by = self._divergence
        first = diagonal if a is None else diagonal + a
        last = diagonal if d is None else diagonal + d
        return sparse.block_array([[first, b, -bx.T], [c, last, -by.T], [-bx, -by, None]], format="csc")

    def residual(self, state: Array, viscosity: float) -> Array:
        """What keeps a state from being a steady flow, tested with each basis function."""
        u, v, _ = self.parts(state)
        return self.matrix(viscosity * self.stiffness + self.advection(u, v)) @ state

    def jacobian(self, state: Array, viscosity: float) -> sparse.csc_array:
        """The derivative of the residual."""
        u, v, _ = self.parts(state)
        slopes = [self.velocity.interpolate(part).grad for part in (u, v)]
        coupled = [[self._weighted.assemble(self.velocity, by=s[axis]) for axis in (0, 1)] for s in slopes]
        return self.matrix(viscosity * self.stiffness + self.advection(u, v), extra=coupled)

    def factor(self, matrix: sparse.csc_array) -> Callable[[Array, Array], Array]:
        """What takes a right-hand side, and the values at `self.fixed`, to the solution."""
        factors = splu(matrix[self._free][:, self._free].tocsc(), permc_spec="MMD_ATA")

        def solution(right: Array, fixed: Array) -> Array:
            out = np.zeros(len(right))
            out[self.fixed] = fixed
            out[self._free] = factors.solve((right - matrix @ out)[self._free])
            return out

        return solution

    def stokes(self, viscosity: float) -> Array:
        """The flow without inertia."""
        matrix = self.matrix(viscosity * self.stiffness)
        return self.factor(matrix)(np.zeros(matrix.shape[0]), self.values)

    def march(self, state: Array, viscosity: float, step: float) -> Iterator[tuple[Array, Array]]:
        """States after each step in time, with the residual of their equations.

        Backward differences of second order, carried along by a velocity that is extrapolated from the
        last two steps, so that each step is one linear system (Baker, Dougalis and Karakashian, "On a
        higher order accurate fully discrete Galerkin approximation to the Navier-Stokes equations", 1982).
        The first step is of first order.
        """
        before, ahead, weights = state, state, (1.0, 1.0, 0.0)
        while True:
            new, now, old = weights
            u, v, _ = self.parts(ahead)
            matrix = self.matrix(new / step * self.mass + viscosity * self.stiffness + self.advection(u, v))
            u, v, p = self.parts((now * state - old * before) / step)
            right = np.concatenate([self.mass @ u, self.mass @ v, 0 * p])
            before, state = state, self.factor(matrix)(right, self.values)
            yield state, matrix @ state - right
            ahead, weights = 2 * state - before, (1.5, 2.0, 0.5)

    def force(self, residual: Array, name: str) -> tuple[float, float]:
        """The force on a boundary: the residual tested with one there, and with the sign of a reaction.

        It converges twice as fast as the integral of the stress (John and Matthies, "Higher-order finite
        element discretizations in a benchmark problem for incompressible flows", 2001).
        """
        one = self.velocity.boundary(name).project(lambda x: 1 + 0 * x[0])
        x, y, _ = self.parts(residual)
        return float(-x @ one), float(-y @ one)
