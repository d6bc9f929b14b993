"""Uses of constrained channel mixing in the terms of their fields: one module, one field."""

from physmix.applications.attention import (
    ChannelAttention,
    SqueezeExcite,
    channel_attention,
    fixed_attention,
    squeeze_excite,
)
from physmix.applications.balances import balanced_layer, imbalance, incidence, reconcile
from physmix.applications.beamforming import (
    TappedBeamformer,
    beamformed,
    beamformer,
    delay_and_sum,
    spatial_covariance,
    steering_vectors,
)
from physmix.applications.distances import DistanceBands, contacts, distance_bands, distance_map
from physmix.applications.fusion import Fusion, branch_fusion
from physmix.applications.inception import Inception
from physmix.applications.nodes import node_transform, propagate, propagation
from physmix.applications.pyramid import FeaturePyramid, feature_pyramid
from physmix.applications.segmentation import fit_head, regression_loss, segmentation_head
from physmix.applications.shortcut import Superposition, orthogonal_shortcut, rigid_superposition
from physmix.applications.spectra import false_colour, matched_filter, residual, spectral_projection

__all__ = [
    "ChannelAttention",
    "DistanceBands",
    "FeaturePyramid",
    "Fusion",
    "Inception",
    "SqueezeExcite",
    "Superposition",
    "TappedBeamformer",
    "balanced_layer",
    "beamformed",
    "beamformer",
    "branch_fusion",
    "channel_attention",
    "contacts",
    "delay_and_sum",
    "distance_bands",
    "distance_map",
    "false_colour",
    "feature_pyramid",
    "fit_head",
    "fixed_attention",
    "imbalance",
    "incidence",
    "matched_filter",
    "node_transform",
    "orthogonal_shortcut",
    "propagate",
    "propagation",
    "reconcile",
    "regression_loss",
    "residual",
    "rigid_superposition",
    "segmentation_head",
    "spatial_covariance",
    "spectral_projection",
    "squeeze_excite",
    "steering_vectors",
]
