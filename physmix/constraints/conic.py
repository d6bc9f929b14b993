"""The nearest point of a conic set: an interior-point solve, then Newton steps down to round-off."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from physmix.constraints.cones import Array, Cones, nonnegative, second_order, semidefinite, zero
from physmix.errors import ProjectionError

_TIGHT = {f"tol_{name}": 1e-12 for name in ("gap_abs", "gap_rel", "feas")}
_STEPS = 30
_ROUNDS, _PENALTY = 8, 1e4
_ROUNDING = 1e-14
_LARGEST = 1000  # unknowns of a Newton step, which is dense


class ConicProjection:
    """min |w - p|^2 / 2 over cvxpy constraints on w, compiled once and solved for many p.

    An interior-point method stops where the *objective* is right to its tolerance, so the point is right
    to the root of it only. From there the optimality conditions Px + q + A'z = 0, Ax + s = b with
    s = P_K(u), z = s - u are solved for (x, u) by semismooth Newton steps, which end at round-off.
    Source of the refinement: Busseti, Moursi, Boyd 2019, "Solution refinement at regular points of conic
    problems". Exponential and power cones keep the accuracy of the solver.

    Args:
        variable: the cvxpy variable w.
        constraints: what it obeys.
    """

    def __init__(self, variable: Any, constraints: Sequence[Any]) -> None:
        import cvxpy  # noqa: PLC0415  slow to import, and needed by this set alone

        # The point enters by the linear term alone: P, A, b and the cones stay as they are.
        self.problem = cvxpy.Problem(cvxpy.Minimize(0.5 * cvxpy.sum_squares(variable)), list(constraints))
        self._data, self._chain, _ = self.problem.get_problem_data(cvxpy.CLARABEL)
        first = self._data["param_prob"].var_id_to_col[variable.id]
        self._places, self._shape = slice(first, first + variable.size), variable.shape
        self._side = self._data["b"]
        unknowns = self._side.size + self._data["c"].size
        self._cones = _cones(self._data["dims"]) if unknowns <= _LARGEST else None
        if self._cones is not None:
            upper = np.triu(self._data["P"].toarray())
            self._quadratic = upper + np.triu(upper, 1).T
            self._matrix = self._data["A"].toarray()

    @property
    def exact(self) -> bool:
        """Whether points are refined to round-off."""
        return self._cones is not None

    def __call__(self, point: Array) -> tuple[Array, str]:
        """The nearest point, and what the solver says of it.

        Raises:
            ProjectionError: if the solver fails.
        """
        linear = self._data["c"].copy()
        linear[self._places] -= point.reshape(-1, order="F")
        with warnings.catch_warnings():  # how accurate it is, the caller measures
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            try:
                solution = self._chain.solve_via_data(
                    self.problem, {**self._data, "c": linear}, solver_opts=dict(_TIGHT)
                )
            except Exception as error:  # Clarabel panics by exceptions of its own
                raise ProjectionError(
                    f"the solver failed ({error})", "check the weight and the constraints"
                ) from error
        unknowns, slack, dual = (np.asarray(part) for part in (solution.x, solution.s, solution.z))
        if self._cones is not None and np.isfinite(unknowns).all():
            unknowns = self._refined(self._cones, linear, unknowns, slack - dual)
        return unknowns[self._places].reshape(self._shape, order="F"), str(solution.status)

    def _refined(self, cones: Cones, linear: Array, unknowns: Array, split: Array) -> Array:
        """Newton steps; where they go astray, on the edge of the set, multipliers settle first."""
        found, left = self._newton(cones, linear, unknowns, split)
        if left > _ROUNDING * (1 + float(np.abs(linear).max())):
            nearer, settled = self._settle(cones, linear, unknowns, cones.project(split)[0] - split)
            again, less = self._newton(cones, linear, nearer, settled)
            found = again if less < left else found
        return found

    def _newton(self, cones: Cones, linear: Array, unknowns: Array, split: Array) -> tuple[Array, float]:
        best, least = unknowns, np.inf
        for _ in range(_STEPS):
            slack, slope = cones.project(split)
            dual = slack - split
            off = np.concatenate(
                (
                    self._quadratic @ unknowns + linear + self._matrix.T @ dual,
                    self._matrix @ unknowns + slack - self._side,
                )
            )
            size = float(np.abs(off).max())
            if not size < least:
                break
            best, least = unknowns, size
            jacobian = np.block(
                [
                    [self._quadratic, self._matrix.T @ (slope - np.eye(split.size))],
                    [self._matrix, slope],
                ]
            )
            # Redundant constraints leave multipliers free: the shortest step is taken.
            step = _least_squares(jacobian, -off)
            unknowns = unknowns + step[: unknowns.size]
            split = split + step[unknowns.size :]
        return best, least

    def _settle(self, cones: Cones, linear: Array, unknowns: Array, dual: Array) -> tuple[Array, Array]:
        """The proximal method of multipliers, whose Newton steps cannot go astray.

        Source: Rockafellar 1976, "Augmented Lagrangians and applications of the proximal point algorithm".
        """
        eye = np.eye(unknowns.size) / _PENALTY
        enough = _ROUNDING * (1 + float(np.abs(linear).max()))
        for _ in range(_ROUNDS):
            centre, multiplier = unknowns, dual

            def gradient_at(
                at: Array, centre: Array = centre, multiplier: Array = multiplier
            ) -> tuple[Array, Array, Array]:
                split = self._side - self._matrix @ at - multiplier / _PENALTY
                slack, slope = cones.project(split)
                dual = _PENALTY * (slack - split)
                drift = (at - centre) / _PENALTY
                return self._quadratic @ at + linear + drift + self._matrix.T @ dual, dual, slope

            for _ in range(_STEPS):
                gradient, dual, slope = gradient_at(unknowns)
                if np.abs(gradient).max() <= enough:
                    break
                curvature = self._quadratic + eye
                curvature += _PENALTY * self._matrix.T @ (self._matrix - slope @ self._matrix)
                step, share = -_least_squares(curvature, gradient), 1.0
                # Losses of points so near have equal digits; their slopes along the step do not.
                while (
                    gradient_at(unknowns + share * step)[0] @ step > -0.5 * gradient @ step and share > 1e-6
                ):
                    share /= 2
                unknowns = unknowns + share * step
        slack, _ = cones.project(self._side - self._matrix @ unknowns)
        return unknowns, slack - dual


def _least_squares(matrix: Array, side: Array) -> Array:
    import scipy.linalg  # noqa: PLC0415

    solution: Array = scipy.linalg.lstsq(matrix, side, lapack_driver="gelsy", check_finite=False)[0]
    return solution


def _cones(sizes: Any) -> Cones | None:
    """The cones of cvxpy's conic form, in its order; None if one has no projection here."""
    if sizes.exp or len(sizes.p3d) or len(getattr(sizes, "pnd", ())):
        return None
    parts = [(zero, sizes.zero), (nonnegative, sizes.nonneg)]
    parts += [(second_order, size) for size in sizes.soc]
    parts += [(semidefinite, size * (size + 1) // 2) for size in sizes.psd]
    return Cones(tuple((projection, size) for projection, size in parts if size))
