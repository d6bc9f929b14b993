"""Feature pyramids: lateral 1x1 layers, beside those of torchvision, on levels of a photograph."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from physmix.applications import FeaturePyramid, feature_pyramid
from physmix.applications.pyramid import repeat_nearest
from physmix.benchmarks.foreign import package, torchvision
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.shown import Shown
from physmix.mixing import mix
from physmix.optimization import violations
from physmix.reporting import Image

CASE = "feature pyramid"


def demonstrate(*, seed: int = 0, width: int = 8, levels: int = 3) -> Shown:
    """Equality with torchvision's pyramid on even and odd sizes, and laterals that keep what is seen.

    Args:
        seed: of the weights.
        width: channels of the pyramid.
        levels: of the photograph; level i has its blocks of 2^(i+1) pixels as channels.
    """
    photograph = torch.from_numpy(package("skimage.data").astronaut()).movedim(-1, 0)[None].float() / 255
    rows = []
    for height, across in ((256, 256), (257, 301), (65, 47)):
        rows += _equal(_levels(photograph[:, :, :height, :across], levels), width, f"{height}x{across}", seed)
    rows += _equal(_levels(photograph[:, :, :128, :128], levels), 5, "width 5", seed)
    rows += _commutes(photograph, seed)
    seen = _levels(photograph.double(), levels)
    principal = _principal(seen, width)
    rows += _orthonormal(seen, principal, width, seed)
    pixels = ("column (point of the level)", "row (point of the level)")
    with torch.no_grad():
        merged = principal.merge(seen)
    panels = [Image("photograph", photograph[0].movedim(0, -1).numpy())]
    for number, level in enumerate(merged):
        title = f"level {number + 1}, {level.shape[2]} x {level.shape[3]}"
        panels.append(Image(title, level[0, 0].numpy(), pixels, "first channel, merged (1)"))
    return Shown(rows, panels, 2)


def _levels(image: Tensor, count: int) -> list[Tensor]:
    """Levels as a backbone has them, from fine to coarse: at each, blocks of pixels are the channels."""
    found = []
    for number in range(1, count + 1):
        block = 2**number
        height, width = (-(-size // block) * block for size in image.shape[2:])
        whole = nn.functional.pad(image, (0, width - image.shape[3], 0, height - image.shape[2]), "replicate")
        found.append(nn.functional.pixel_unshuffle(whole, block))
    return found


def _equal(levels: list[Tensor], width: int, name: str, seed: int) -> list[Row]:
    torch.manual_seed(seed)
    channels = [level.shape[1] for level in levels]
    theirs = torchvision("torchvision.ops").FeaturePyramidNetwork(channels, width)
    pyramid = feature_pyramid(channels, width).load_torchvision(theirs.state_dict())
    with torch.no_grad():
        expected = theirs(OrderedDict((str(i), level) for i, level in enumerate(levels))).values()
        size = max(float(level.abs().max()) for level in expected)
        off = max(float((a - b).abs().max()) for a, b in zip(pyramid(levels), expected, strict=True))
    return [ours(CASE, f"off torchvision's pyramid, {name}", off / size, target="<= 1e-6")]


def _commutes(photograph: Tensor, seed: int) -> list[Row]:
    """A 1x1 layer before or after the nearest point is repeated; a 3x3 one must differ."""
    torch.manual_seed(seed)
    coarse = _levels(photograph[:, :, :97, :131].double(), 1)[0]
    grid = (97, 131)
    weight, spatial = torch.randn(5, 12).double(), torch.randn(5, 12, 3, 3).double()
    off = repeat_nearest(mix(coarse, weight, axis=1), grid) - mix(
        repeat_nearest(coarse, grid), weight, axis=1
    )
    both = [
        nn.functional.conv2d(repeat_nearest(coarse, grid), spatial, padding=1),
        repeat_nearest(nn.functional.conv2d(coarse, spatial, padding=1), grid),
    ]
    metric = "before off after repeating the nearest point"
    return [
        ours(CASE, metric, float(off.abs().max()), target="<= 1e-12"),
        peer(CASE, "3x3 convolution", metric, float((both[0] - both[1]).abs().max())),
    ]


@torch.no_grad()
def _principal(levels: list[Tensor], width: int) -> FeaturePyramid:
    """Orthonormal laterals along what varies most at each level."""
    pyramid = feature_pyramid([c.shape[1] for c in levels], width, lateral="orthonormal", dtype=torch.float64)
    for layer, level in zip(pyramid.lateral, levels, strict=True):
        _, _, right = torch.linalg.svd(level[0].flatten(1).mT, full_matrices=False)
        signs = right[:width].sum(1, keepdim=True).sign()
        weight = nn.functional.pad(right[:width] * signs, (0, 0, 0, width - len(signs)))
        layer.load_state_dict({"weight": weight, "bias": right.new_zeros(width)})
    return pyramid


def _orthonormal(levels: list[Tensor], principal: FeaturePyramid, width: int, seed: int) -> list[Row]:
    """How much of each level's square an orthonormal lateral keeps: at most 1, whatever the weights."""
    generator = torch.Generator().manual_seed(seed)
    drawn = feature_pyramid(
        [c.shape[1] for c in levels], width, lateral="orthonormal", dtype=torch.float64, generator=generator
    )
    rows = [ours(CASE, "laterals off orthonormal", max(violations(principal).values()), target="<= 1e-12")]
    kept: dict[str, list[float]] = {"principal": [], "random": []}
    with torch.no_grad():
        for name, pyramid in (("principal", principal), ("random", drawn)):
            for layer, level in zip(pyramid.lateral, levels, strict=True):
                kept[name].append(float(layer(level).square().sum() / level.square().sum()))
    rows.append(
        ours(
            CASE,
            "square kept by orthonormal laterals, most",
            max(max(k) for k in kept.values()),
            target="<= 1.000000001",
        )
    )
    rows.append(
        ours(CASE, "square kept by principal laterals, least", min(kept["principal"]), target=">= 0.9")
    )
    rows.append(
        ours(CASE, "square kept by random laterals, least", min(kept["random"]), system="physmix, random")
    )
    return rows
