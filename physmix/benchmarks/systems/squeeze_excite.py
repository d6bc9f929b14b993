"""Squeeze-and-excitation: two 1x1 layers on the pooled tensor, and a cast of colour that they take away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from physmix.applications import SqueezeExcite, squeeze_excite
from physmix.benchmarks.foreign import package, torchvision
from physmix.benchmarks.roads import descend
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.shown import Shown
from physmix.mixing import MixingLayer
from physmix.reporting import Image

CASE = "squeeze-and-excitation"
_COUNT, _ERROR, _FIXED = 2_514_944, "error of the balance", "one gate for all images"


def demonstrate(*, seed: int = 0, casts: int = 64, hidden: int = 8, steps: int = 600) -> Shown:
    """Equality with torchvision, the weights of a ResNet-50, and gates that depend on the image.

    Args:
        seed: of weights and casts.
        casts: images to learn from, and as many to judge by.
        hidden: channels between the two layers of the balance.
        steps: of training.
    """
    photograph = torch.from_numpy(package("skimage.data").astronaut()).movedim(-1, 0)[None].float() / 255
    rows = [row for sizes in ((64, 16), (48, 16), (5, 2), (3, 1)) for row in _equal(photograph, *sizes, seed)]
    rows += _counted()
    more, panels = _balanced(photograph, casts, hidden, steps, seed)
    return Shown([*rows, *more], panels)


def _equal(photograph: Tensor, channels: int, reduction: int, seed: int) -> list[Row]:
    """Beside torchvision with its weights, on the photograph with random channels of it, of odd size."""
    torch.manual_seed(seed)
    image = nn.functional.conv2d(photograph[:, :, 100:233, 100:277], torch.randn(channels, 3, 3, 3))
    theirs = torchvision("torchvision.ops").SqueezeExcitation(channels, channels // reduction)
    block = squeeze_excite(channels, reduction)
    with torch.no_grad():
        for layer, peers in ((block.reduce, theirs.fc1), (block.expand, theirs.fc2)):
            layer.load_state_dict({"weight": peers.weight[:, :, 0, 0], "bias": peers.bias})
        gates, out, expected = block.gates(image), block(image), theirs(image)
    off = float((out - expected).abs().max() / expected.abs().max())
    name = f"{channels} channels"
    return [
        ours(CASE, f"off torchvision, {name}", off, target="<= 1e-6"),
        ours(CASE, f"gates not in (0, 1), {name}", float(((gates <= 0) | (gates >= 1)).sum()), target="<= 0"),
    ]


def _counted() -> list[Row]:
    """The weights that 16 blocks add to a ResNet-50, after the last convolution of each bottleneck."""
    models = torchvision("torchvision.models.resnet")
    with torch.device("meta"):
        network = models.resnet50()
        widths = [m.conv3.out_channels for m in network.modules() if isinstance(m, models.Bottleneck)]
        blocks = [squeeze_excite(width, 16, bias=False) for width in widths]
        count = sum(p.numel() for block in blocks for p in block.parameters())
        peers = [torchvision("torchvision.ops").SqueezeExcitation(width, width // 16) for width in widths]
        theirs = sum(p.numel() for block in peers for p in block.parameters() if p.ndim == 4)
    return [
        ours(CASE, "weights in ResNet-50", float(count), target=f">= {_COUNT}"),
        ours(CASE, f"weights in ResNet-50 off {_COUNT:,}", float(abs(count - _COUNT)), target="<= 0"),
        peer(CASE, "torchvision", "weights in ResNet-50", float(theirs)),
    ]


class _Balance(nn.Module):
    """Mean squared error of gated images."""

    def __init__(self, gate: nn.Module, images: Tensor, targets: Tensor) -> None:
        super().__init__()
        self.gate, self.images, self.targets = gate, images, targets

    def forward(self) -> Tensor:
        return (self.gate(self.images) - self.targets).square().mean()


class _FixedGates(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.logits.sigmoid()


def _balanced(
    photograph: Tensor, casts: int, hidden: int, steps: int, seed: int
) -> tuple[list[Row], list[Image]]:
    """Photographs under coloured light: gates that differ from image to image undo it, fixed ones cannot."""
    generator = torch.Generator().manual_seed(seed)
    light = 0.3 + 0.7 * torch.rand(2 * casts, 3, 1, 1, generator=generator)
    small = nn.functional.avg_pool2d(photograph, 8)
    places = torch.randint(0, 32, (2 * casts, 2), generator=generator).tolist()
    crops = torch.cat([small[:, :, y : y + 32, x : x + 32] for y, x in places])
    images = crops * light
    targets = crops * light.amin(1, keepdim=True)  # grey light, as bright as the darkest colour allows
    first, last = slice(None, casts), slice(casts, None)
    torch.manual_seed(seed)
    excited = SqueezeExcite(MixingLayer(3, hidden, axis=1), MixingLayer(hidden, 3, axis=1))
    errors = {}
    for name, gate in (("physmix", excited), (_FIXED, _FixedGates())):
        problem = _Balance(gate, images[first], targets[first])
        descend(problem, torch.optim.Adam(gate.parameters(), lr=0.05), steps)
        with torch.no_grad():
            errors[name] = float(_Balance(gate, images[last], targets[last])()) ** 0.5
    plain = float((images[last] - targets[last]).square().mean()) ** 0.5
    rows = [
        ours(CASE, f"{_ERROR}, over that of fixed gates", errors["physmix"] / errors[_FIXED],
             target="<= 0.7"),
        ours(CASE, _ERROR, errors["physmix"]),
        peer(CASE, _FIXED, _ERROR, errors[_FIXED]),
        peer(CASE, "no gate", _ERROR, plain),
    ]  # fmt: skip
    tint = torch.tensor([[1.0, 0.45, 0.35], [0.35, 1.0, 0.5], [0.4, 0.5, 1.0]])[:, :, None, None]
    lights = ("red", "green", "blue")
    with torch.no_grad():
        lit = photograph[:, :, ::2, ::2] * tint
        gates, out = excited.gates(lit)[:, :, 0, 0], excited(lit)
    panels = []
    for place, name in enumerate(lights[:2]):
        panels.append(Image(f"{name} light", lit[place].movedim(0, -1).numpy()))
        panels.append(Image(f"{name} light, gated", out[place].movedim(0, -1).numpy()))
    ticks = (lights, [f"{name} light" for name in lights])
    axes = ("channel", "image")
    panels.insert(2, Image("gates", gates.numpy(), axes, "gate (1)", limits=(0, 1), ticks=ticks))
    panels.append(Image("white light", photograph[0].movedim(0, -1).numpy()))
    return rows, panels
