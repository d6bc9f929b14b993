"""The deliverable: weights as safetensors, and a JSON that says what model they belong to.

checkpoint/model.safetensors    every parameter and buffer of the model
checkpoint/model.json           format, version, and the description that rebuilds the model
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from physmix.errors import CheckpointError
from physmix.files import write_whole
from physmix.mixing import residual

FORMAT = "physmix-checkpoint"
VERSION = 1


def save_checkpoint(folder: Path, model: nn.Module, description: Mapping[str, Any]) -> None:
    """Write a model and its description to a folder."""
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    write_whole(folder / "model.safetensors", save(tensors))
    text = json.dumps({"format": FORMAT, "version": VERSION, **description}, indent=1)
    write_whole(folder / "model.json", text.encode())


def read_description(folder: Path) -> dict[str, Any]:
    """The description of a checkpoint.

    Raises:
        CheckpointError: if it is missing or not one of ours.
    """
    path = folder / "model.json"
    try:
        description = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(folder, "has no model.json", "give a run folder or its checkpoint") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(path, f"is not readable JSON ({error})", "copy it or train again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise CheckpointError(path, "is not a physmix checkpoint", "give a run folder or its checkpoint")
    if description.get("version") != VERSION:
        remedy = f"this physmix reads version {VERSION}; train again"
        raise CheckpointError(path, f"has format version {description.get('version')}", remedy)
    return description


def load_weights(folder: Path, model: nn.Module) -> None:
    """Load the weights of a checkpoint into the model its description rebuilt.

    Raises:
        CheckpointError: if the file is cut short, has other tensors, has numbers that are not
            finite, or breaks the laws that the description names.
    """
    path = folder / "model.safetensors"
    try:
        tensors: dict[str, Tensor] = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            path, f"cannot be read; it may be cut short ({error})", "copy it or train again"
        ) from error
    own = model.state_dict()
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    expected = {name: tuple(value.shape) for name, value in own.items()}
    if shapes != expected:
        names = sorted(name for name in shapes.keys() | expected if shapes.get(name) != expected.get(name))
        raise CheckpointError(
            path, f"does not fit its model.json: {', '.join(names)} differ", "both must come from one run"
        )
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise CheckpointError(path, "has weights that are NaN or infinite", "train again")
    model.load_state_dict(tensors)
    missed = residual(model)
    size = max((float(v.abs().max()) for v in tensors.values()), default=1.0)
    if missed > 1e4 * torch.finfo(next(iter(tensors.values())).dtype).eps * max(size, 1.0):
        raise CheckpointError(
            path,
            f"breaks the laws that its model.json names, by {missed:.1e}",
            "its weights come from another law",
        )
