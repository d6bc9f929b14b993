"""Random features: a hidden layer that is placed well and then left as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from physmix.errors import SettingsError


def random_features(
    box: Sequence[tuple[float, float]],
    count: int,
    *,
    slope: float | Sequence[float] = 4.0,
    least: float = 0.3,
    margin: float = 0.4,
    activation: type[nn.Module] = nn.Tanh,
    seed: int = 0,
) -> nn.Sequential:
    """A frozen layer activation(s (x - c) . e): centres c in the box, directions e and slopes s at random.

    Centres, directions and slopes are quasi-random together (Sobol, scrambled), so that no part of the
    domain is left out by chance. Centres reach beyond the box by a margin: a function at the boundary is
    then no more difficult than one inside.

    Args:
        box: lowest and highest value of each input.
        count: the number of features.
        slope: the largest s, in units of one over the inputs; a number for each input stretches that one.
        least: the smallest s over the largest.
        margin: of the centres around the box, in units of the inputs.
        activation: of the layer, with a jet rule.
        seed: of the draw.

    Raises:
        SettingsError: if there is no feature, or a slope or its range is not positive.
    """
    inputs = len(box)
    slopes = [float(slope)] * inputs if isinstance(slope, int | float) else [float(s) for s in slope]
    if count < 1 or len(slopes) != inputs or min(slopes) <= 0 or not 0 < least <= 1:
        problem = f"count={count}, slope={slope}, least={least} for {inputs} inputs"
        raise SettingsError("random features", problem, "give positive numbers, and least up to 1")
    engine = torch.quasirandom.SobolEngine(2 * inputs + 1, scramble=True, seed=seed)
    unit = engine.draw(count, dtype=torch.float64)
    low, high = torch.tensor(list(box), dtype=torch.float64).T
    stretch = torch.tensor(slopes, dtype=torch.float64)
    reach = margin * stretch.max() / stretch  # the same number of slopes everywhere
    centre = low - reach + (high - low + 2 * reach) * unit[:, :inputs]
    direction = _directions(unit[:, inputs : 2 * inputs])
    size = least + (1 - least) * unit[:, -1:]
    layer = nn.Linear(inputs, count, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(size * direction * stretch)
        layer.bias.copy_(-(layer.weight * centre).sum(1))
    return nn.Sequential(layer, activation()).requires_grad_(False)  # noqa: FBT003  torch's own


def _directions(unit: Tensor) -> Tensor:
    """Uniform unit vectors from quasi-random numbers: those of a normal distribution have no direction."""
    if unit.shape[1] == 1:
        return torch.where(unit < 0.5, -1.0, 1.0)
    inside = unit.clamp(1e-12, 1 - 1e-12)
    normal = math.sqrt(2) * torch.erfinv(2 * inside - 1)
    return normal / torch.linalg.vector_norm(normal, dim=1, keepdim=True)
