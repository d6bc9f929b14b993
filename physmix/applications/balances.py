"""Linear conservation in networks: measured flows reconciled with the balance of every node.

At each node what flows in flows out: A y = 0 for the flows y, where A has a row for each balance. A
layer y = W x + b with A W = 0 and A b = 0 balances for every input; the best of them for noise of
known covariance has a closed form.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.constraints import on_outputs
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import Moments, least_squares


def incidence(nodes: int, starts: Sequence[int], ends: Sequence[int]) -> Tensor:
    """The balance of each node of a network, (nodes, links): +1 where a link ends, -1 where it starts.

    Args:
        nodes: how many there are.
        starts: the node in which each link starts; its flow is positive from there to its end.
        ends: the node in which it ends.

    Raises:
        ShapeError: if starts and ends are not of one length.
        SettingsError: if a link names a node that is not there.
    """
    if len(starts) != len(ends):
        raise ShapeError("the ends of links", (len(ends),), f"({len(starts)},), as their starts")
    if any(not 0 <= node < nodes for node in (*starts, *ends)):
        raise SettingsError("a network", f"a link names a node outside 0..{nodes - 1}", "correct its ends")
    eye = torch.eye(nodes, dtype=torch.float64)
    return (eye[list(ends)] - eye[list(starts)]).mT.contiguous()


def reconcile(
    balances: Tensor, variance: Tensor | None = None, names: Sequence[str] | None = None
) -> MixingLayer:
    """The layer that takes measured flows to the nearest balanced ones, weighted by their certainty.

    Of all W with A W = 0 it minimises E|W x - y|^2_V for x = y + noise of covariance V: data
    reconciliation, W = I - V A^T (A V A^T)^-1 A (Kuehn and Davidson, "Computer control II: mathematics
    of control", 1961). For white noise its error is sqrt(1 - m/n) of that of the measurements, for
    m independent balances of n flows.

    Args:
        balances: A, (balance, flow).
        variance: V, (flow,) if errors are independent, or (flow, flow); equal ones if omitted.
        names: of the balances.

    Returns:
        A layer without bias, flows along the last axis, in float64.

    Raises:
        ShapeError: if the variance does not fit.
        SettingsError: if a variance is not positive.
        ContradictionError, NoFreedomError: if no flow is balanced but zero.
    """
    size = balances.shape[-1]
    noise = torch.ones(size, dtype=torch.float64) if variance is None else variance.detach().double()
    if noise.shape not in ((size,), (size, size)):
        raise ShapeError("the variance of flows", noise.shape, f"({size},) or ({size}, {size})")
    spread = noise if noise.ndim == 1 else noise.diagonal()
    if not bool((spread > 0).all()):
        raise SettingsError("the variance of flows", "one is not positive", "leave known flows out of A")
    root = noise.sqrt().diag() if noise.ndim == 1 else torch.linalg.cholesky(noise)
    # In units of the noise, z = root^-1 y, all directions count alike: the nearest balanced z.
    scaled = on_outputs(balances.double() @ root, names=names)
    eye = torch.eye(size, dtype=torch.float64)
    nearest = least_squares(Moments(size, size).add(eye, eye), scaled)
    layer = balanced_layer(size, balances, bias=False, names=names)
    with torch.no_grad():
        back = torch.linalg.solve_triangular(root, root @ nearest, upper=False, left=False)
        layer.weight.copy_(back)
    return layer


def balanced_layer(
    inputs: int,
    balances: Tensor,
    *,
    bias: bool = True,
    names: Sequence[str] | None = None,
    generator: torch.Generator | None = None,
) -> MixingLayer:
    """A layer to be trained, whose every output balances: A y = 0, trained or not, whatever its input.

    Args:
        inputs: channels in, along the last axis.
        balances: A, (balance, flow).
        bias: whether to add one; it balances as well.
        names: of the balances.
        generator: source of the initial weight.

    Returns:
        A layer from the inputs to the flows, in float64.
    """
    members = on_outputs(balances.double(), names=names)
    settings = {"bias": bias, "dtype": torch.float64, "generator": generator}
    return MixingLayer(inputs, balances.shape[-1], members, **settings)  # type: ignore[arg-type]


def imbalance(flows: Tensor, balances: Tensor) -> Tensor:
    """The largest |A y| over balances, relative to the largest flow; for each state, (*lead,)."""
    missed = (flows @ balances.to(flows).mT).abs().amax(-1)
    return missed / flows.abs().amax(-1).clamp_min(torch.finfo(flows.dtype).tiny)
