"""Points drawn where residuals are large, with what each stands for, so that means stay those of the region.

Chances are those of Wu, Zhu, Tan, Kartha and Lu, "A comprehensive study of non-adaptive and residual-based
adaptive sampling for physics-informed neural networks", Comput. Methods Appl. Mech. Eng. 403, 2023,
equation 2; the shares are one over them (Horvitz and Thompson, J. Am. Stat. Assoc. 47, 1952), which that
paper leaves out: without them points would also change what is minimised.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems.regions import Region
from physmix.problems.samples import Sample

_CANDIDATES = 10  # for each point


def adapted_sample(
    region: Region,
    size: Callable[[Tensor], Tensor],
    count: int,
    *,
    power: float = 1.0,
    floor: float = 1.0,
    seed: int = 0,
) -> Sample:
    """Points with chances in proportion to size^power / mean + floor, none of them twice.

    Args:
        region: where they are drawn.
        size: of the residuals at points, (point, coordinate) -> (point), not negative.
        count: of the points.
        power: the larger, the more they gather.
        floor: the larger, the more even they are; it bounds the shares.
        seed: of the draw.

    Raises:
        SettingsError: if a number is not positive, or a size is not finite.
    """
    if count < 1 or not power > 0 or not floor > 0:
        problem = f"count={count}, power={power}, floor={floor}"
        raise SettingsError("adapted points", problem, "give positive numbers")
    candidates = region.sample(_CANDIDATES * count, seed)
    sizes = size(candidates.points)
    if not bool(sizes.isfinite().all()):
        raise SettingsError("adapted points", "a residual is not finite", "start from a better solution")
    raised = sizes.abs() ** power
    mean = float((candidates.share * raised).mean())
    wanted = candidates.share * (raised / mean + floor if mean > 0 else torch.ones_like(raised))
    chance = _chances(wanted, count)
    generator = torch.Generator().manual_seed(seed)
    # In a random order, one point for each whole number that the sum of the chances passes.
    order = torch.randperm(len(chance), generator=generator)
    passed = (chance[order].cumsum(0) + torch.rand((), generator=generator, dtype=torch.float64)).floor()
    taken = order[passed.diff(prepend=passed.new_zeros(1)) > 0]
    return Sample.of(candidates.points[taken], candidates.share[taken] / chance[taken])


def _chances(wanted: Float[Tensor, " point"], count: int) -> Float[Tensor, " point"]:
    """In proportion to what is wanted, at most one, with the count as their sum."""
    sure = torch.zeros(len(wanted), dtype=torch.bool)
    while True:
        left = count - int(sure.sum())
        chance = torch.where(sure, 1.0, left * wanted / wanted[~sure].sum())
        more = (chance > 1) & ~sure
        if not bool(more.any()):
            return chance
        sure |= more
