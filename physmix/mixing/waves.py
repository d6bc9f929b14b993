"""Features along periodic coordinates: sines whose waves fit a whole number of times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.jets import Sine

_ALONG = 6  # waves of one vector, for each coordinate that is not periodic


def wave_features(
    box: Sequence[tuple[float, float]],
    count: int,
    waves: Mapping[int, float],
    *,
    slope: float | Sequence[float] = 2.0,
    seed: int = 0,
) -> nn.Sequential:
    """A frozen layer sin(2 pi k . x / L + c . z + phase): whole k for periodic x, any c for other inputs z.

    The k are all whole vectors in the ellipsoid of the largest numbers of waves, one of k and -k. For
    each there are as many c as the count allows, quasi-random in [-slope, slope]; each pair of phases, a
    quarter of a wave apart, gives exp(i c . z) times any multiple of the wave. So functions of x are those of
    a Fourier series, with errors below any power of one over the waves if they are smooth, and functions
    of z those that a few frequencies below the slope make, which are far from periodic themselves.

    Args:
        box: lowest and highest value of each input; the periodic ones repeat after it.
        count: the number of features at most; it is made even, and all are different.
        waves: of periodic inputs by place, the largest number over the box.
        slope: the largest c, in units of one over the inputs; a number for each input where they differ, of
            which those of periodic ones are not used.
        seed: of the draw.

    Raises:
        SettingsError: if there are fewer features than waves, or a number is not positive.
    """
    inputs = len(box)
    slopes = [float(slope)] * inputs if isinstance(slope, int | float) else [float(s) for s in slope]
    others = [i for i in range(inputs) if i not in waves]
    if len(slopes) != inputs or min(slopes) <= 0 or min(waves.values(), default=0.0) < 0:
        problem = f"slope={slope}, waves={dict(waves)} for {inputs} inputs"
        raise SettingsError("wave features", problem, "give positive numbers")
    vectors = wave_vectors([waves[i] for i in waves])
    if count < 2 * len(vectors):
        what = f"{count} features for {len(vectors)} waves"
        raise SettingsError("wave features", what, f"give {2 * len(vectors)} or more, or fewer waves")
    copies = -(-count // (2 * len(vectors))) if others else 1
    pairs = min(count // 2, copies * len(vectors))
    layer = nn.Linear(inputs, 2 * pairs, dtype=torch.float64)
    low, high = torch.tensor(list(box), dtype=torch.float64).T
    weight = torch.zeros(copies, len(vectors), inputs, dtype=torch.float64)
    for axis, place in enumerate(waves):
        weight[:, :, place] = 2 * math.pi * vectors[:, axis] / (high - low)[place]
    if others:
        draw = torch.quasirandom.SobolEngine(len(others), scramble=True, seed=seed)
        shift = torch.rand(
            len(vectors), len(others), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        )
        unit = (draw.draw(copies, dtype=torch.float64)[:, None] + shift) % 1.0
        weight[:, :, others] = torch.tensor(slopes, dtype=torch.float64)[others] * (2 * unit - 1)
    rows = weight.flatten(0, 1)[:pairs]
    bias = -(rows * (low + high) / 2).sum(1)
    with torch.no_grad():
        layer.weight.copy_(rows.repeat(2, 1))
        layer.bias.copy_(torch.cat([bias, bias + math.pi / 2]))
    return nn.Sequential(layer, Sine()).requires_grad_(False)  # noqa: FBT003  torch's own


def wave_vectors(most: Sequence[float]) -> Float[Tensor, "vector coordinate"]:
    """Whole vectors in the ellipsoid of these half axes, one of k and -k, the shortest first."""
    ends = [math.floor(one) for one in most]
    found = [
        (size, k)
        for k in itertools.product(*(range(-end, end + 1) for end in ends))
        if (size := math.hypot(*(n / one for n, one in zip(k, most, strict=True) if n))) <= 1 + 1e-12
        and k >= tuple(-n for n in k)
    ]
    return torch.tensor([k for _, k in sorted(found)], dtype=torch.float64).reshape(-1, len(most))


def default_waves(count: int, periodic: int, others: int) -> float:
    """The number of waves along each periodic input for which so many features suffice."""
    vectors = count / (2 * _ALONG ** min(others, 1))
    ball = math.pi ** (periodic / 2) / math.gamma(periodic / 2 + 1)
    return max(1.0, math.floor((2 * vectors / ball) ** (1 / periodic) - 0.5))
