"""Lightning without its banners."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's banners, and its warnings about a loader of step numbers; nothing else."""
    levels = [logger.level for logger in _LOGGERS]
    for logger in _LOGGERS:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in (r".*does not have many workers.*", r".*LeafSpec.*", r".*flops_per_batch.*"):
                warnings.filterwarnings("ignore", message=message)
            warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists")
            yield
    finally:
        for logger, level in zip(_LOGGERS, levels, strict=True):
            logger.setLevel(level)
