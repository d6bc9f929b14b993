"""Noticing gradients that were changed entry by entry between their birth and the step.

Clipping a gradient entry by entry turns it; the projection of a turned gradient vanishes at another
point than the constrained optimum, and no violation shows it. Scaling the whole gradient, which is
what clipping by norm and unscaling do, is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from physmix.errors import UnsupportedOptimizerError

_ALWAYS, _EVERY = 16, 64  # the first looks, and one in so many afterwards


@dataclass
class _Birth:
    looks: int = 0
    largest: Tensor | None = None
    norm: Tensor | None = None
    repeats: Tensor | None = None
    last: Tensor | None = None  # the largest entry that the last look saw at a step


class GradientWatch:
    """Compares the gradient that a step gets with the one that the backward pass made."""

    def __init__(self) -> None:
        self._births: dict[int, _Birth] = {}

    def add(self, parameter: nn.Parameter) -> None:
        """Watch a parameter."""
        birth = self._births[id(parameter)] = _Birth()

        def born(watched: Tensor) -> None:
            birth.largest = None
            if (birth.looks < _ALWAYS or birth.looks % _EVERY == 0) and watched.grad is not None:
                birth.largest, birth.norm, birth.repeats = _sizes(watched.grad)

        parameter.register_post_accumulate_grad_hook(born)

    def check(self, parameter: nn.Parameter, optimizer: str) -> None:
        """Raise UnsupportedOptimizerError if the largest entries shrank more than the whole."""
        birth = self._births.get(id(parameter))
        if birth is None or parameter.grad is None:
            return
        birth.looks += 1
        if birth.largest is None or birth.norm is None or birth.repeats is None:
            return
        born, birth.largest = birth.largest, None  # a gradient is looked at once: the step maps it
        largest, norm, repeats = _sizes(parameter.grad)
        last, birth.last = birth.last, largest
        # A mean over processes moves single entries too, and may make some of them equal; but the
        # largest is then another one at each step, where that of clipping is its bound.
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        if together and (last is None or bool((largest != last) | (repeats <= birth.repeats))):
            return
        rounding = max(1e-3, 4 * torch.finfo(parameter.grad.dtype).eps)
        # max' / max < norm' / norm, without divisions.
        if bool(largest * birth.norm < (1 - rounding) * norm * born):
            raise UnsupportedOptimizerError(
                optimizer,
                "gradients of a constrained weight clipped or changed entry by entry",
                "clip by norm (torch.nn.utils.clip_grad_norm_), or pass trusted=True to projected",
            )


def _sizes(gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest absolute value, the norm, and how often the largest value is met."""
    size = gradient.detach().abs()
    size = size.to(torch.promote_types(size.dtype, torch.float32))
    largest = size.max()
    return largest, torch.linalg.vector_norm(size), (size == largest).sum()
