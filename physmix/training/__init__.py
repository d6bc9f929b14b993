"""Training: the loop and its checkpoints."""

from physmix.training.checkpoint import (
    load_weights,
    read_description,
    read_weights,
    save_checkpoint,
)
from physmix.training.loop import History, Stage, Task, fit

__all__ = [
    "History",
    "Stage",
    "Task",
    "fit",
    "load_weights",
    "read_description",
    "read_weights",
    "save_checkpoint",
]
