"""Problems: equations, regions and conditions, as named residuals of a model of space and time."""

from physmix.problems.equations import (
    AdvectionDiffusion,
    Boussinesq,
    Burgers,
    CompressibleFlow,
    Equations,
    NavierStokes,
    VorticityTransport,
)
from physmix.problems.measured import DataTerm, Measured
from physmix.problems.models import default_slope, feature_model, network_model
from physmix.problems.points import Points
from physmix.problems.problem import Problem
from physmix.problems.quadrature import quadrature
from physmix.problems.reconstruction import (
    FlowReconstruction,
    FlowSamples,
    primitive_tensor,
    relative_errors,
    sample_flow,
)
from physmix.problems.regions import Part, Region, Sample
from physmix.problems.residuals import Residuals
from physmix.problems.state import State
from physmix.problems.terms import Condition, Given, Pin

__all__ = [
    "AdvectionDiffusion",
    "Boussinesq",
    "Burgers",
    "CompressibleFlow",
    "Condition",
    "DataTerm",
    "Equations",
    "FlowReconstruction",
    "FlowSamples",
    "Given",
    "Measured",
    "NavierStokes",
    "Part",
    "Pin",
    "Points",
    "Problem",
    "Region",
    "Residuals",
    "Sample",
    "State",
    "VorticityTransport",
    "default_slope",
    "feature_model",
    "network_model",
    "primitive_tensor",
    "quadrature",
    "relative_errors",
    "sample_flow",
]
