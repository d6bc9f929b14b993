"""The state of a stage on disk: written whole, and refused in one sentence."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO

from physmix.errors import TrainingError
from physmix.files import write_whole


class WholeFiles(TorchCheckpointIO):
    """Lightning's own files, written beside their place.

    Lightning writes them to the folder for temporary files, from where they are copied if that is on
    another disk; a full disk or a kill then leaves half a state in the place of the last one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a state; the file appears whole or not at all."""
        del storage_options  # of stores in a network
        content = BytesIO()
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getvalue())


def check_state(file: Path, module: LightningModule) -> None:
    """Refuse a state that cannot be read, or is not that of a module.

    Raises:
        TrainingError: if it is damaged, or of another model.
        OSError: if the file cannot be opened.
    """
    remedy = "delete the file to begin its stage again, or train in a new folder"
    with file.open("rb") as stream:
        try:
            state = torch.load(stream, map_location="cpu", weights_only=True)
            shapes = {name: value.shape for name, value in state["state_dict"].items()}
            whole = {"history", "optimizer_states", "loops"} <= state.keys()
        except Exception as error:  # a damaged archive fails in as many ways as it has bytes
            problem = f"the state {file} cannot be read; it may be cut short, or not ours"
            raise TrainingError(problem, remedy) from error
    if not whole or shapes != {name: value.shape for name, value in module.state_dict().items()}:
        raise TrainingError(f"the state {file} does not fit this run", remedy)
