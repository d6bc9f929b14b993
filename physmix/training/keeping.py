"""The state of a solver on disk: tensors and the steps so far in one safetensors file, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from physmix.errors import CheckpointError
from physmix.files import write_whole

_STEPS = "trace"


def write_state(file: Path, state: Mapping[str, Tensor], steps: Sequence[Sequence[float]]) -> None:
    """Write a state; the file appears whole or not at all."""
    tensors = {f"state.{name}": value.detach().clone().contiguous() for name, value in state.items()}
    tensors[_STEPS] = torch.tensor(list(steps), dtype=torch.float64).reshape(-1, 5)
    write_whole(file, save(tensors))


def read_state(file: Path) -> tuple[dict[str, Tensor], list[list[float]]]:
    """The state and the steps of a file.

    Raises:
        CheckpointError: if it cannot be read, or is something else.
    """
    remedy = "delete the file to begin again, or give another path"
    try:
        tensors = load(file.read_bytes())
    except (OSError, SafetensorError) as error:
        problem = f"cannot be read; it may be cut short ({error})"
        raise CheckpointError(file, problem, remedy) from error
    steps = tensors.pop(_STEPS, None)
    whole = steps is not None and steps.ndim == 2 and steps.shape[1] == 5
    if not whole or not all(name.startswith("state.") for name in tensors):
        raise CheckpointError(file, "is not the state of a solver", remedy)
    assert steps is not None
    return {name.removeprefix("state."): value for name, value in tensors.items()}, steps.tolist()


def packed(value: Any) -> Tensor:
    """Tensors, numbers and texts in dicts and lists as one tensor of bytes: a safetensors file in itself."""
    tensors: dict[str, Tensor] = {}

    def plain(one: Any) -> Any:
        if isinstance(one, Tensor):
            name = f"tensor {len(tensors)}"
            tensors[name] = one.detach().contiguous()
            return {"tensor": name}
        if isinstance(one, Mapping):
            return {"pairs": [[key, plain(part)] for key, part in one.items()]}
        if isinstance(one, list | tuple):
            return [plain(part) for part in one]
        return one

    text = json.dumps(plain(value)).encode()
    tensors["structure"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    return torch.frombuffer(bytearray(save(tensors)), dtype=torch.uint8)


def unpacked(content: Tensor) -> Any:
    """What `packed` made one tensor; tuples come back as lists.

    Raises:
        KeyError, ValueError, TypeError, SafetensorError: if it is something else.
    """
    tensors = load(content.numpy().tobytes())

    def whole(one: Any) -> Any:
        if isinstance(one, dict):
            if "tensor" in one:
                return tensors[one["tensor"]]
            return {key: whole(part) for key, part in one["pairs"]}
        return [whole(part) for part in one] if isinstance(one, list) else one

    return whole(json.loads(tensors["structure"].numpy().tobytes()))
