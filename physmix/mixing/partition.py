"""Features on overlapping subdomains: each is multiplied by the window of its own, and windows sum to one.

Where many features are wanted they see few others, so that least squares stay sparse (Babuska and
Melenk, "The partition of unity method", 1997; with random features: Dwivedi and Srinivasan, 2020).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.jets import Jet, push, rule, seed
from physmix.jets.compose import cauchy, compose, product_plan
from physmix.mixing.features import random_features
from physmix.mixing.waves import wave_features

_SMOOTH = 5  # derivatives of a window that vanish at its ends


@lru_cache(maxsize=8)
def _step_polynomial(smooth: int) -> tuple[float, ...]:
    """From 0 at 0 to 1 at 1, with first derivatives that vanish at both ends; lowest power first."""
    n = smooth
    powers = [0.0] * (2 * n + 2)
    for k in range(n + 1):
        powers[n + 1 + k] = float(math.comb(n + k, k) * math.comb(2 * n + 1, n - k) * (-1) ** k)
    return tuple(powers)


def smooth_step(x: Tensor, order: int) -> list[Tensor]:
    """A tower: 0 below 0, 1 above 1, and a polynomial between."""
    coefficients, tower = list(_step_polynomial(_SMOOTH)), []
    inside = x.clamp(0.0, 1.0)
    for k in range(order + 1):
        value = torch.zeros_like(x)
        for c in reversed(coefficients):
            value = value * inside + c
        tower.append(value if k == 0 else torch.where((x > 0) & (x < 1), value, torch.zeros_like(x)))
        coefficients = [j * c for j, c in enumerate(coefficients)][1:] or [0.0]
    return tower


class PartitionedFeatures(nn.Module):
    """omega_s(x) f_k(x): frozen features f_k, each times the window of its subdomain s.

    Windows are products of differences of smooth steps along each axis. They are one inside of their
    subdomain, fall to zero across its ends, and sum to one everywhere.

    Args:
        features: makes f from the inputs: an `nn.Linear` and element-wise layers after it, or what is
            `restricted` to some of its outputs by itself.
        owner: the subdomain of each feature.
        cuts: along each input, where neighbours meet.
        overlap: along each input, the width over which two neighbours share, for each cut.
    """

    def __init__(
        self,
        features: nn.Module,
        owner: Int[Tensor, " feature"],
        cuts: Sequence[Float[Tensor, " _"]],
        overlap: Sequence[Float[Tensor, " _"]],
    ) -> None:
        super().__init__()
        self.features = features
        self.shape = tuple(len(cut) + 1 for cut in cuts)
        self.register_buffer("owner", owner, persistent=False)
        for axis, (cut, width) in enumerate(zip(cuts, overlap, strict=True)):
            self.register_buffer(f"cuts_{axis}", cut)
            self.register_buffer(f"overlap_{axis}", width)

    owner: Tensor

    @property
    def cuts(self) -> list[Tensor]:
        """Along each input, where neighbours meet."""
        return [getattr(self, f"cuts_{axis}") for axis in range(len(self.shape))]

    @property
    def overlap(self) -> list[Tensor]:
        """Along each input, the width over which two neighbours share."""
        return [getattr(self, f"overlap_{axis}") for axis in range(len(self.shape))]

    def forward(self, points: Float[Tensor, "point input"]) -> Float[Tensor, "point feature"]:
        """The features times their windows."""
        return self.carry(Jet(seed(points, 0).space, self.features(points)[None]), seed(points, 0)).value

    def carry(self, features: Jet, inputs: Jet) -> Jet:
        """The jet of the product from those of the features and of the inputs."""
        space, plan = features.space, product_plan(features.space)
        window: Tensor | None = None
        places = torch.unravel_index(self.owner, self.shape)
        for axis, cut in enumerate(self.cuts):
            if len(cut) == 0:
                continue
            x = inputs.coefficients[..., axis : axis + 1]
            steps = x / self.overlap[axis]
            steps[0] = (x[0] - cut) / self.overlap[axis] + 0.5
            steps = compose(steps, smooth_step, space)
            one, zero = torch.zeros_like(x), torch.zeros_like(x)
            one[0] = 1.0
            steps = torch.cat([one, steps, zero], -1)
            factor = (steps[..., :-1] - steps[..., 1:])[..., places[axis]]
            window = factor if window is None else cauchy(window, factor, plan)
        if window is None:
            return features
        return Jet(space, cauchy(features.coefficients, window, plan))

    def active(self, points: Float[Tensor, "point input"]) -> Bool[Tensor, "point subdomain"]:
        """Which windows are not zero near points."""
        found: Tensor | None = None
        for axis, cut in enumerate(self.cuts):
            half = self.overlap[axis] / 2
            ends = points.new_tensor([torch.inf])
            low, high = torch.cat([-ends, cut - half]), torch.cat([cut + half, ends])
            x = points[:, axis : axis + 1]
            along = (x >= low) & (x <= high)
            found = along if found is None else (found[:, :, None] & along[:, None, :]).flatten(1)
        if found is None:
            raise SettingsError("a partition", "it has no input", "give one cut list for each")
        return found

    def restricted(self, chosen: Int[Tensor, " kept"]) -> PartitionedFeatures:
        """The network of some of the features alone."""
        return PartitionedFeatures(
            restricted_features(self.features, chosen), self.owner[chosen], self.cuts, self.overlap
        )


@rule(PartitionedFeatures)
def _partitioned(module: PartitionedFeatures, jet: Jet) -> Jet:
    return module.carry(push(module.features, jet), jet)


class Restrictable(Protocol):
    """What is no layer with element-wise ones after it, and yet can be some of its outputs."""

    def restricted(self, chosen: Int[Tensor, " kept"]) -> nn.Module:
        """Some of the outputs."""
        ...


def restricted_features(features: nn.Module, chosen: Int[Tensor, " kept"]) -> nn.Module:
    """Some outputs of a linear layer and element-wise ones after it, or of what can restrict itself."""
    if not isinstance(features, nn.Sequential):
        return cast("Restrictable", features).restricted(chosen)
    whole, *rest = features
    assert isinstance(whole, nn.Linear)
    layer = nn.Linear(whole.in_features, len(chosen), dtype=whole.weight.dtype, device=whole.weight.device)
    with torch.no_grad():
        layer.weight.copy_(whole.weight[chosen])
        layer.bias.copy_(whole.bias[chosen])
    return nn.Sequential(layer, *rest).requires_grad_(False)  # noqa: FBT003  torch's own


def partitioned_features(
    box: Sequence[tuple[float, float]],
    count: int,
    subdomains: Sequence[int | Sequence[float]],
    *,
    overlap: float = 1.0,
    slope: float | Sequence[float] = 4.0,
    least: float = 0.3,
    margin: float = 0.4,
    activation: type[nn.Module] = nn.Tanh,
    waves: Mapping[int, float] | None = None,
    seed: int = 0,
) -> PartitionedFeatures:
    """Random features on a grid of subdomains.

    Args:
        box: lowest and highest value of each input.
        count: features in each subdomain.
        subdomains: along each input how many of equal size, or the places where they meet.
        overlap: of two neighbours, over the smaller of them.
        slope: see `random_features`, in units of one over the half width of a subdomain.
        least: see `random_features`.
        margin: see `random_features`, in units of the half width of a subdomain.
        activation: of the layer, with a jet rule.
        waves: of periodic inputs, which are not divided; see `wave_features`, which then takes the place of
            `random_features`.
        seed: of the draw.

    Raises:
        SettingsError: if the places are not increasing, or not in the box, or an overlap is not in (0, 1]; or
            if a periodic input is divided.
    """
    if not 0 < overlap <= 1 or len(subdomains) != len(box):
        raise SettingsError(
            "a partition", f"overlap={overlap}, {len(subdomains)} lists", "give up to 1, and one an input"
        )
    cuts, widths = [], []
    for (low, high), wanted in zip(box, subdomains, strict=True):
        places = (
            torch.linspace(low, high, int(wanted) + 1, dtype=torch.float64)
            if isinstance(wanted, int)
            else torch.tensor([low, *wanted, high], dtype=torch.float64)
        )
        if len(places) < 2 or not bool((places.diff() > 0).all()):
            raise SettingsError(
                "a partition", f"its cuts are {wanted}", "give increasing places inside the box"
            )
        cuts.append(places)
        sizes = places.diff()
        widths.append(overlap * torch.minimum(sizes[:-1], sizes[1:]))
    layers, inputs = [], len(box)
    shape = tuple(len(places) - 1 for places in cuts)
    if waves and any(shape[i] > 1 for i in waves):
        raise SettingsError(
            "a partition", f"{shape} subdomains", "give one along a coordinate that is periodic"
        )
    for number, place in enumerate(itertools.product(*map(range, shape))):
        # The window reaches into the neighbours: so do the features.
        ends = []
        for places, width, i in zip(cuts, widths, place, strict=True):
            reach = torch.cat([width.new_zeros(1), width / 2, width.new_zeros(1)])
            ends.append((float(places[i] - reach[i]), float(places[i + 1] + reach[i + 1])))
        unit_box = [(-1.0, 1.0)] * inputs
        unit, function = (
            wave_features(unit_box, count, waves, slope=slope, seed=seed + number)
            if waves
            else random_features(
                unit_box,
                count,
                slope=slope,
                least=least,
                margin=margin,
                activation=activation,
                seed=seed + number,
            )
        )
        assert isinstance(unit, nn.Linear)
        half = torch.tensor([(b - a) / 2 for a, b in ends], dtype=torch.float64)
        centre = torch.tensor([(b + a) / 2 for a, b in ends], dtype=torch.float64)
        weight = unit.weight / half
        layers.append((weight, unit.bias - weight @ centre))
    each = len(layers[0][0])
    subdomain = torch.arange(len(layers)).repeat(each)
    layer = nn.Linear(inputs, each * len(layers), dtype=torch.float64)
    with torch.no_grad():
        # Subdomains alternate, so that any run of features, as of a class at walls, has all of them.
        layer.weight.copy_(torch.stack([w for w, _ in layers], 1).flatten(0, 1))
        layer.bias.copy_(torch.stack([b for _, b in layers], 1).flatten(0, 1))
    features = nn.Sequential(layer, function).requires_grad_(False)  # noqa: FBT003  torch's own
    return PartitionedFeatures(features, subdomain, [places[1:-1] for places in cuts], widths)
