"""Conjugate gradients for symmetric equations that are consistent, singular or not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
Product = Callable[[Tensor, Tensor], Tensor]


def conjugate_gradients(
    apply: Map,
    side: Tensor,
    product: Product,
    *,
    precondition: Map | None = None,
    settled: float | Tensor = 1e-13,
    steps: int = 400,
    least: float = 0.0,
) -> tuple[Tensor, int]:
    """The solution of apply(x) = side that starts from zero, and the number of steps it took.

    Source: Hestenes and Stiefel, J. Res. Nat. Bur. Stand. 49, 1952; Saad, Iterative Methods for Sparse
    Linear Systems, 2nd ed. (2003), algorithm 9.1.

    Args:
        apply: a linear map, symmetric in `product` and not negative.
        side: the right side.
        product: the inner product: one number for all, or one for each of several problems at once.
        precondition: a map near to the inverse, symmetric and not negative as well.
        settled: the size of what is left, over that of the side, at which to end; one for each problem.
        steps: at most.
        least: curvatures below this, of a direction of size one, count as none.
    """
    near = precondition or (lambda rest: rest)
    found, rest = torch.zeros_like(side), side.clone()
    lifted = near(rest)
    direction = lifted.clone()
    square = product(rest, lifted)
    first, done = square, 0
    for done in range(steps + 1):
        open_ = square > settled**2 * first
        if done == steps or not bool(open_.any()):
            break
        image = apply(direction)
        curvature = product(direction, image)
        open_ = open_ & (curvature > least * product(direction, direction))
        if not bool(open_.any()):
            break  # nothing here is free to move
        length = torch.where(open_, square / torch.where(open_, curvature, 1.0), 0.0)
        found, rest = found + length * direction, rest - length * image
        lifted = near(rest)
        before, square = square, torch.where(open_, product(rest, lifted), 0.0)
        direction = lifted + torch.where(open_, square / torch.where(open_, before, 1.0), 0.0) * direction
    return found, done
