"""Low precision and long runs: round-off must not pile up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from physmix.benchmarks.row import Row, ours, peer
from physmix.constraints import LinearSet, Simplex
from physmix.optimization import constrain, projected, violations

STEPS, SIZE = 100_000, 24


def _layer(members: LinearSet | Simplex) -> nn.Linear:
    torch.manual_seed(0)
    return constrain(nn.Linear(SIZE, SIZE, bias=False), members)


def _equations() -> LinearSet:
    generator = torch.Generator().manual_seed(0)
    return LinearSet(torch.randn(4, SIZE, generator=generator, dtype=torch.float64), torch.ones(4).double())


def _worst(layer: nn.Module) -> float:
    return max(violations(layer).values()) / (10 * torch.finfo(torch.float32).eps * SIZE**0.5)


def drift_case(case: str) -> list[Row]:
    """Float32 Adam with noisy gradients for 100,000 steps, beside tangent gradients alone."""
    rows = []
    for system, project in (("physmix", True), ("tangent gradients alone", False)):
        layer = _layer(_equations())
        members = _equations()
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-2)
        if project:
            projected(optimizer, layer)
        generator = torch.Generator().manual_seed(1)
        for _ in range(STEPS):
            gradient = layer.weight.detach() + torch.randn(SIZE, SIZE, generator=generator)
            layer.weight.grad = gradient if project else members.tangent(gradient)
            optimizer.step()
        figure = _worst(layer)
        metric = "violation over its bound"
        rows.append(ours(case, metric, figure) if project else peer(case, system, metric, figure))
    return rows


def autocast_case(case: str) -> list[Row]:
    """Training in bf16 under autocast: the float32 master weights stay lawful."""
    rows = []
    for name, members in (("linear", _equations()), ("simplex", Simplex())):
        layer = _layer(members)
        optimizer = projected(torch.optim.Adam(layer.parameters(), lr=1e-2), layer)
        generator = torch.Generator().manual_seed(1)
        for _ in range(500):
            inputs = torch.randn(64, SIZE, generator=generator)
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out: Tensor = layer(inputs)
                loss = (out - inputs.roll(1, 1)).square().mean()
            loss.backward()
            optimizer.step()
        rows.append(ours(case, "violation over its bound", _worst(layer), system=f"physmix, {name}"))
    return rows
