"""An activation applied to a jet: one composition for every activation and order.

With x = x0 + h, h without constant term, f(x) = sum_k f^(k)(x0)/k! h^k, and h^k starts at degree k.
The differential of y = f(x) in the algebra of jets is dy = f'(x) dx; so the backward pass is the
transposed Cauchy product with the jet of f', which is again a composition (Griewank and Walther,
Evaluating Derivatives, 2008, section 13.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

from physmix.jets.space import JetSpace

Coefficients = Float[Tensor, "coefficient point channel"]
Tower = Callable[[Tensor, int], list[Tensor]]
"""(x, n) -> [f(x), f'(x), ..., f^(n)(x)]"""


Plan = tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
"""For each coefficient of a product, the pairs of coefficients that it sums over."""


@lru_cache(maxsize=64)
def product_plan(space: JetSpace, power: int = 1) -> Plan:
    """The product of a jet with degrees from `power` - 1 up, and one with degrees from 1 up.

    For power 1 it is the whole Cauchy product.
    """
    low = (power - 1, 1) if power > 1 else (0, 0)
    return _group(
        (k, i, j) for i, j, k in space.products if space.degree(i) >= low[0] and space.degree(j) >= low[1]
    )


@lru_cache(maxsize=64)
def transposed_plan(space: JetSpace) -> Plan:
    """The transpose of the product with a fixed right factor."""
    return _group((i, k, j) for i, j, k in space.products)


def _group(triples: Iterable[tuple[int, int, int]]) -> Plan:
    plan: dict[int, list[tuple[int, int]]] = {}
    for out, left, right in triples:
        plan.setdefault(out, []).append((left, right))
    return tuple((out, tuple(pairs)) for out, pairs in sorted(plan.items()))


def cauchy(left: Tensor, right: Tensor, plan: Plan) -> Tensor:
    """The coefficients sum over pairs (i, j) of left_i right_j; those without a pair are not set."""
    if torch.is_grad_enabled() and (left.requires_grad or right.requires_grad):
        return torch.stack([torch.stack([left[i] * right[j] for i, j in pairs]).sum(0) for _, pairs in plan])
    out = torch.empty_like(left)
    for k, ((i, j), *rest) in plan:
        torch.mul(left[i], right[j], out=out[k])
        for i, j in rest:  # noqa: PLW2901
            out[k].addcmul_(left[i], right[j])
    return out


def _taylor(x: Tensor, derivatives: Sequence[Tensor], space: JetSpace) -> Tensor:
    out = x * derivatives[1] if space.order else torch.empty_like(x)
    out[0] = derivatives[0]
    power = x  # its zeroth coefficient enters no pair
    for k in range(2, space.order + 1):
        power = cauchy(power, x, product_plan(space, k))
        first = math.comb(space.coordinates + k - 1, k - 1)
        out[first:].addcmul_(power[first:], derivatives[k], value=1 / math.factorial(k))
    return out


class _Compose(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, tower: Tower, space: JetSpace, shift: int) -> Tensor:
        derivatives = tower(x[0], space.order + shift + 1)[shift:]
        ctx.save_for_backward(x, *derivatives)
        ctx.call = (tower, space, shift)  # type: ignore[attr-defined]
        return _taylor(x, derivatives, space)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        tower, space, shift = ctx.call  # type: ignore[attr-defined]
        x, *derivatives = ctx.saved_tensors  # type: ignore[attr-defined]
        if torch.is_grad_enabled():  # a derivative of this gradient is wanted
            slope = compose(x, tower, space, shift + 1)
        else:
            slope = _taylor(x, derivatives[1:], space)
        return cauchy(grad, slope, transposed_plan(space)), None, None, None


def compose(x: Coefficients, tower: Tower, space: JetSpace, shift: int = 0) -> Coefficients:
    """The jet of f^(shift)(x), where `tower` gives f and its derivatives; differentiable at will."""
    out: Tensor = _Compose.apply(x, tower, space, shift)
    return out
