"""Compiled kernels: a composition in one pass over memory, where a compiler exists."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import torch
from torch import Tensor

from physmix.jets.space import JetSpace
from physmix.jets.towers import Tower

Kernel = Callable[..., None]
"""Reads the coefficients of one or more jets, each a sequence, and writes those of the last argument."""
Maker = Callable[[Tower, JetSpace, int], Kernel]

_LOGGER = logging.getLogger(__name__)
_wanted: ContextVar[bool] = ContextVar("compilation", default=False)
_refusals: list[str] = []


@contextmanager
def compilation(*, wanted: bool = True) -> Iterator[None]:
    """Within, compositions run in kernels that `torch.compile` makes: forward and backward one pass each.

        with compilation():
            jet = push(network, seed(points, 3))
        jet.derivative((2, 1)).square().mean().backward()

    Each activation and jet space is compiled once for all numbers of points and channels, in some
    seconds at its first use. Where torch finds no working compiler the reason is logged, once, and
    jets are pushed as without it. A gradient that is differentiated again is not compiled.
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def compiling() -> bool:
    """Whether kernels are to be compiled here; never while torch itself traces the network."""
    return _wanted.get() and not _refusals and not torch.compiler.is_compiling()


@cache
def _compiled(make: Maker, tower: Tower, space: JetSpace, shift: int) -> Kernel:
    return torch.compile(make(tower, space, shift), dynamic=True)


def run(
    make: Maker, tower: Tower, space: JetSpace, shift: int, *parts: Sequence[Tensor], compiled: bool
) -> None:
    """Run a kernel, compiled if that is wanted and possible."""
    if compiled and not _refusals:
        try:
            _compiled(make, tower, space, shift)(*parts)
        except (RuntimeError, ImportError, OSError) as error:  # torch's own errors are RuntimeErrors
            reason = str(error).strip().splitlines()
            _refusals.append(reason[0] if reason else type(error).__name__)
            _LOGGER.warning("jets are not compiled, since torch cannot: %s", _refusals[0])
        else:
            return
    make(tower, space, shift)(*parts)
