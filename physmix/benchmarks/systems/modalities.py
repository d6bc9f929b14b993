"""Colour and depth: early fusion is late fusion while all is linear, and estimates fused by certainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from physmix.applications import Fusion, branch_fusion
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.shown import Shown
from physmix.benchmarks.systems.stereo import Stereo, stereo
from physmix.constraints import on_inputs
from physmix.mixing import mix
from physmix.optimization import Moments
from physmix.reporting import Bars, Image, Panel


def demonstrate(*, outputs: int = 5, kernel: int = 3, seed: int = 0, steps: int = 1000) -> Shown:
    """Identities of fusion on a photograph and its depth, then two estimates of disparity.

    Args:
        outputs: channels out.
        kernel: size of the shared spatial kernel.
        seed: of weights and kernel.
        steps: of the projected optimisers.
    """
    scene = stereo()
    matched = scene.estimate(11)
    rows = [*_identities(scene, matched, outputs, kernel, seed)]
    found, panels = _estimates(scene, matched, steps)
    return Shown([*rows, *found], panels)


def _identities(scene: Stereo, depth: NDArray[Any], outputs: int, kernel: int, seed: int) -> list[Row]:
    case = f"RGB and depth, {outputs} outputs"
    generator = torch.Generator().manual_seed(seed)
    parts = {
        "colour": torch.from_numpy(scene.colour).movedim(-1, 0)[None],
        "depth": torch.from_numpy(depth / depth.max())[None, None],
    }
    fusion = Fusion({"colour": 3, "depth": 1}, outputs, generator=generator)
    weight = fusion.layer.weight.detach()
    early = fusion(parts).detach()
    singly = {name: mix(part, fusion.part(name).detach(), axis=1) for name, part in parts.items()}
    late = sum(singly.values(), torch.zeros(()))
    convolution = nn.Conv2d(4, outputs, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        convolution.weight.copy_(weight[:, :, None, None])
        theirs = convolution(torch.cat(list(parts.values()), 1))
    shared = torch.randn(1, 1, kernel, kernel, generator=generator, dtype=torch.float64)
    shared = shared / shared.abs().sum()

    def blurred(images: Tensor) -> Tensor:
        channels = images.flatten(0, 1)[:, None]
        return nn.functional.conv2d(channels, shared, padding=kernel // 2).view(images.shape)

    after = blurred(early)
    before = fusion({name: blurred(part) for name, part in parts.items()}).detach()
    bent = torch.relu(singly["colour"]) + torch.relu(singly["depth"])
    grey = {name: torch.full_like(part, 0.7) for name, part in parts.items()}
    return [
        ours(case, "early off late fusion", _off(early, late), target="<= 1e-12"),
        ours(case, "off torch.cat and Conv2d", _off(early, theirs), target="<= 1e-12"),
        ours(case, "off one shared spatial kernel before", _off(after, before), target="<= 1e-12"),
        ours(case, "a constant changed", float((fusion(grey) - 0.7).abs().max().detach()), target="<= 1e-12"),
        ours(
            case,
            "early off late fusion",
            _off(torch.relu(early), bent),
            system="physmix, a ReLU at each part",
            target=">= 0.1",
        ),
        peer(case, "Conv2d as torch makes it", "a constant changed", _free(outputs, seed)),
    ]


def _free(outputs: int, seed: int) -> float:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return float((nn.Conv2d(4, outputs, 1)(torch.full((1, 4, 2, 2), 0.7)) - 0.7).abs().max().detach())


def _off(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def _estimates(scene: Stereo, matched: NDArray[Any], steps: int) -> tuple[list[Row], list[Panel]]:
    """Disparity from matching, and from colour and height by least squares, fused.

    Fitted, and their errors known, in every second band of columns; judged in the others.
    """
    case, error = "disparity from two modalities", "error"
    rows_, columns = scene.truth.shape
    height = np.repeat(np.linspace(-1, 1, rows_)[:, None], columns, 1)
    terms = np.stack([np.ones_like(height), height, height**2, *np.moveaxis(scene.colour, -1, 0)], -1)
    guess = terms @ np.linalg.lstsq(terms[scene.seen], scene.truth[scene.seen], rcond=None)[0]
    estimates = np.stack([matched, guess])
    known, judged = scene.errors(estimates)
    covariance = known @ known.mT / known.shape[1]
    weight = branch_fusion(covariance)
    solved = torch.linalg.solve(covariance, torch.ones(2, dtype=torch.float64))
    blue = solved / solved.sum()

    def missed(one: Tensor) -> float:
        return float((one @ judged).square().mean().sqrt())

    eye = torch.eye(2, dtype=torch.float64)
    errors = {
        "fused": missed(weight),
        "matching": missed(eye[0]),
        "colour and height": missed(eye[1]),
        "mean": missed(eye.mean(0)),
    }
    rows = [
        ours(case, "weights off BLUE", float((weight - blue).abs().max()), target="<= 1e-6"),
        ours(case, error, errors["fused"], "pixels"),
        ours(
            case,
            "error over the best single modality",
            errors["fused"] / min(errors["matching"], errors["colour and height"]),
            target="<= 1",
        ),
        *(peer(case, name, error, value, "pixels") for name, value in errors.items() if name != "fused"),
    ]
    moments = Moments.from_covariance(covariance)
    members = on_inputs(torch.ones(2, 1).double(), torch.ones(1, 1).double())
    zero = moments.design.new_zeros(2, 1)
    rows += optima(case, lambda: Quadratic(members, moments.design, zero), blue[None], steps=steps)
    fused = np.tensordot(weight.numpy(), estimates, 1)
    panels: list[Panel] = [
        Image("Colour", scene.colour),
        Image("Disparity from colour and height", guess, unit="disparity (pixels)", limits=(0, 32)),
        Image("Disparity from matching", matched, unit="disparity (pixels)", limits=(0, 32)),
        Image("Disparity fused", fused, unit="disparity (pixels)", limits=(0, 32)),
        Bars(
            "Error in bands never seen",
            "root mean square error (pixels)",
            list(errors),
            {"error": list(errors.values())},
        ),
    ]
    return rows, panels
