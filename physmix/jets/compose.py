"""An activation applied to a jet: one composition for every activation and order.

With x = x0 + h, h without constant term, f(x) = sum_k f^(k)(x0)/k! h^k, and h^k starts at degree k.
The differential of y = f(x) in the algebra of jets is dy = f'(x) dx; so the backward pass is the
transposed Cauchy product with the jet of f', which is again a composition (Griewank and Walther,
Evaluating Derivatives, 2008, section 13.2).

Only x is kept for the backward pass: powers and towers are cheap beside memory, and are made again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

from physmix.jets.compiling import Kernel, Maker, compiling, run
from physmix.jets.space import JetSpace
from physmix.jets.towers import Tower

Coefficients = Float[Tensor, "coefficient point channel"]
Parts = Sequence[Tensor]
"""The coefficients of a jet one by one."""
Call = tuple[Tower, JetSpace, int, bool]
"""f and its derivatives, the jets, which derivative is applied, and whether by a compiled kernel."""
Plan = tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...]
"""For each coefficient of a product, the pairs of coefficients that it sums over, and how often each."""


@lru_cache(maxsize=64)
def product_plan(space: JetSpace) -> Plan:
    """The whole Cauchy product."""
    return _group((k, i, j) for i, j, k in space.products)


@lru_cache(maxsize=64)
def transposed_plan(space: JetSpace) -> Plan:
    """The transpose of the product with a fixed right factor."""
    return _group((i, k, j) for i, j, k in space.products)


@lru_cache(maxsize=64)
def power_plans(space: JetSpace) -> tuple[tuple[int, int, Plan], ...]:
    """For k = 2, 3, ... the powers a and b with h^k = h^a h^b, and their product: a square for even k."""
    plans = []
    for k in range(2, space.order + 1):
        a, b = (k // 2, k // 2) if k % 2 == 0 else (k - 1, 1)
        pairs = [(out, i, j) for i, j, out in space.products if space.degree(i) >= a and space.degree(j) >= b]
        if a == b:
            pairs = [(out, min(i, j), max(i, j)) for out, i, j in pairs]
        plans.append((a, b, _group(pairs)))
    return tuple(plans)


def _group(triples: Iterable[tuple[int, int, int]]) -> Plan:
    plan: dict[int, dict[tuple[int, int], int]] = {}
    for out, left, right in triples:
        pairs = plan.setdefault(out, {})
        pairs[left, right] = pairs.get((left, right), 0) + 1
    return tuple(
        (out, tuple((i, j, times) for (i, j), times in sorted(pairs.items(), key=lambda item: item[1])))
        for out, pairs in sorted(plan.items())
    )


def cauchy(left: Tensor, right: Tensor, plan: Plan) -> Tensor:
    """The coefficients sum over pairs (i, j) of left_i right_j, for a plan that has them all."""
    return torch.stack(_products(left.unbind(0), right.unbind(0), plan))


def _products(left: Parts, right: Parts, plan: Plan, outs: Parts | None = None) -> list[Tensor]:
    """The coefficients of a product, in the order of the plan; into `outs` if they are given."""
    in_place = not torch.is_grad_enabled()
    totals = []
    for place, (_, ((i, j, times), *rest)) in enumerate(plan):
        total = torch.mul(left[i], right[j], out=None if outs is None else outs[place])
        if times > 1:
            total = total.mul_(times) if in_place else total * times
        for i, j, times in rest:  # noqa: PLW2901
            add = total.addcmul_ if in_place else total.addcmul
            total = add(left[i], right[j], value=times)
        totals.append(total)
    return totals


def _taylor(space: JetSpace) -> Callable[[Parts, Sequence[Tensor], Parts], None]:
    """Writes sum_k f^(k)(h_0)/k! (h - h_0)^k, from h and the tower at h_0."""
    plans, degrees = power_plans(space), [space.degree(place) for place in range(len(space.indices))]

    def taylor(h: Parts, derivatives: Sequence[Tensor], outs: Parts) -> None:
        powers = {1: h}
        for k, (a, b, plan) in enumerate(plans, start=2):
            below = [h[0]] * (len(h) - len(plan))  # of lower degree, and not used
            powers[k] = [*below, *_products(powers[a], powers[b], plan)]
        outs[0].copy_(derivatives[0])
        for place in range(1, len(h)):
            torch.mul(h[place], derivatives[1], out=outs[place])
            for k in range(2, degrees[place] + 1):
                outs[place].addcmul_(powers[k][place], derivatives[k], value=1 / math.factorial(k))

    return taylor


def _forward(tower: Tower, space: JetSpace, shift: int) -> Kernel:
    taylor, order = _taylor(space), space.order + shift

    def forward(x: Parts, outs: Parts) -> None:
        taylor(x, tower(x[0], order)[shift:], outs)

    return forward


def _backward(tower: Tower, space: JetSpace, shift: int) -> Kernel:
    taylor, plan, order = _taylor(space), transposed_plan(space), space.order + shift + 1

    def backward(grad: Parts, x: Parts, outs: Parts) -> None:
        slope = [torch.empty_like(part) for part in x]
        taylor(x, tower(x[0], order)[shift + 1 :], slope)
        _products(grad, slope, plan, outs)

    return backward


def _made(make: Maker, call: Call, *jets: Tensor) -> Tensor:
    tower, space, shift, compiled = call
    out = torch.empty(jets[-1].shape, dtype=jets[-1].dtype, device=jets[-1].device)
    parts = [jet.detach().reshape(len(jet), -1).unbind(0) for jet in (*jets, out)]
    run(make, tower, space, shift, *parts, compiled=compiled)
    return out


class _Compose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, tower: Tower, space: JetSpace, shift: int) -> Tensor:
        ctx.save_for_backward(x)
        call = (tower, space, shift, compiling())
        ctx.call = call  # type: ignore[attr-defined]
        return _made(_forward, call, x)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        tower, space, shift, _ = ctx.call  # type: ignore[attr-defined]
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        if torch.is_grad_enabled():  # a derivative of this gradient is wanted
            slope = compose(x, tower, space, shift + 1)
            return cauchy(grad, slope, transposed_plan(space)), None, None, None
        return _made(_backward, ctx.call, grad, x), None, None, None  # type: ignore[attr-defined]


def compose(x: Coefficients, tower: Tower, space: JetSpace, shift: int = 0) -> Coefficients:
    """The jet of f^(shift)(x), where `tower` gives f and its derivatives; differentiable at will."""
    out: Tensor = _Compose.apply(x, tower, space, shift)
    return out
