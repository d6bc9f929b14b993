"""Forces, fluxes and wall shear of a solution, each with a stated error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.problems import Part, Region, Sample, State
from physmix.problems.state import space
from physmix.training.solved import Solved

SHARED = 2.0
"""How much larger the error of a solution may be than its distance to a twin."""


@dataclass(frozen=True)
class Quantity:
    """A number of a solution.

    Attributes:
        value: the best.
        error: an estimate, see `Quantities`.
    """

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.6g} +- {self.error:.1g}"


class Quantities:
    """What a solution says, with errors from a twin: the same problem with other features and other points.

        solution = solve(problem, features=200)
        twin = solve(problem.elsewhere(), features=200, seed=1)
        found = Quantities(solution, twin)
        drag, lift = found.force(channel.part("bump"))

    An error is twice the distance of the two, since they share a part of their errors: in a channel with a
    bump, against finite elements, errors of the fields were 1.3 to 2.4 times the distance. The change from
    half the nodes of the quadrature is added. What the problem itself leaves out is not seen.

    Args:
        solution: that is asked.
        twin: of the same equations.

    Raises:
        SettingsError: if the twin has other fields.
    """

    def __init__(self, solution: Solved, twin: Solved) -> None:
        own, other = solution.problem.equations.fields, twin.problem.equations.fields
        if own != other:
            problem = f"the fields are {listing(own)} and {listing(other)}"
            raise SettingsError("the twin of a solution", problem, "solve the same equations again")
        self.solution, self.twin = solution, twin
        self.axes = space(solution.problem.coordinates)

    def integral(
        self, where: Part | Region, integrand: Callable[[State], Tensor], *, nodes: int = 64, **fixed: float
    ) -> Quantity:
        """An integral, see `Solution.integral`."""
        value, other = (
            one.integral(where, integrand, nodes=nodes, **fixed) for one in (self.solution, self.twin)
        )
        coarse = self.solution.integral(where, integrand, nodes=max(1, nodes // 2), **fixed)
        return Quantity(value, SHARED * abs(value - other) + abs(value - coarse))

    def force(self, part: Part, *, nodes: int = 64, **fixed: float) -> tuple[Quantity, ...]:
        """The force of the fluid on a part, along each coordinate of space: of s n, the momentum flux out.

        On a wall at rest it is that of pressure and friction: drag and lift. Through an open part it is the
        momentum that flows out and the force there together, so that all parts sum to zero in a steady flow.

        Args:
            part: with outward normals n.
            nodes: see `Solution.integral`.
            fixed: see `Solution.integral`.

        Raises:
            SettingsError: if the equations have no momentum flux sxx, sxy, ...
        """
        return tuple(self.integral(part, self._traction(a), nodes=nodes, **fixed) for a in self.axes)

    def flux(self, part: Part, vector: str = "u", *, nodes: int = 64, **fixed: float) -> Quantity:
        """What flows out through a part: the integral of a vector along the outward normal."""
        alone = len(self.axes) == 1 and vector in self.solution.problem.equations.fields
        names = {a: vector if alone else f"{vector}{a}" for a in self.axes}

        def out(y: State) -> Tensor:
            return sum((y[name] * y[f"n{a}"] for a, name in names.items()), start=torch.zeros(()))

        return self.integral(part, out, nodes=nodes, **fixed)

    def wall_shear(self, at: Sample) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
        """The shear of the fluid on a wall at points of a part, and its errors.

        In the plane it counts along (-ny, nx), which is the outward normal turned to the left: on a floor
        along x. In space it is the size of the force along the wall.

        Args:
            at: such as part.sample(100).

        Raises:
            SettingsError: if the equations have no momentum flux sxx, sxy, ...
        """
        value, other = (self._shear(one, at) for one in (self.solution, self.twin))
        return value, SHARED * (value - other).abs()

    def errors(self, points: int = 2000, seed: int = 31) -> dict[str, float]:
        """The relative L2 error of each field over the region."""
        return {name: value / max(size, 1e-300) for name, (value, size) in self._apart(points, seed).items()}

    def errors_over(
        self, times: Sequence[float], points: int = 1000, seed: int = 31
    ) -> dict[str, list[float]]:
        """The L2 error of each field at each time, over the largest norm of the field at any of them."""
        found = [self._apart(points, seed, float(time)) for time in times]
        most = {name: max(*(one[name][1] for one in found), 1e-300) for name in found[0]}
        return {name: [one[name][0] / most[name] for one in found] for name in most}

    def _apart(self, points: int, seed: int, time: float | None = None) -> dict[str, tuple[float, float]]:
        """The error of each field and its norm, by root mean squares."""
        problem = self.solution.problem
        at = problem.region.even().sample(points, seed).points
        if time is not None:
            at[:, problem.coordinates.index("t")] = time
        found, other = self.solution.at(at), self.twin.at(at)
        return {
            name: (
                SHARED * float((found[name] - other[name]).square().mean().sqrt()),
                float(found[name].square().mean().sqrt()),
            )
            for name in problem.equations.fields
        }

    def _shear(self, solution: Solved, at: Sample) -> Tensor:
        y = self._on(solution, at)
        force = torch.stack([self._traction(a)(y) for a in self.axes], 1)
        normal = torch.stack([y[f"n{a}"] for a in self.axes], 1)
        if len(self.axes) == 2:
            return force[:, 1] * normal[:, 0] - force[:, 0] * normal[:, 1]
        along = force - (force * normal).sum(1, keepdim=True) * normal
        return along.norm(dim=1)

    def _on(self, solution: Solved, at: Sample) -> State:
        coordinates = solution.problem.coordinates
        normals = {f"n{name}": at.normals[:, i] for i, name in enumerate(coordinates)}
        return solution.at(at.points).with_known(normals)

    def _traction(self, a: str) -> Callable[[State], Tensor]:
        equations = self.solution.problem.equations
        names = {b: f"s{min(a, b)}{max(a, b)}" for b in self.axes}
        if missing := [n for n in names.values() if n not in (*equations.fields, *equations.derived)]:
            problem = f"{equations.name} has no momentum flux {listing(missing)}"
            raise SettingsError("a force", problem, "take an integral of what you mean")
        return lambda y: sum((y[name] * y[f"n{b}"] for b, name in names.items()), start=torch.zeros(()))
