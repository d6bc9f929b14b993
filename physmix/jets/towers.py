"""Activations as towers: a function and all its derivatives at once."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def _tanh_polynomial(order: int) -> tuple[int, ...]:
    """tanh^(order) as a polynomial in y = tanh: P' (1 - y^2) at each step; exact integers."""
    if order == 0:
        return (0, 1)
    slope = [k * c for k, c in enumerate(_tanh_polynomial(order - 1))][1:]
    out = [0] * (len(slope) + 2)
    for k, c in enumerate(slope):
        out[k] += c
        out[k + 2] -= c
    return tuple(out)


def tanh(x: Tensor, order: int) -> list[Tensor]:
    """tanh and its derivatives, by Horner's rule in tanh(x)."""
    y = torch.tanh(x)
    square, tower = y * y, [y]
    for k in range(1, order + 1):
        coefficients = _tanh_polynomial(k)
        # Each polynomial is even or odd in y, so half of the products fall away.
        parity = (len(coefficients) - 1) % 2
        halves = coefficients[parity::2]
        value = torch.full_like(y, float(halves[-1]))
        for c in halves[-2::-1]:
            value = value * square + float(c)
        tower.append(value * y if parity else value)
    return tower


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
