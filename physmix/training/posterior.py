"""What measurements leave uncertain: standard errors from the Jacobian of Gauss-Newton.

To first order around the least sum of squares the weights and unknown numbers are normal with covariance
(J^T J)^-1, where the rows of J are in units of standard deviations, and a function of them has the variance
b^T (J^T J)^-1 b, b its gradient (Seber and Wild, Nonlinear Regression, 1989, sections 2.1.2 and 5.1). J^T J
is never formed: with its triangle R from an orthogonal factorisation the variance is |z|^2, R^T z = b.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import special
from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems import DataTerm, Part, Region, Residuals, State, quadrature
from physmix.problems.residuals import Rows
from physmix.problems.terms import Term
from physmix.training.gauss_newton import linear_system

_PRIOR = 1e-13  # of the weights, over the size of J: what nothing sees is round-off, not uncertain
Function = Callable[[State], Tensor]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Attributes:
        value: the best.
        error: one standard deviation.
        freedom: degrees of freedom that the deviation of the noise is known from; inf where it is given.
    """

    value: float
    error: float
    freedom: float = math.inf

    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """From and to where the truth is, so often: Student's t, or a normal where the noise is given."""
        tail = (1 + coverage) / 2
        normal = math.isinf(self.freedom)
        half = self.error * float(special.ndtri(tail) if normal else special.stdtrit(self.freedom, tail))
        return self.value - half, self.value + half

    def __str__(self) -> str:
        return f"{self.value:.6g} +- {self.error:.2g}"


class Posterior:
    """The distribution of a fitted problem's weights and unknown numbers, given its measurements.

    Args:
        residuals: at their least sum of squares, with measurements among the terms.

    Attributes:
        freedom: degrees of freedom that deviations of the noise are known from; inf where all are given.

    Raises:
        SettingsError: if nothing is measured: other residuals have no probability.
    """

    def __init__(self, residuals: Residuals) -> None:
        if not any(isinstance(term, DataTerm) for term in residuals.terms):
            raise SettingsError(
                "a posterior", "the problem has no measurements", "give a condition Measured(...)"
            )
        self.residuals, self.freedom = residuals, math.inf
        system = linear_system(residuals)
        self._whiten = system.whitening(_PRIOR * math.sqrt(sum(system.sizes)))
        layout = residuals.layout
        numbers = torch.arange(layout.count, layout.count + len(residuals.unknowns))
        self._order = torch.cat([*layout.columns, numbers])  # of the columns in the system

    @property
    def unknowns(self) -> dict[str, Estimate]:
        """Each unknown number."""
        known, count = self.residuals.unknowns, self.residuals.layout.count
        sides = torch.zeros(len(self._order), len(known), dtype=torch.float64)
        sides[count:] = torch.eye(len(known), dtype=torch.float64)
        errors = self._whitened(sides).norm(dim=0).tolist()
        return {
            name: Estimate(value, error, self.freedom)
            for (name, value), error in zip(known.items(), errors, strict=True)
        }

    def at(
        self, points: Float[Tensor, "point coordinate"], what: str | Function
    ) -> tuple[Float[Tensor, " point"], Float[Tensor, " point"]]:
        """A field, or a function of the state, at points, and its standard errors.

        pressure, error = posterior.at(points, "p")
        """
        found = [self._function(some, what, {}) for some in points.split(1024)]
        return torch.cat([value for value, _ in found]), torch.cat(
            [self._whitened(sides).norm(dim=0) for _, sides in found]
        )

    def covariance(
        self, points: Float[Tensor, "point coordinate"], what: str | Function
    ) -> Float[Tensor, "point other"]:
        """Of a field, or of a function of the state, between points."""
        root = self._whitened(self._function(points, what, {})[1])
        return root.T @ root

    def integral(
        self, where: Part | Region, integrand: Function, *, nodes: int = 64, **fixed: float
    ) -> Estimate:
        """An integral, as of `Solution.integral`."""
        sample, weights = quadrature(where, nodes, **fixed)
        names = self.residuals.model.coordinates
        normals = {f"n{axis}": sample.normals[:, i] for i, axis in enumerate(names)}
        value, side = 0.0, torch.zeros(len(self._order), 1, dtype=torch.float64)
        for some in torch.arange(len(weights)).split(1024):
            known = {name: normal[some] for name, normal in normals.items()}
            values, sides = self._function(sample.points[some], integrand, known)
            value += float(weights[some] @ values)
            side += sides @ weights[some, None]
        return Estimate(value, float(self._whitened(side).norm()), self.freedom)

    def used(self) -> dict[int, float]:
        """The degrees of freedom that each measured term takes, by its number.

        It is the term's share of the trace of the hat matrix J (J^T J)^-1 J^T, which maps measurements to
        what is fitted to them (Hastie and Tibshirani, Generalized Additive Models, 1990, section 3.5).
        """
        terms = self.residuals.terms
        found = {i: 0.0 for i, term in enumerate(terms) if isinstance(term, DataTerm)}
        for rows in self.residuals.rows():
            if rows.term in found:
                for some in rows.jacobian.split(1024):
                    found[rows.term] += float(self._whitened(self._sides(rows, some)).square().sum())
        return found

    def _function(
        self, points: Tensor, what: str | Function, known: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Values (point) and gradients (column, point) of a function of the state."""
        problem = self.residuals.problem
        rule = problem.equations.derived.get(what, lambda y: y[what]) if isinstance(what, str) else what
        term = Term("what is asked", points, lambda y: {"value": rule(y)}, known, float(len(points)))
        asked = Residuals(problem, self.residuals.model, [term])
        asked.unknowns = self.residuals.unknowns
        values = points.new_empty(len(points))
        sides = points.new_empty(len(self._order), len(points))
        for rows in asked.rows():
            values[rows.places] = rows.residual
            sides[:, rows.places] = self._sides(rows, rows.jacobian)
        return values, sides

    def _sides(self, rows: Rows, jacobian: Tensor) -> Tensor:
        """Rows of a Jacobian as columns, with zeros for what they do not see."""
        numbers = torch.arange(self.residuals.layout.count, len(self._order))
        wide = jacobian.new_zeros(len(self._order), len(jacobian))
        wide[torch.cat([rows.support.columns, numbers])] = jacobian.T
        return wide

    def _whitened(self, sides: Tensor) -> Tensor:
        return self._whiten(sides[self._order])
