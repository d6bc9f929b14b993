"""Lawful products in the precision of their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Out = TypeVar("Out")


def in_full_precision(forward: Callable[..., Out]) -> Callable[..., Out]:
    """A `forward` of a module that leaves torch's automatic mixed precision, as do its inputs.

    Autocast rounds weights of single precision to half of it, and what is rounded is no member of a
    constraint set any more; a network before a lawful layer may work in it. Weights in double precision
    are left alone by autocast itself.
    """

    @wraps(forward)
    def guarded(self: Any, values: Tensor) -> Out:
        kind = values.device.type
        if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
            # Before anything else, so that exporters see nothing of it.
            return forward(self, values)
        weight = next(self.parameters())
        with torch.autocast(kind, enabled=False):
            return forward(self, values.to(torch.promote_types(values.dtype, weight.dtype)))

    return guarded
