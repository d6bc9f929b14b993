"""Activations as towers: a function and all its derivatives at once, by exact recurrences.

A tower's value is torch's own function, so that a jet and its network agree to the last bit. Its
derivatives stay accurate relative to the size of each, also where the function is flat: no
difference of large numbers, and no overflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Tower = Callable[[Tensor, int], list[Tensor]]
"""(x, n) -> [f(x), f'(x), ..., f^(n)(x)]"""


def _horner(coefficients: list[int], x: Tensor) -> Tensor | int:
    """The polynomial with these coefficients, lowest first."""
    *lower, value = coefficients
    out: Tensor | int = value
    for c in reversed(lower):
        out = out * x + c
    return out


def _bell(s: Tensor, t: Tensor, rates: tuple[int, int, int], order: int) -> list[Tensor]:
    """s and its derivatives to `order` - 1, where s' = a s t, t' = b s, t^2 = 1 - c s, rates (a, b, c).

    Each is s p(s) or s t p(s), in turn, with p a polynomial of integers: it vanishes with s, so that
    its relative accuracy is that of s.
    """
    a, b, c = rates
    p, tower = [1], [s]
    for k in range(1, order):
        q = [a * (n + 1) * value for n, value in enumerate(p)]  # a (p + s p')
        if k % 2:  # (s p)' = s t q
            p = q
            tower.append(s * t * _horner(p, s))
        else:  # (s t p)' = s ((1 - c s) q + b s p)
            p = [one - c * low + b * old for one, low, old in zip([*q, 0], [0, *q], [0, *p], strict=True)]
            tower.append(s * _horner(p, s))
    return tower[:order]


def tanh(x: Tensor, order: int) -> list[Tensor]:
    """tanh and its derivatives."""
    y = torch.tanh(x)
    return [y, *_bell(1 - y * y, y, (-2, 1, 1), order)]


def sigmoid(x: Tensor, order: int) -> list[Tensor]:
    """1 / (1 + exp(-x)) and its derivatives."""
    y, other = torch.sigmoid(x), torch.sigmoid(-x)
    return [y, *_bell(y * other, other - y, (1, -2, 4), order)]


def silu(x: Tensor, order: int) -> list[Tensor]:
    """x sigmoid(x) and its derivatives x s^(k) + k s^(k - 1)."""
    s = sigmoid(x, order)
    return [functional.silu(x), *(x * s[k] + k * s[k - 1] for k in range(1, order + 1))]


@lru_cache(maxsize=64)
def softplus(beta: float = 1.0, threshold: float = 20.0) -> Tower:
    """The tower of log(1 + exp(beta x)) / beta, as torch has it: linear where beta x > threshold.

    There its derivatives are 1, 0, 0, ..., as torch differentiates it; so jets, the network's values
    and nested autograd agree everywhere. The jump at the threshold is exp(-threshold) in size.
    """

    def tower(x: Tensor, order: int) -> list[Tensor]:
        linear = beta * x > threshold
        out = [functional.softplus(x, beta, threshold)]
        for k, s in enumerate(sigmoid(beta * x, order - 1) if order else []):
            out.append(torch.where(linear, float(k == 0), beta**k * s))
        return out

    return tower


def gelu(x: Tensor, order: int) -> list[Tensor]:
    """x Phi(x), Phi the normal distribution, and its derivatives Phi + x phi, (2 - x^2) phi, ..."""
    out = [functional.gelu(x)]
    if order:
        density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        out.append(0.5 * torch.erfc(-x * math.sqrt(0.5)) + x * density)
    q = [2, 0, -1]
    for _ in range(2, order + 1):
        out.append(_horner(q, x) * density)
        slope = [n * value for n, value in enumerate(q)][1:]
        q = [s - low for s, low in zip([*slope, 0, 0], [0, *q], strict=True)]  # (q phi)' = (q' - x q) phi
    return out


def gelu_tanh(x: Tensor, order: int) -> list[Tensor]:
    """GELU by tanh, x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), and its derivatives.

    As (1 + tanh(u)) / 2 = sigmoid(w) with w = 2 u, it is x g with g' = v w', v' = v t w', t' = -2 v w', and
    Taylor coefficients follow by recurrence (Griewank and Walther, Evaluating Derivatives, 2008,
    section 13.2). v = g (1 - g) is a product of small numbers where g is flat, not a difference.
    """
    scale, cubic = 2 * math.sqrt(2 / math.pi), 0.044715
    linear = scale * x
    w: list[Any] = [
        linear * (1 + cubic * x * x),
        scale + 3 * cubic * x * linear,
        3 * cubic * linear,
        scale * cubic,
    ]
    g, other = torch.sigmoid(w[0]), torch.sigmoid(-w[0])
    series, v, t, vt = [g], [g * other], [other - g], []

    def integral(slope: list[Tensor], k: int) -> Tensor:
        """The coefficient k of the integral of slope dw."""
        terms = [j * w[j] * slope[k - j] for j in range(1, min(k, 3) + 1)]
        return sum(terms[1:], start=terms[0]) / k

    for k in range(1, order + 1):
        vt.append(sum((v[i] * t[k - 1 - i] for i in range(1, k)), start=v[0] * t[k - 1]))
        series.append(integral(v, k))
        t.append(-2 * series[k])
        v.append(integral(vt, k))
    out = [functional.gelu(x, approximate="tanh")]
    return out + [math.factorial(k) * (x * series[k] + series[k - 1]) for k in range(1, order + 1)]


def sin(x: Tensor, order: int) -> list[Tensor]:
    """sin and its derivatives: a cycle of four."""
    s, c = torch.sin(x), torch.cos(x)
    cycle = (s, c, -s, -c)
    return [cycle[k % 4] for k in range(order + 1)]


def reciprocal(x: Tensor, order: int) -> list[Tensor]:
    """1 / x and its derivatives (-1)^k k! / x^(k + 1)."""
    inverse = 1 / x
    tower = [inverse]
    for k in range(1, order + 1):
        tower.append(-k * tower[-1] * inverse)
    return tower


def exp(x: Tensor, order: int) -> list[Tensor]:
    """The exponential, which is each of its derivatives."""
    return [torch.exp(x)] * (order + 1)


@lru_cache(maxsize=256)
def power(exponent: complex, *, imaginary: bool = False) -> Tower:
    """The tower of the real part of x^exponent for x > 0, or of its imaginary part.

    x^(a + ib) = x^a (cos(b log x) + i sin(b log x)).
    """

    def tower(x: Tensor, order: int) -> list[Tensor]:
        phase, out, factor = exponent.imag * torch.log(x), [], 1.0 + 0.0j
        cos, sin = torch.cos(phase), torch.sin(phase)
        for k in range(order + 1):
            size = x ** (exponent.real - k)
            out.append(
                size * (factor.imag * cos + factor.real * sin)
                if imaginary
                else size * (factor.real * cos - factor.imag * sin)
            )
            factor *= exponent - k
        return out

    return tower
