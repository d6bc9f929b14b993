"""Flows with a formula: the references that are exact."""

from physmix.flows.analytic.beltrami import Beltrami
from physmix.flows.analytic.burgers import Burgers
from physmix.flows.analytic.kovasznay import Kovasznay
from physmix.flows.analytic.riemann import Riemann
from physmix.flows.analytic.taylor_green import TaylorGreen
from physmix.flows.analytic.vortex import IsentropicVortex, exact_solution

__all__ = [
    "Beltrami",
    "Burgers",
    "IsentropicVortex",
    "Kovasznay",
    "Riemann",
    "TaylorGreen",
    "exact_solution",
]
