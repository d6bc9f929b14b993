"""Problems: equations, regions and conditions, as named residuals of a model of space and time."""

from physmix.problems.adaptive import adapted_sample
from physmix.problems.equations import (
    AdvectionDiffusion,
    Boussinesq,
    Burgers,
    CompressibleFlow,
    Equations,
    NavierStokes,
    VorticityTransport,
)
from physmix.problems.formulas import Formula
from physmix.problems.measured import DataTerm, Measured
from physmix.problems.meshes import MeshRegion
from physmix.problems.models import default_slope, feature_model, network_model
from physmix.problems.parts import Part
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
from physmix.problems.regions import Region
from physmix.problems.residuals import Residuals, weighed_in_words
from physmix.problems.samples import Sample
from physmix.problems.state import State
from physmix.problems.tables import Profile, read_points, read_profile
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
    "Formula",
    "Given",
    "Measured",
    "MeshRegion",
    "NavierStokes",
    "Part",
    "Pin",
    "Points",
    "Problem",
    "Profile",
    "Region",
    "Residuals",
    "Sample",
    "State",
    "VorticityTransport",
    "adapted_sample",
    "default_slope",
    "feature_model",
    "network_model",
    "primitive_tensor",
    "quadrature",
    "read_points",
    "read_profile",
    "relative_errors",
    "sample_flow",
    "weighed_in_words",
]
