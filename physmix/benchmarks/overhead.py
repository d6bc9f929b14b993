"""What constraints cost: in a training step, in inference, and beside what peers do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.timing import best_ratio, in_turn, ratio
from physmix.constraints import ConstraintSet, LinearSet, Orthonormal, Simplex, on_outputs
from physmix.mixing import MixingLayer
from physmix.optimization import constrain, projected


def _often(members: ConstraintSet, points: Tensor) -> None:
    for _ in range(100):
        members.project(points)


def projection_case(case: str) -> list[Row]:
    """128 projections of 24 weights, onto the simplex and onto equations, beside cvxpylayers."""
    import cvxpy  # noqa: PLC0415
    from cvxpylayers import torch as cvxpylayers  # noqa: PLC0415  of the extra "bench"

    torch.manual_seed(0)
    points, matrix = torch.randn(128, 24).double(), torch.randn(4, 24).double()
    rows = []
    for name, members in (("linear", LinearSet(matrix)), ("simplex", Simplex())):
        weight, parameter = cvxpy.Variable(24), cvxpy.Parameter(24)
        held = [matrix.numpy() @ weight == 0] if name == "linear" else [weight >= 0, cvxpy.sum(weight) == 1]
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(weight - parameter)), held)
        layer = cvxpylayers.CvxpyLayer(problem, parameters=[parameter], variables=[weight])
        seconds = in_turn(
            {"physmix": partial(_often, members, points), "cvxpylayers": partial(layer, points)}, rounds=7
        )
        mine, other = median(seconds["physmix"]) / 100, median(seconds["cvxpylayers"])
        rows += [
            ours(case, "times faster than cvxpylayers", other / mine, system=f"physmix, {name}"),
            ours(case, "time", mine * 1e6, "us", system=f"physmix, {name}"),
            peer(case, f"cvxpylayers, {name}", "time", other * 1e6, "us"),
        ]
    return rows


def orthogonal_case(case: str) -> list[Row]:
    """A training step of a 256 x 256 orthonormal weight, beside parametrisations of torch and geotorch."""
    import geotorch  # noqa: PLC0415  of the extra "bench"

    size = 256

    def step(layer: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
        target = torch.linalg.qr(torch.randn(size, size)).Q

        def run() -> None:
            optimizer.zero_grad()
            loss: Tensor = (layer.weight - target).square().sum()
            loss.backward()
            optimizer.step()

        return run

    torch.manual_seed(0)
    alternatives: dict[str, Callable[[], None]] = {}
    mine = constrain(nn.Linear(size, size, bias=False), Orthonormal())
    alternatives["physmix"] = step(mine, projected(torch.optim.SGD(mine.parameters(), lr=1e-2), mine))
    plain = nn.Linear(size, size, bias=False)
    alternatives["free"] = step(plain, torch.optim.SGD(plain.parameters(), lr=1e-2))
    theirs = nn.utils.parametrizations.orthogonal(nn.Linear(size, size, bias=False))
    alternatives["torch orthogonal"] = step(theirs, torch.optim.SGD(theirs.parameters(), lr=1e-2))
    geo = nn.Linear(size, size, bias=False)
    geotorch.orthogonal(geo, "weight")
    alternatives["geotorch"] = step(geo, torch.optim.SGD(geo.parameters(), lr=1e-2))
    seconds = in_turn(alternatives, rounds=9)
    return [
        ours(case, "times faster than torch orthogonal", ratio(seconds, "torch orthogonal", "physmix")),
        ours(case, "times faster than geotorch", ratio(seconds, "geotorch", "physmix")),
        ours(case, "time", median(seconds["physmix"]) * 1e3, "ms"),
        *(
            peer(case, name, "time", median(seconds[name]) * 1e3, "ms")
            for name in ("torch orthogonal", "geotorch", "free")
        ),
    ]


class Block(nn.Module):
    """A piece of a U-Net: 3x3 convolutions with 1x1 mixing between them."""

    def __init__(self, channels: int, *, lawful: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        members = on_outputs(torch.randn(8, channels)) if lawful else None
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.GELU()]
            layers += [MixingLayer(channels, channels, members, axis=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, field: Tensor) -> Tensor:
        """Channels in, channels out."""
        out: Tensor = self.layers(field)
        return out


def training_case(case: str) -> list[Row]:
    """A training step with projection over one without."""
    images = torch.randn(1, 64, 128, 128, generator=torch.Generator().manual_seed(0))

    def step(*, lawful: bool) -> Callable[[], None]:
        model = Block(64, lawful=lawful)
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        if lawful:
            optimizer = projected(optimizer, model)

        def run() -> None:
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()

        return run

    seconds = in_turn({"physmix": step(lawful=True), "free": step(lawful=False)}, rounds=15)
    return [
        ours(case, "training step over free step", ratio(seconds, "physmix", "free")),
        peer(case, "free", "time", median(seconds["free"]) * 1e3, "ms"),
    ]


def inference_case(case: str) -> list[Row]:
    """A folded lawful layer over a free layer of torch."""
    images = torch.randn(4, 64, 128, 128, generator=torch.Generator().manual_seed(0))
    lawful = MixingLayer(64, 64, on_outputs(torch.randn(8, 64)), axis=1).fold(2)
    free = nn.Conv2d(64, 64, 1)

    def forward(layer: nn.Module) -> Callable[[], None]:
        def run() -> None:
            with torch.no_grad():
                for _ in range(5):
                    layer(images)

        return run

    seconds = in_turn({"physmix": forward(lawful), "free": forward(free)}, rounds=40)
    return [ours(case, "inference over free layer", best_ratio(seconds, "physmix", "free"))]


def correction_case(channels: int, points: int) -> Callable[[str], list[Row]]:
    """Forward and backward of a lawful layer, beside correcting each output by y - A^+ A y.

    That is the equality part of HardNet (Min and Azizan, arXiv 2410.10807, equation 7).
    """

    def run(case: str) -> list[Row]:
        generator = torch.Generator().manual_seed(0)
        matrix = torch.randn(max(1, channels // 8), channels, generator=generator)
        inverse = torch.linalg.pinv(matrix)
        inputs = torch.randn(points, channels, generator=generator)
        lawful = MixingLayer(channels, channels, on_outputs(matrix))
        optimizer = projected(torch.optim.SGD(lawful.parameters(), lr=1e-6), lawful)
        free = nn.Linear(channels, channels)
        theirs = torch.optim.SGD(free.parameters(), lr=1e-6)

        def step(forward: Callable[[], Tensor], rule: Any) -> Callable[[], None]:
            def train() -> None:
                rule.zero_grad()
                forward().square().mean().backward()
                rule.step()

            return train

        def corrected() -> Tensor:
            out = free(inputs)
            result: Tensor = out - (out @ matrix.T) @ inverse.T
            return result

        seconds = in_turn(
            {
                "physmix": step(lambda: lawful(inputs), optimizer),
                "free": step(lambda: free(inputs), theirs),
                "HardNet-style": step(corrected, theirs),
            },
            rounds=5,
        )
        metric = "step over free layer"
        return [
            ours(case, metric, ratio(seconds, "physmix", "free")),
            peer(
                case,
                "HardNet-style correction",
                "step over free layer",
                ratio(seconds, "HardNet-style", "free"),
            ),
        ]

    return run
