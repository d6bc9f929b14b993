"""Shortcuts that keep the norm at every pixel, and proteins laid on each other."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from physmix.applications.shortcut import Superposition, orthogonal_shortcut, rigid_superposition
from physmix.benchmarks.foreign import package
from physmix.benchmarks.roads import descend
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.proteins import alpha_carbons
from physmix.benchmarks.systems.shown import Shown
from physmix.constraints import Rotation
from physmix.errors import ShapeError
from physmix.mixing import MixingLayer, mix
from physmix.optimization import projected
from physmix.reporting import Curves, Panel

CASE = "orthogonal shortcut"
_NORM, _DEFECT = "norm ratio off one, worst pixel", "W^T W off the identity"
_OVER = "misfit over the optimum of scipy's Procrustes"


def demonstrate(
    *, seed: int = 0, depth: int = 100, channels: int = 12, outputs: int = 16, steps: int = 1000
) -> Shown:
    """Norms through many layers, training beside torch and geotorch, and a pair of structures.

    Args:
        seed: of the weights, and of how a structure is turned.
        depth: layers, one after the other.
        channels: of the image, 3 times a square.
        outputs: of the layer that is trained.
        steps: of Adam.
    """
    features = _features(channels)
    rows, ratios = _norms(features, depth, seed)
    rows += _trained(features, outputs, steps, seed)
    rows.append(ours(CASE, "fewer outputs refused", _refused(), target=">= 1"))
    laid, more = _superposed(seed)
    return Shown([*rows, *more], _panels(ratios, laid, seed), 2)


def _features(channels: int) -> Tensor:
    """Channels of a photograph: the colours of each block of pixels, (1, channel, row, column)."""
    image = torch.from_numpy(package("skimage.data").astronaut()[60:252, 120:312]).double() / 255
    side = round((channels / 3) ** 0.5)
    return nn.functional.pixel_unshuffle(image.movedim(-1, 0)[None], side)


def _norms(features: Tensor, depth: int, seed: int) -> tuple[list[Row], dict[str, list[float]]]:
    size = features.shape[1]
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    kind = torch.float64
    stacks: dict[str, list[nn.Module]] = {
        "physmix": [orthogonal_shortcut(size, size, dtype=kind, generator=generator) for _ in range(depth)],
        "torch orthogonal": [_torch(size, size).to(kind) for _ in range(depth)],
        "free weights": [
            MixingLayer(size, size, bias=False, axis=1, dtype=kind, generator=generator) for _ in range(depth)
        ],
    }
    rows, ratios = [], {}
    lit = features.flatten(2)
    lit = lit[:, :, lit.norm(dim=1)[0] > 0]  # a black pixel has no ratio
    for system, layers in stacks.items():
        out, ratio = lit, torch.ones(1)
        ratios[system] = [1.0]
        for layer in layers:
            with torch.no_grad():
                out = layer(out) if isinstance(layer, MixingLayer) else mix(out, _weight(layer), axis=1)
            ratio = out.norm(dim=1) / lit.norm(dim=1)
            ratios[system].append(float(ratio.mean()))
        off = float((ratio - 1).abs().max())
        if system == "physmix":
            rows.append(ours(CASE, f"{_NORM}, {depth} layers", off, target="<= 1e-12"))
        else:
            rows.append(peer(CASE, system, f"{_NORM}, {depth} layers", off))
    return rows, ratios


def _weight(layer: nn.Module) -> Tensor:
    weight: Any = layer.weight
    return weight


def _torch(inputs: int, outputs: int) -> nn.Module:
    return nn.utils.parametrizations.orthogonal(nn.Linear(inputs, outputs, bias=False))


def _geotorch(inputs: int, outputs: int) -> nn.Module:
    layer = nn.Linear(inputs, outputs, bias=False)
    package("geotorch").orthogonal(layer, "weight")
    return layer


class _Procrustes(nn.Module):
    """|X W^T - Y|^2 over |Y|^2, of a layer with a weight."""

    def __init__(self, layer: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        super().__init__()
        self.layer, self.inputs, self.targets = layer, inputs, targets

    def forward(self) -> Tensor:
        off = self.inputs @ _weight(self.layer).mT - self.targets
        return off.square().sum() / self.targets.square().sum()


def _trained(features: Tensor, outputs: int, steps: int, seed: int) -> list[Row]:
    """An isometry fitted in float32 by Adam, to the turned and whitened pixels with noise."""
    procrustes = package("scipy.linalg").orthogonal_procrustes
    generator = torch.Generator().manual_seed(seed)
    inputs = features[0].flatten(1).mT
    inputs = (inputs - inputs.mean(0))[::7]
    inputs = torch.linalg.svd(inputs, full_matrices=False).U * len(inputs) ** 0.5  # neighbours are alike
    true = torch.linalg.qr(torch.randn(outputs, inputs.shape[1], generator=generator, dtype=torch.float64)).Q
    noise = torch.randn(len(inputs), outputs, generator=generator, dtype=torch.float64)
    targets = inputs @ true.mT + 0.5 * noise
    # With fewer inputs than outputs scipy takes the difference as inputs that are zero.
    padded = nn.functional.pad(inputs, (0, outputs - inputs.shape[1]))
    turn = torch.from_numpy(procrustes(padded.numpy(), targets.numpy())[0])
    least = float((padded @ turn - targets).square().sum() / targets.square().sum())
    torch.manual_seed(seed)
    size = inputs.shape[1]
    layers: dict[str, nn.Module] = {
        "physmix": orthogonal_shortcut(size, outputs, axis=-1, generator=generator),
        "torch orthogonal": _torch(size, outputs),
        "geotorch": _geotorch(size, outputs),
    }
    rows = []
    for system, layer in layers.items():
        lawful, starts = system == "physmix", [layer]
        if lawful and outputs == size:  # no way leads from one sign of the determinant to the other
            mirrored = copy.deepcopy(layer)
            with torch.no_grad():
                _weight(mirrored)[0].neg_()
            starts.append(mirrored)
        problems = [_Procrustes(start, inputs.float(), targets.float()) for start in starts]
        for problem, start in zip(problems, starts, strict=True):
            adam = torch.optim.Adam(start.parameters(), lr=0.05)
            descend(problem, projected(adam, start) if lawful else adam, steps)
        weight = _weight(min(problems, key=lambda one: float(one().detach())).layer).detach().double()
        defect = float((weight.mT @ weight - torch.eye(size)).abs().max())
        over = float(_Procrustes(_Held(weight), inputs, targets)()) / least - 1
        if system == "physmix":
            rows += [
                ours(CASE, f"{_DEFECT}, {steps} steps of Adam", defect, target="<= 1e-6"),
                ours(CASE, _OVER, over, target="<= 1e-6"),
            ]
        else:
            rows += [peer(CASE, system, f"{_DEFECT}, {steps} steps of Adam", defect)]
            rows += [peer(CASE, system, _OVER, over)]
    return rows


class _Held(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight


def _refused() -> float:
    try:
        orthogonal_shortcut(8, 5)
    except ShapeError as error:
        return float("outputs >= inputs" in str(error))
    return 0.0


def _superposed(seed: int) -> tuple[Superposition, list[Row]]:
    """The open structure on the closed one, and its mirror image, beside scipy."""
    rotations = package("scipy.spatial.transform").Rotation
    target, rows = alpha_carbons("1ake"), []
    aim = target - target.mean(0)
    for name, mirror in (("4AKE on 1AKE", 1.0), ("4AKE mirrored", -1.0)):
        mobile = _moved(seed) * torch.tensor([1.0, 1.0, mirror])
        found = rigid_superposition(mobile, target)
        centred = mobile - mobile.mean(0)
        _, theirs = rotations.align_vectors(aim.numpy(), centred.numpy())
        theirs = float(theirs) / len(target) ** 0.5
        metric, gap = f"RMSD, {name}", abs(float(found.deviation) - theirs)
        rows += [
            ours(CASE, f"{metric}, off scipy's", gap, "angstrom", target="<= 1e-6"),
            ours(CASE, metric, float(found.deviation), "angstrom"),
            peer(CASE, "scipy align_vectors", metric, theirs, "angstrom"),
            ours(
                CASE, f"determinant off one, {name}",
                abs(float(torch.linalg.det(found.rotation)) - 1), target="<= 1e-12",
            ),
        ]  # fmt: skip
        if mirror < 0:
            left, _, right = torch.linalg.svd(aim.mT @ centred)
            turned = float(torch.linalg.det(left @ right))
            rows.append(peer(CASE, "polar factor alone", f"determinant, {name}", turned))
        else:
            laid = found
        rows += optima(
            f"{CASE}, {name}",
            lambda centred=centred: Quadratic(Rotation(), centred, aim, seed),  # type: ignore[misc]
            found.rotation,
            steps=2000,
        )
    return laid, rows


def _moved(seed: int) -> Tensor:
    """The open structure, turned and moved at random: its file has it near the closed one already."""
    generator = torch.Generator().manual_seed(seed)
    turn = Rotation().sample(3, 3, generator=generator, dtype=torch.float64)
    return alpha_carbons("4ake") @ turn.mT + 20 * torch.randn(3, generator=generator, dtype=torch.float64)


def _panels(ratios: dict[str, list[float]], laid: Superposition, seed: int) -> list[Panel]:
    closed, mobile = alpha_carbons("1ake"), _moved(seed)
    moved = laid.apply(mobile)
    plane = torch.linalg.svd(closed - closed.mean(0), full_matrices=False).Vh[:2]

    def flat(points: Tensor) -> tuple[Tensor, Tensor]:
        across, up = ((points - closed.mean(0)) @ plane.mT).T
        return across, up

    residues = torch.arange(1, len(closed) + 1)
    traces = ("along its longest axis (Å)", "along its second axis (Å)")
    return [
        Curves("before", traces, {"1AKE, closed": flat(closed), "4AKE, open": flat(mobile)}, equal=True),
        Curves(
            f"superposed: RMSD {float(laid.deviation):.2f} Å",
            traces,
            {"1AKE, closed": flat(closed), "4AKE, open": flat(moved)},
            equal=True,
        ),
        Curves(
            "what moves: lid and binding domain",
            ("residue", "distance to 1AKE (Å)"),
            {"4AKE": (residues, (moved - closed).norm(dim=1))},
        ),
        Curves(
            "mean norm through depth",
            ("layer", "norm out over norm in (1)"),
            {name: (range(len(values)), values) for name, values in ratios.items()},
            logarithmic="y",
        ),
    ]
