"""The systems of constrained channel mixing, each on real data beside the peer that people use."""

from physmix.benchmarks.systems import reconcile
from physmix.benchmarks.systems.shown import Shown, System

_LISTED = {
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
