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
from physmix.optimization import constrained_parameters

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
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(path, f"is not readable JSON ({error})", "copy it or train again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise CheckpointError(path, "is not a physmix checkpoint", "give a run folder or its checkpoint")
    if description.get("version") != VERSION:
        remedy = f"this physmix reads version {VERSION}; train again"
        raise CheckpointError(path, f"has format version {description.get('version')}", remedy)
    return description


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name.

    Raises:
        CheckpointError: if the file is missing, cut short, or has numbers that are not finite.
    """
    path = folder / "model.safetensors"
    try:
        tensors: dict[str, Tensor] = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        problem = f"cannot be read; it may be cut short ({error})"
        raise CheckpointError(path, problem, "copy it or train again") from error
    kinds = {value.dtype for value in tensors.values()}
    if not kinds <= {torch.float32, torch.float64, torch.complex64, torch.complex128}:
        names = ", ".join(sorted(str(kind) for kind in kinds))
        raise CheckpointError(path, f"has tensors of type {names}", "give real or complex numbers")
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise CheckpointError(path, "has weights that are NaN or infinite", "train again")
    return tensors


def load_weights(folder: Path, model: nn.Module, tensors: Mapping[str, Tensor] | None = None) -> None:
    """Load the weights of a checkpoint into the model that its description rebuilt.

    Args:
        folder: of the checkpoint.
        model: takes the weights.
        tensors: from `read_weights`, which is called if they are omitted.

    Raises:
        CheckpointError: if the tensors are not those of the model, or break the laws it holds.
    """
    path = folder / "model.safetensors"
    tensors = read_weights(folder) if tensors is None else tensors
    kinds = {name: (tuple(value.shape), value.dtype) for name, value in tensors.items()}
    expected = {name: (tuple(value.shape), value.dtype) for name, value in model.state_dict().items()}
    if kinds != expected:
        names = sorted(n for n in kinds.keys() | expected if kinds.get(n) != expected.get(n))
        problem = f"does not fit its model.json: {', '.join(names)} differ"
        raise CheckpointError(path, problem, "both must come from one run")
    model.load_state_dict(tensors)
    for parameter, members in constrained_parameters(model):
        missed = members.violation(parameter)
        if not missed <= max(members.tolerance, 1e4 * torch.finfo(parameter.dtype).eps):
            problem = f"breaks the laws that its model.json names, by {missed:.1e}"
            raise CheckpointError(path, problem, "its weights come from another law")
