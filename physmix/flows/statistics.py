"""Means and sizes of fields and of their changes, as The Well keeps them in stats.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from physmix.errors import FlowFileError
from physmix.flows.flow_file import FlowFile


def statistics(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """mean, std and rms of each field over all points, times and files, and those of its one-step changes.

    Args:
        paths: files with the same fields.

    Returns:
        by the name of the quantity (mean, std, rms, mean_delta, std_delta, rms_delta) and of the field; a
        number for a scalar, a list for a vector.

    Raises:
        FlowFileError: if a file cannot be read, or there is none.
    """
    sums: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
    about = None
    for path in paths:
        with FlowFile(path) as file:
            about = about or file.metadata
            times = slice(0, len(file.metadata.time))
            for i in range(file.metadata.trajectories):
                states = file.read(slice(i, i + 1), times)[0].astype(np.float64)
                for kind, values in (("", states), ("_delta", np.diff(states, axis=0))):
                    flat = values.reshape(-1, states.shape[-1])
                    first, second, count = sums.get(kind, (0, 0, 0))
                    sums[kind] = (first + flat.sum(0), second + (flat**2).sum(0), count + len(flat))
    if about is None:
        raise FlowFileError("", "there are no files to take statistics of", "give one or more")
    found: dict[str, dict[str, Any]] = {}
    for kind, (first, second, count) in sums.items():
        mean, square = first / max(count, 1), second / max(count, 1)
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        for name, channels in (("mean", mean), ("std", spread), ("rms", np.sqrt(square))):
            place, parts = 0, {}
            for field in about.fields:
                width = len(field.components(about.axes))
                own = channels[place : place + width]
                shape = (len(about.axes),) * field.order
                parts[field.name] = own.reshape(shape).tolist()
                place += width
            found[name + kind] = parts
    return found
