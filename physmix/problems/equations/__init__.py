"""Equations of flows: fields, the laws among them that are held exactly, and residuals of the rest."""

from physmix.problems.equations.boussinesq import Boussinesq
from physmix.problems.equations.compressible import CompressibleFlow
from physmix.problems.equations.equations import Equations
from physmix.problems.equations.incompressible import NavierStokes
from physmix.problems.equations.scalars import AdvectionDiffusion, Burgers
from physmix.problems.equations.vorticity import VorticityTransport

__all__ = [
    "AdvectionDiffusion",
    "Boussinesq",
    "Burgers",
    "CompressibleFlow",
    "Equations",
    "NavierStokes",
    "VorticityTransport",
]
