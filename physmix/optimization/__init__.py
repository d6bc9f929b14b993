"""Optimisation on constraint sets: every supported pair of set and optimiser reaches the true optimum."""

from physmix.optimization.batched import least_power_batched
from physmix.optimization.claims import Claim, Relation
from physmix.optimization.composition import check_composition, derived
from physmix.optimization.constrained import constrain, constrained_parameters, project_weights, violations
from physmix.optimization.coordinates import fixed_weights, free_coordinates
from physmix.optimization.damped import (
    SQUARED,
    DampedLeastSquares,
    MatrixFree,
    NormalEquations,
    SampleSpace,
    foretold,
    unseen,
)
from physmix.optimization.gauss_newton import GaussNewton
from physmix.optimization.moments import Moments
from physmix.optimization.multifrontal import BlockLeastSquares, nested_dissection
from physmix.optimization.projected import FIRST_ORDER, QUASI_NEWTON, projected
from physmix.optimization.quadratic import least_power, least_squares
from physmix.optimization.quasi_newton import InverseHessian, strong_wolfe
from physmix.optimization.shares import least_squares_shares
from physmix.optimization.spectral import SpectralProjectedGradient

__all__ = [
    "FIRST_ORDER",
    "QUASI_NEWTON",
    "SQUARED",
    "BlockLeastSquares",
    "Claim",
    "DampedLeastSquares",
    "GaussNewton",
    "InverseHessian",
    "MatrixFree",
    "Moments",
    "NormalEquations",
    "Relation",
    "SampleSpace",
    "SpectralProjectedGradient",
    "check_composition",
    "constrain",
    "constrained_parameters",
    "derived",
    "fixed_weights",
    "foretold",
    "free_coordinates",
    "least_power",
    "least_power_batched",
    "least_squares",
    "least_squares_shares",
    "nested_dissection",
    "project_weights",
    "projected",
    "strong_wolfe",
    "unseen",
    "violations",
]
