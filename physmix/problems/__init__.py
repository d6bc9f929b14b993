"""Problems: what a model of space and time is trained on, as named residuals."""

from physmix.problems.reconstruction import (
    FlowReconstruction,
    FlowSamples,
    primitive_tensor,
    relative_errors,
    sample_flow,
)

__all__ = [
    "FlowReconstruction",
    "FlowSamples",
    "primitive_tensor",
    "relative_errors",
    "sample_flow",
]
