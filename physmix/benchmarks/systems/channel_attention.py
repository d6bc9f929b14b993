"""The spectrum of attention: one mixture for all inputs, or one that each input chooses."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from physmix.applications import ChannelAttention, channel_attention, fixed_attention
from physmix.benchmarks.foreign import package
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.shown import Shown
from physmix.constraints import Simplex
from physmix.mixing import mix
from physmix.optimization import Moments
from physmix.reporting import Image

CASE = "channel attention"
_DEFECT = "f(x + y) off f(x) + f(y)"
_PHOTOGRAPHS = ("astronaut", "coffee")


def demonstrate(*, seed: int = 0, steps: int = 3000) -> Shown:
    """Equality with torch's attention, rows on the simplex, and what superposition tells.

    Args:
        seed: of the weights.
        steps: of the projected optimisers.
    """
    first, second = (_channels(name) for name in _PHOTOGRAPHS)
    channels = first.shape[1]
    attention = _drawn(channels, first, seed)
    with torch.no_grad():  # what is mixed are the channels themselves
        attention.value.weight.copy_(torch.eye(channels))
    rows = [
        row
        for count, height, width in ((channels, 96, 96), (3, 33, 47), (5, 7, 9))
        for row in _equal(first[:, :count, :height, :width], seed)
    ]
    rows += _spectrum(attention, first, second, seed)
    weight, more = _fixed(attention, [first, second], steps, seed)
    with torch.no_grad():
        maps = {
            name: attention.weights(image)[0]
            for name, image in zip(_PHOTOGRAPHS, (first, second), strict=True)
        }
    axes, ticks = ("channel that is mixed", "channel that asks"), (_NAMES, _NAMES)
    most = float(max(map_.max() for map_ in [*maps.values(), weight]))
    panels = [
        Image(f"attention, {name}", map_.numpy(), axes, "share (1)", limits=(0, most), ticks=ticks)
        for name, map_ in maps.items()
    ]
    even = torch.full((channels, channels), 1 / channels)
    panels += [
        Image("one mixture for both, best", weight.numpy(), axes, "share (1)", limits=(0, most), ticks=ticks),
        Image("no query: even shares", even.numpy(), axes, "share (1)", limits=(0, most), ticks=ticks),
    ]
    return Shown([*rows, *more], panels, 2)


_COLOURS = {"light": (1, 1, 1), "red-green": (1, -1, 0), "blue-yellow": (-1, -1, 2)}
_BLOCKS = {"mean": (1, 1, 1, 1), "across": (1, -1, 1, -1), "down": (1, 1, -1, -1), "both": (1, -1, -1, 1)}
_NAMES = tuple(f"{colour}, {block}" for colour in _COLOURS for block in _BLOCKS)


def _channels(name: str) -> Tensor:
    """A photograph as standardised channels: three colours, each by differences in blocks of 2 x 2 (Haar)."""
    image = torch.from_numpy(getattr(package("skimage.data"), name)()[100:292, 100:292]).double()
    blocks = nn.functional.pixel_unshuffle(image.movedim(-1, 0)[None], 2)
    colours, patterns = (torch.tensor(list(v.values())).double() for v in (_COLOURS, _BLOCKS))
    values = mix(blocks, torch.kron(colours, patterns), axis=1)
    spread, mean = torch.std_mean(values, (2, 3), keepdim=True)
    return (values - mean) / spread


def _drawn(channels: int, image: Tensor, seed: int) -> ChannelAttention:
    """Random weights, with scores of order one on images of this size."""
    generator = torch.Generator().manual_seed(seed)
    attention = channel_attention(channels, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        for layer in (attention.query, attention.key):
            layer.weight.mul_(image[0, 0].numel() ** -0.25)
    return attention


def _torch(attention: ChannelAttention, image: Tensor) -> Tensor:
    """The same by torch, from the same weights."""
    flat = image.flatten(2)
    query, key, value = (part.weight @ flat for part in (attention.query, attention.key, attention.value))
    out = nn.functional.scaled_dot_product_attention(query, key, value)
    return out.view_as(image)


def _equal(image: Tensor, seed: int) -> list[Row]:
    channels = image.shape[1]
    attention = _drawn(channels, image, seed)
    with torch.no_grad():
        expected = _torch(attention, image)
        out, weights = attention(image), attention.weights(image)
        attention.query.weight.zero_()
        even = float((attention.weights(image) - 1 / channels).abs().max())
    size = "x".join(map(str, image.shape[1:]))
    return [
        ours(CASE, f"off torch's attention, {size}", float((out - expected).abs().max()), target="<= 1e-6"),
        ours(CASE, f"shares off the simplex, {size}", Simplex().violation(weights), target="<= 1e-12"),
        ours(CASE, f"without a query off 1/C, {size}", even, target="<= 1e-12"),
    ]


def _spectrum(attention: ChannelAttention, first: Tensor, second: Tensor, seed: int) -> list[Row]:
    fixed = fixed_attention(
        first.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    layers = {"fixed 1x1": (fixed, "<= 1e-12"), "channel attention": (attention, ">= 0.1")}
    rows = []
    for name, (layer, target) in layers.items():
        with torch.no_grad():
            both = layer(first + second)
            defect = float((both - layer(first) - layer(second)).norm() / both.norm())
        rows.append(ours(CASE, f"{_DEFECT}, {name}", defect, target=target))
    with torch.no_grad():
        theirs = [_torch(attention, image) for image in (first + second, first, second)]
        defect = float((theirs[0] - theirs[1] - theirs[2]).norm() / theirs[0].norm())
        rows.append(peer(CASE, "torch attention", f"{_DEFECT}, channel attention", defect))
        change = float((attention.weights(first) - attention.weights(second)).abs().max())
    rows.append(ours(CASE, "shares that change with the image", change, target=">= 0.01"))
    return rows


def _fixed(
    attention: ChannelAttention, images: list[Tensor], steps: int, seed: int
) -> tuple[Tensor, list[Row]]:
    """The one mixture on the simplex nearest to attention on both photographs: a quadratic program."""
    import cvxpy  # noqa: PLC0415  slow to import

    channels = images[0].shape[1]
    moments = Moments(channels, channels)
    with torch.no_grad():
        for image in images:
            moments.add(attention.value(image)[0].flatten(1).mT, attention(image)[0].flatten(1).mT)
    design, target = moments.design, moments.target
    scale = float(torch.linalg.matrix_norm(design, 2))
    unknown = cvxpy.Variable((channels, channels))
    left, right = (part.numpy() / scale for part in (design, target))
    lawful = [unknown >= 0, cvxpy.sum(unknown, axis=1) == 1]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(left @ unknown.T - right)), lawful).solve(
        solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13
    )
    best = Simplex().project(torch.from_numpy(np.asarray(unknown.value)))

    def make() -> Quadratic:
        return Quadratic(Simplex(), design, target, seed)

    rows = optima(f"{CASE}, one mixture beside cvxpy", make, best, steps=steps)
    return best, rows
