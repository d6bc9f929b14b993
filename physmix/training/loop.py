"""The training loop: Lightning runs it, in stages, each with an optimiser of its own.

A stage is one Lightning fit; its state is one checkpoint file, written whole at the end of each
epoch. A killed run goes on from the last file. Randomness is a function of seed and step, so no
generator has a state to lose, and a resumed run repeats an uninterrupted one to the last bit.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from physmix.errors import TrainingError
from physmix.optimization import projected
from physmix.training.state import WholeFiles, check_state


@runtime_checkable
class Task(Protocol):
    """What is trained: a model, and its named losses at a step."""

    model: nn.Module
    weights: Mapping[str, float]

    def losses(self, step: int) -> dict[str, Tensor]:
        """Every loss of this step by name, each of size one at the start."""
        ...

    def to(self, device: torch.device | str) -> None:
        """Move the model and all that its losses need."""
        ...


@dataclass(frozen=True)
class Stage:
    """One optimiser for a number of steps.

    Attributes:
        name: of the stage, and of its checkpoint file.
        optimizer: makes the optimiser of some parameters.
        steps: optimiser steps.
        anneal: whether the learning rate falls to zero along half a cosine.
        clip: largest norm of the gradient, if any.
    """

    name: str
    optimizer: Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]
    steps: int
    anneal: bool = False
    clip: float | None = None


@dataclass
class History:
    """What a run has done so far: its losses by step, and its seconds of training."""

    steps: list[int] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """Record the losses of a step."""
        self.steps.append(step)
        for name, value in losses.items():
            self.losses.setdefault(name, []).append(value)

    def state(self) -> dict[str, Any]:
        """A copy, as plain numbers."""
        losses = {name: list(values) for name, values in self.losses.items()}
        return {"steps": list(self.steps), "losses": losses, "seconds": self.seconds}


class _StageModule(LightningModule):
    """One stage of a task, in Lightning's terms."""

    def __init__(self, task: Task, stage: Stage, history: History, first_step: int) -> None:
        super().__init__()
        # Kept off the module tree, so that the checkpoint holds the model alone.
        self.__dict__.update(task=task, stage=stage, history=history)
        self.model = task.model
        self.first_step = first_step
        self._latest: dict[str, float] = {}
        self._began = time.monotonic()

    task: Task
    stage: Stage
    history: History

    def configure_optimizers(self) -> Any:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = projected(self.stage.optimizer(parameters), self.model)
        if not self.stage.anneal:
            return optimizer
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.stage.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        del batch, index  # the task makes its batches from the step
        losses = self.task.losses(self.first_step + self.global_step)
        total = sum(self.task.weights[name] * value for name, value in losses.items())
        assert isinstance(total, Tensor)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is {float(total.detach())} at step {self.first_step + self.global_step}",
                "lower the learning rate, or check the data",
            )
        self._latest = {"loss": float(total.detach())}
        self._latest |= {name: float(value.detach()) for name, value in losses.items()}
        return total

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        del outputs, batch, batch_idx
        step = self.first_step + self.global_step
        self.history.add(step, self._latest)
        self.log("loss", self._latest["loss"], prog_bar=True, logger=False)
        if self.logger is not None:
            self.logger.log_metrics(self._latest, step)

    def on_fit_start(self) -> None:
        self.task.to(self.device)

    def on_train_start(self) -> None:
        self._began = time.monotonic()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        now = time.monotonic()
        self.history.seconds += now - self._began
        self._began = now
        checkpoint["history"] = self.history.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        vars(self.history).update(checkpoint["history"])


def fit(
    task: Task,
    stages: Sequence[Stage],
    folder: Path,
    *,
    steps_per_epoch: int = 50,
    progress: bool = True,
) -> History:
    """Train a task through all stages, or go on where a run in this folder stopped.

    Args:
        task: the model is trained in place.
        stages: one after the other.
        folder: receives one checkpoint file a stage, and the TensorBoard log.
        steps_per_epoch: optimiser steps between checkpoints.
        progress: whether to show a progress bar.

    Raises:
        TrainingError: if the loss is not finite, or the state cannot be read.
        OSError: if the state cannot be written, as on a full disk; the last one stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history = History()
    for number, stage in enumerate(stages):
        name = f"{number}-{stage.name}"
        file = folder / f"{name}.ckpt"
        module = _StageModule(task, stage, history, sum(s.steps for s in stages[:number]))
        length = min(steps_per_epoch, stage.steps)
        keep = ModelCheckpoint(
            dirpath=folder,
            filename=name,
            save_top_k=1,
            monitor=None,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        callbacks = [keep, *([_Bar(refresh_rate=5)] if progress else [])]
        with _quiet_lightning():
            trainer = Trainer(
                accelerator="cpu" if not torch.cuda.is_available() else "auto",
                devices=1,
                max_steps=stage.steps,
                max_epochs=-1,
                logger=TensorBoardLogger(folder, name="tensorboard", version=""),
                callbacks=list(callbacks),
                plugins=[WholeFiles()],
                enable_progress_bar=progress,
                enable_model_summary=False,
                gradient_clip_val=stage.clip,
                gradient_clip_algorithm="norm" if stage.clip else None,
                log_every_n_steps=1,
            )
            batches: DataLoader[int] = DataLoader(range(length), batch_size=1)  # type: ignore[arg-type]
            known = str(file) if file.exists() else None
            if known is not None:
                check_state(file, module)
            try:
                trainer.fit(module, batches, ckpt_path=known, weights_only=True)
            except SystemExit as stop:  # what Lightning makes of an interruption
                raise KeyboardInterrupt from stop
    task.to("cpu")
    return history


class _Bar(TQDMProgressBar):
    """The progress bar, with the loss and without the logger's version."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's banner, and its warnings about a loader of step numbers; nothing else."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in (r".*does not have many workers.*", r".*LeafSpec.*"):
                warnings.filterwarnings("ignore", message=message)
            warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists")
            yield
    finally:
        logger.setLevel(level)
