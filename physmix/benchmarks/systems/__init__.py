"""The systems of constrained channel mixing, each on real data beside the peer that people use."""

from physmix.benchmarks.systems import beamformer, branch_fusion, modalities, reconcile, spectral_projection
from physmix.benchmarks.systems.shown import Shown, System

_LISTED = {
    "spectral_projection": System(
        2,
        "A hyperspectral image in few channels",
        "the residual is the sum of the other squared singular values; a matched filter is least power",
        spectral_projection.demonstrate,
    ),
    "branch_fusion": System(
        1,
        "Inception's bottleneck and branch fusion",
        "1x1 before wide kernels cuts multiply-adds, and contributions of branches can be designed",
        branch_fusion.demonstrate,
    ),
    "modalities": System(
        10,
        "Colour and depth, fused early and late",
        "1x1 on the concatenation is the sum of 1x1 for each modality; a nonlinearity breaks it",
        modalities.demonstrate,
    ),
    "beamformer": System(
        9,
        "A microphone array",
        "with W C = F the least power is Frost's beamformer, and his constrained LMS is projected SGD",
        beamformer.demonstrate,
    ),
    "reconcile": System(
        12,
        "A water network that balances",
        "A W = 0 and A b = 0: every prediction balances at every junction, whatever its input",
        reconcile.demonstrate,
    ),
}
SYSTEMS: dict[str, System] = dict(sorted(_LISTED.items(), key=lambda pair: pair[1].number))
"""Each system by the name of its configuration."""

__all__ = ["SYSTEMS", "Shown", "System"]
