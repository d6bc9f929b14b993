"""The systems of constrained channel mixing, each on real data beside the peer that people use."""

from physmix.benchmarks.systems import (
    beamformer,
    branch_fusion,
    channel_attention,
    distance_bands,
    feature_pyramid,
    modalities,
    node_transform,
    orthogonal_shortcut,
    reconcile,
    segmentation_head,
    spectral_projection,
    squeeze_excite,
)
from physmix.benchmarks.systems.shown import Shown, System

SYSTEMS: dict[str, System] = {
    "branch_fusion": System(
        1,
        "Inception's bottleneck and branch fusion",
        "1x1 before wide kernels cuts multiply-adds, and contributions of branches can be designed",
        branch_fusion.demonstrate,
    ),
    "spectral_projection": System(
        2,
        "A hyperspectral image in few channels",
        "the residual is the sum of the other squared singular values; a matched filter is least power",
        spectral_projection.demonstrate,
    ),
    "feature_pyramid": System(
        3,
        "A feature pyramid",
        "1x1 layers bring levels to one width, and commute with repeating the nearest point",
        feature_pyramid.demonstrate,
    ),
    "segmentation_head": System(
        4,
        "Land use from a hyperspectral image",
        "a 1x1 layer to logits that sum to zero is multinomial logistic regression at each pixel",
        segmentation_head.demonstrate,
    ),
    "squeeze_excite": System(
        5,
        "Squeeze-and-excitation",
        "the excitation is two 1x1 layers on the pooled tensor, and gates stay in (0, 1)",
        squeeze_excite.demonstrate,
    ),
    "channel_attention": System(
        6,
        "The spectrum of attention",
        "a fixed 1x1 layer mixes all inputs alike, attention each by rows of its own on the simplex",
        channel_attention.demonstrate,
    ),
    "orthogonal_shortcut": System(
        7,
        "Shortcuts and proteins that keep lengths",
        "W^T W = I keeps the norm at every pixel; the nearest rotation superposes structures",
        orthogonal_shortcut.demonstrate,
    ),
    "node_transform": System(
        8,
        "A graph with and without messages",
        "a 1x1 layer is one transform for every node: neighbours join by mixing along the nodes alone",
        node_transform.demonstrate,
    ),
    "beamformer": System(
        9,
        "A microphone array",
        "with W C = F the least power is Frost's beamformer, and his constrained LMS is projected SGD",
        beamformer.demonstrate,
    ),
    "modalities": System(
        10,
        "Colour and depth, fused early and late",
        "1x1 on the concatenation is the sum of 1x1 for each modality; a nonlinearity breaks it",
        modalities.demonstrate,
    ),
    "distance_bands": System(
        11,
        "Contacts in a protein",
        "1x1 - ReLU - 1x1 finds a distance, and the shares of a pair sum to one at every distance",
        distance_bands.demonstrate,
    ),
    "reconcile": System(
        12,
        "A water network that balances",
        "A W = 0 and A b = 0: every prediction balances at every junction, whatever its input",
        reconcile.demonstrate,
    ),
}
"""Each system by the name of its configuration."""

__all__ = ["SYSTEMS", "Shown", "System"]
