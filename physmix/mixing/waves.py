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
from physmix.mixing.symmetry import Group, SymmetricWaves

_ALONG = 6  # waves of one vector, for each coordinate that is not periodic
_TRIALS = 64  # places that tell whether waves cancel each other
_ZERO = 1e-10  # mean square of a wave that is cancelled


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
    each there are as many c as the count allows, in [-slope, slope], evenly along one input z and
    quasi-random along several; each pair of phases, a quarter of a wave apart, gives exp(i c . z) times any
    multiple of the wave. So functions of x are those of a Fourier series, with errors below any power of
    one over the waves if they are smooth, and functions of z those that a few frequencies below the slope
    make, which are far from periodic themselves: with slopes near one nearly polynomials.

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
    rows, bias = (part[: count // 2] for part in _rows(box, count, waves, slope, seed))
    layer = nn.Linear(len(box), 2 * len(rows), dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(rows.repeat(2, 1))
        layer.bias.copy_(torch.cat([bias, bias + math.pi / 2]))
    return nn.Sequential(layer, Sine()).requires_grad_(False)  # noqa: FBT003  torch's own


def symmetric_waves(
    box: Sequence[tuple[float, float]],
    count: int,
    waves: Mapping[int, float],
    group: Group,
    *,
    slope: float | Sequence[float] = 2.0,
    seed: int = 0,
) -> SymmetricWaves:
    """The features of `wave_features` that have symmetries, of which no two are alike.

    Waves that the group takes to each other are one feature, and those that it cancels are none: with n
    members nearly n times as many waves or copies of them fit into a count.

    Args:
        box: see `wave_features`.
        count: the number of features at most.
        waves: see `wave_features`.
        group: in these inputs.
        slope: see `wave_features`.
        seed: see `wave_features`.

    Raises:
        SettingsError: see `wave_features`.
    """
    rows, bias = _different(*_rows(box, count * len(group.signs), waves, slope, seed), group)
    return SymmetricWaves(rows[:count], bias[:count], group)


def _rows(
    box: Sequence[tuple[float, float]],
    count: int,
    waves: Mapping[int, float],
    slope: float | Sequence[float],
    seed: int,
) -> tuple[Float[Tensor, "wave input"], Float[Tensor, " wave"]]:
    """Weights of the inputs, and what makes the phase zero in the middle of the box."""
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
    copies = round(count / (2 * len(vectors))) if others else 1
    low, high = torch.tensor(list(box), dtype=torch.float64).T
    weight = torch.zeros(copies, len(vectors), inputs, dtype=torch.float64)
    for axis, place in enumerate(waves):
        weight[:, :, place] = 2 * math.pi * vectors[:, axis] / (high - low)[place]
    for axis, along in enumerate(_along(copies, len(others), seed).unbind(1)):
        weight[:, :, others[axis]] = slopes[others[axis]] * along[:, None]
    rows = weight.flatten(0, 1)
    if len(others) == 1:  # of the vector zero, c and -c are one
        rows = rows[(rows[:, list(waves)] != 0).any(1) | (rows[:, others[0]] >= 0)]
    return rows, -(rows * (low + high) / 2).sum(1)


def _along(copies: int, others: int, seed: int) -> Float[Tensor, "copy input"]:
    """Places in [-1, 1]^others."""
    if others == 1 and copies > 1:
        return torch.linspace(-1.0, 1.0, copies, dtype=torch.float64)[:, None]
    if others < 2:
        return torch.zeros(copies, others, dtype=torch.float64)
    draw = torch.quasirandom.SobolEngine(others, scramble=True, seed=seed)
    return 2 * draw.draw(copies, dtype=torch.float64) - 1


def _different(rows: Tensor, bias: Tensor, group: Group) -> tuple[Tensor, Tensor]:
    """Waves of which no two are alike in their mean over the group, and none is zero: their rows and bias.

    Of waves that turns take to each other one stands for all; of all its phases those two count, a
    quarter of a wave apart, whose means are orthogonal.
    """
    turned = rows[:, None] * group.turns  # (row, member, input)
    keys = torch.round(turned / rows.abs().amax().clamp(min=1.0) * 1e9).long()
    seen, first = set[tuple[int, ...]](), []
    for place, images in enumerate(keys.tolist()):
        if tuple(images[0]) not in seen:
            first.append(place)
            seen.update(tuple(sign * n for n in image) for image in images for sign in (1, -1))
    rows, bias, turned = rows[first], bias[first], turned[first]
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(_TRIALS, rows.shape[1], dtype=torch.float64, generator=generator)
    moved = bias[:, None] + (rows[:, None] * group.shifts).sum(2)
    angles = turned @ points.T + moved[:, :, None]  # (row, member, trial)
    pair = torch.stack([torch.sin(angles), torch.cos(angles)], 1)
    means = (pair * group.signs[:, None]).mean(2)
    sizes, ways = torch.linalg.eigh(means @ means.mT / _TRIALS)
    phases = torch.atan2(ways[:, 1], ways[:, 0])  # of sin(x + phase) = cos(phase) sin x + sin(phase) cos x
    kept = (sizes > _ZERO).flatten()
    rows, bias = rows.repeat_interleave(2, 0), (bias[:, None] + phases).flatten()
    return rows[kept], bias[kept]


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
