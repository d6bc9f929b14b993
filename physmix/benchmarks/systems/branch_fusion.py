"""Inception's bottleneck beside GoogLeNet, and three estimates of disparity fused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from physmix.applications import Fusion, Inception, branch_fusion
from physmix.benchmarks.foreign import torchvision
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.shown import Shown
from physmix.benchmarks.systems.stereo import Stereo, stereo
from physmix.constraints import Simplex, on_inputs
from physmix.optimization import Moments, projected
from physmix.reporting import Bars, Image, Panel

PUBLISHED = 128_049_152  # of inception 3a at 28 x 28
_INSIDE = ((5, 1), (11, 1), (25, 1))  # windows and medians of estimates whose best weights are shares
_OUTSIDE = ((5, 1), (7, 5), (7, 9))  # and of some that are so alike that one weight is negative


def demonstrate(*, seed: int = 0, steps: int = 1000) -> Shown:
    """Count and compare inception 3a, then fuse.

    Args:
        seed: of weights and pictures for the comparison.
        steps: of the projected optimisers.
    """
    scene = stereo()
    rows = [*_inception(seed), *_contributions(seed)]
    panels: list[Panel] = []
    for name, kinds in (("three windows", _INSIDE), ("two medians", _OUTSIDE)):
        found, shown = _fused(scene, name, kinds, steps)
        rows += found
        panels += shown
    return Shown(rows, panels)


def _multiply_adds(module: nn.Module, inputs: int) -> int:
    """As torch counts them, a multiplication and an addition as two, halved."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta", torch.float32)(torch.empty(1, inputs, 28, 28, device="meta"))
    return counter.get_total_flops() // 2


def _inception(seed: int) -> list[Row]:
    case, metric = "inception 3a", "multiply-adds"
    models = torchvision("torchvision.models.googlenet")
    generator = torch.Generator().manual_seed(seed)
    theirs = models.Inception(192, 64, 96, 128, 16, 32, 32).double().eval()
    for name, value in theirs.state_dict().items():
        if value.is_floating_point():
            drawn = torch.rand(value.shape, generator=generator, dtype=value.dtype)
            value.copy_(0.5 + drawn if "running_var" in name or ".bn.weight" in name else 0.2 * (drawn - 0.5))
    mine = Inception(192, 64, ((96, 128, 3), (16, 32, 3)), 32, dtype=torch.float64)
    _load(mine, theirs)
    images = torch.rand(2, 192, 28, 28, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs(images)
        off = float((mine(images) - expected).abs().max() / expected.abs().max())
    same = _multiply_adds(mine, 192)
    counted = _multiply_adds(theirs, 192)
    published = _multiply_adds(Inception(192, 64, ((96, 128, 3), (16, 32, 5)), 32), 192)
    # The same channels out of each branch: direct, wide, and pooled.
    wide = ((64, 1), (128, 3), (32, 5), (32, 1))
    without = sum(_multiply_adds(nn.Conv2d(192, out, k, padding=k // 2), 192) for out, k in wide)
    return [
        ours(case, metric, published),
        ours(case, "multiply-adds off the published number", abs(published - PUBLISHED), target="<= 0"),
        ours(case, "times fewer than without reductions", without / published, target=">= 2.4"),
        peer(case, "without reductions", metric, without),
        ours(case, metric, same, system="physmix, 3x3 for 5x5"),
        peer(case, "torchvision, which has 3x3 for 5x5", metric, counted),
        ours(case, "multiply-adds off torchvision's", abs(same - counted), target="<= 0"),
        ours(case, "off torchvision's output, its weights loaded", off, target="<= 1e-6"),
    ]


@torch.no_grad()
def _load(mine: Inception, theirs: Any) -> None:
    """Load weights, with the batch normalisations folded in."""
    pairs: list[tuple[Any, Any]] = [
        (mine.direct, theirs.branch1),
        *zip(mine.reductions, (theirs.branch2[0], theirs.branch3[0]), strict=True),
        *zip(mine.kernels, (theirs.branch2[1], theirs.branch3[1]), strict=True),
        (mine.pooled, theirs.branch4[1]),
    ]
    for layer, block in pairs:
        scale = block.bn.weight / (block.bn.running_var + block.bn.eps).sqrt()
        kernel = block.conv.weight * scale[:, None, None, None]
        layer.weight.copy_(kernel.reshape(layer.weight.shape))
        layer.bias.copy_(block.bn.bias - block.bn.running_mean * scale)


def _contributions(seed: int) -> list[Row]:
    """Designed sums of the weights on each branch, before and after steps on noise."""
    generator = torch.Generator().manual_seed(seed)
    wanted = torch.tensor([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]], dtype=torch.float64)
    fusion = Fusion({"1x1": 64, "3x3": 128, "5x5": 32}, 2, wanted, generator=generator)
    optimizer = projected(torch.optim.Adam(fusion.parameters(), lr=0.01), fusion)
    parts = {
        name: torch.randn(8, count, 5, 7, generator=generator, dtype=torch.float64)
        for name, count in fusion.channels.items()
    }
    for _ in range(50):
        optimizer.zero_grad()
        (fusion(parts) - 1).square().mean().backward()
        optimizer.step()
    sums = torch.stack([fusion.part(name).detach().sum(1) for name in fusion.channels], 1)
    off = float((sums - wanted).abs().max())
    return [ours("designed contributions, trained", "sums off the design", off, target="<= 1e-12")]


def _fused(
    scene: Stereo, name: str, kinds: tuple[tuple[int, int], ...], steps: int
) -> tuple[list[Row], list[Panel]]:
    """Weights from every second band of columns of the picture, errors in the others."""
    case, error = f"disparity, {name}", "error"
    estimates = np.stack([scene.estimate(*kind) for kind in kinds])
    known, judged = scene.errors(estimates)
    covariance = known @ known.mT / known.shape[1]
    ones = torch.ones(len(kinds), dtype=torch.float64)
    solved = torch.linalg.solve(covariance, ones)
    blue, programme = solved / solved.sum(), _by_cvxpy(covariance)
    free, shares = branch_fusion(covariance), branch_fusion(covariance, shares=True)

    def missed(weight: Tensor) -> float:
        return float((weight @ judged).square().mean().sqrt())

    rows = [
        ours(case, "weights off BLUE", float((free - blue).abs().max()), target="<= 1e-6"),
        ours(case, "shares off the QP of cvxpy", float((shares - programme).abs().max()), target="<= 1e-6"),
        ours(case, "smallest weight", float(free.min())),
        ours(case, error, missed(free), "pixels"),
        ours(case, error, missed(shares), "pixels", system="physmix, shares"),
        peer(case, "mean of the three", error, missed(ones / len(kinds)), "pixels"),
    ]
    rows += [
        peer(case, _name(kind), error, missed(one), "pixels")
        for kind, one in zip(kinds, torch.eye(len(kinds)).double(), strict=True)
    ]
    moments = Moments.from_covariance(covariance)
    zero = moments.design.new_zeros(len(kinds), 1)
    sums = on_inputs(ones[:, None], ones[:1, None])
    for members, best, what in ((sums, blue, "sum one"), (Simplex(), programme, "shares")):
        rows += optima(
            f"{case}, {what}", partial(Quadratic, members, moments.design, zero), best[None], steps=steps
        )
    fused = np.tensordot(shares.numpy(), estimates, 1)
    off = np.where(scene.known, np.abs(fused - scene.truth), np.nan)
    panels: list[Panel] = [
        Image(f"Fused disparity, {name}", fused, unit="disparity (pixels)", limits=(0, 32)),
        Image(f"Error, {name} (white: not known)", off, unit="|error| (pixels)", limits=(0, 8)),
        Bars(
            f"Weights, {name}",
            "weight",
            [_name(kind) for kind in kinds],
            {"sum one": free, "shares": shares, "QP of cvxpy": programme},
        ),
    ]
    return rows, panels


def _name(kind: tuple[int, int]) -> str:
    window, smooth = kind
    return f"window {window}" + (f", median {smooth}" if smooth > 1 else "")


def _by_cvxpy(covariance: Tensor) -> Tensor:
    import cvxpy  # noqa: PLC0415  slow to import

    weight = cvxpy.Variable(len(covariance), nonneg=True)
    root = torch.linalg.cholesky(covariance).mT.numpy()
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(root @ weight)), [cvxpy.sum(weight) == 1])
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    return torch.from_numpy(np.asarray(weight.value))
