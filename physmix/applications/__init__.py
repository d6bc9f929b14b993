"""Uses of constrained channel mixing in the terms of their fields: one module, one field."""

from physmix.applications.balances import balanced_layer, imbalance, incidence, reconcile
from physmix.applications.beamforming import (
    TappedBeamformer,
    beamformed,
    beamformer,
    delay_and_sum,
    spatial_covariance,
    steering_vectors,
)
from physmix.applications.fusion import Fusion, branch_fusion
from physmix.applications.inception import Inception
from physmix.applications.spectra import false_colour, matched_filter, residual, spectral_projection

__all__ = [
    "Fusion",
    "Inception",
    "TappedBeamformer",
    "balanced_layer",
    "beamformed",
    "beamformer",
    "branch_fusion",
    "delay_and_sum",
    "false_colour",
    "imbalance",
    "incidence",
    "matched_filter",
    "reconcile",
    "residual",
    "spatial_covariance",
    "spectral_projection",
    "steering_vectors",
]
