"""Linear conservation in networks: measured flows reconciled with the balance of every node.

At each node what flows in flows out: A y = 0 for the flows y, where A has a row for each balance. A
layer y = W x + b with A W = 0 and A b = 0 balances for every input; the best of them for noise of
known covariance has a closed form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import SupportsInt

import torch
from torch import Tensor

from physmix.constraints import on_outputs
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import Moments, least_squares


def incidence(
    nodes: int, starts: Iterable[SupportsInt] | Tensor, ends: Iterable[SupportsInt] | Tensor
) -> Tensor:
    """The balance of each node of a network, (nodes, links): +1 where a link ends, -1 where it starts.

    Args:
        nodes: how many there are.
        starts: the node in which each link starts, from 0; its flow is positive from there to its end.
        ends: the node in which it ends.

    Returns:
        A, in float64. The flows of a network without stores obey A y = 0; with demands d drawn at the
        nodes it is (A, -1) (y, d) = 0. Leave out the rows of nodes that store, such as tanks.

    Raises:
        ShapeError: if starts and ends are not of one length.
        SettingsError: if a link names a node that is not there.
    """
    first, last = [int(node) for node in starts], [int(node) for node in ends]
    if len(first) != len(last):
        raise ShapeError("the ends of links", (len(last),), f"({len(first)},), as their starts")
    if any(not 0 <= node < nodes for node in (*first, *last)):
        raise SettingsError("a network", f"a link names a node outside 0..{nodes - 1}", "correct its ends")
    eye = torch.eye(nodes, dtype=torch.float64)
    return (eye[last] - eye[first]).mT.contiguous()


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
        variance: V, (flow,) if errors are independent, or (flow, flow), in the square of the unit of the
            flows; equal ones if omitted.
        names: of the balances.

    Returns:
        A layer without bias, flows along the last axis, in float64.

    Raises:
        ShapeError: if the variance does not fit.
        SettingsError: if a variance is not positive and finite, or a covariance not positive definite.
        ContradictionError, NoFreedomError: if no flow is balanced but zero.
    """
    size = balances.shape[-1]
    noise = torch.ones(size, dtype=torch.float64) if variance is None else variance.detach().double()
    if noise.shape not in ((size,), (size, size)):
        raise ShapeError("the variance of flows", noise.shape, f"({size},) or ({size}, {size})")
    spread = noise if noise.ndim == 1 else noise.diagonal()
    if not bool((spread > 0).all() and noise.isfinite().all()):
        problem = "one is not positive and finite"
        raise SettingsError("the variance of flows", problem, "leave known flows out of A")
    if noise.ndim == 1:
        root = noise.sqrt().diag()
    else:
        root, failed = torch.linalg.cholesky_ex(noise)
        close = torch.allclose(noise, noise.mT, rtol=1e-6, atol=1e-6 * float(spread.min()))
        if bool(failed) or not close:
            problem = "it is not symmetric and positive definite"
            raise SettingsError("the variance of flows", problem, "give E[e e^T] of their errors")
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
    """The largest |A y| over balances, relative to the largest flow: how far states are from balancing.

    Args:
        flows: y, (*lead, flow), in any unit.
        balances: A, (balance, flow).

    Returns:
        max |A y| / max |y| of each state, (*lead,); 0 where nothing flows.

    Raises:
        ShapeError: if there are other flows than A has columns, or no balances.
    """
    size = balances.shape[-1] if balances.ndim == 2 and len(balances) else 0
    if not size or not flows.ndim or flows.shape[-1] != size:
        expected = f"(..., {size}), for balances {tuple(balances.shape)}"
        raise ShapeError("the flows of a network", flows.shape, expected)
    flows = flows if flows.is_floating_point() else flows.double()
    missed = (flows @ balances.to(flows).mT).abs().amax(-1)
    return missed / flows.abs().amax(-1).clamp_min(torch.finfo(flows.dtype).tiny)
