"""An activation applied to a jet: one composition for every activation and order.

With x = x0 + h, h without constant term, f(x) = sum_k f^(k)(x0)/k! h^k, and h^k starts at degree k.
The differential of y = f(x) in the algebra of jets is dy = f'(x) dx; so the backward pass is the
transposed Cauchy product with the jet of f', which is again a composition (Griewank and Walther,
Evaluating Derivatives, 2008, section 13.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

from physmix.jets.space import JetSpace

Coefficients = Float[Tensor, "coefficient point channel"]
Tower = Callable[[Tensor, int], list[Tensor]]
"""(x, n) -> [f(x), f'(x), ..., f^(n)(x)]"""


@lru_cache(maxsize=64)
def _power_pairs(space: JetSpace, power: int) -> tuple[tuple[int, int, int], ...]:
    """The pairs of h^(power-1) times h, from the degrees that are not zero."""
    return tuple(
        (i, j, k) for i, j, k in space.products if space.degree(j) >= 1 and space.degree(i) >= power - 1
    )


def cauchy(left: Tensor, right: Tensor, pairs: Sequence[tuple[int, int, int]], size: int) -> Tensor:
    """The coefficients sum over (i, j, k) of left_i right_j at k."""
    out = left.new_zeros(size, *left.shape[1:])
    for i, j, k in pairs:
        out[k].addcmul_(left[i], right[j])
    return out


def _taylor(x: Tensor, derivatives: Sequence[Tensor], space: JetSpace) -> Tensor:
    out = x * derivatives[1] if space.order else torch.empty_like(x)
    out[0] = derivatives[0]
    power = x
    for k in range(2, space.order + 1):
        # The zeroth coefficient of x never enters: every pair has degree 1 at least on both sides.
        power = cauchy(power, x, _power_pairs(space, k), len(space.indices))
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
        pairs = tuple((k, j, i) for i, j, k in space.products)
        if torch.is_grad_enabled():  # a derivative of this gradient is wanted
            slope = compose(x, tower, space, shift + 1)
            terms: list[list[Tensor]] = [[] for _ in space.indices]
            for k, j, i in pairs:
                terms[i].append(grad[k] * slope[j])
            return torch.stack([torch.stack(t).sum(0) for t in terms]), None, None, None
        slope = _taylor(x, derivatives[1:], space)
        return cauchy(grad, slope, pairs, len(space.indices)), None, None, None


def compose(x: Coefficients, tower: Tower, space: JetSpace, shift: int = 0) -> Coefficients:
    """The jet of f^(shift)(x), where `tower` gives f and its derivatives; differentiable at will."""
    out: Tensor = _Compose.apply(x, tower, space, shift)
    return out
