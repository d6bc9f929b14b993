"""What is trained, in which stages, and one stage in Lightning's terms."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningModule
from torch import Tensor, nn

from physmix.errors import TrainingError
from physmix.optimization import projected
from physmix.training.history import History


@runtime_checkable
class Task(Protocol):
    """What is trained: a model, and its named losses at a step.

    Where several processes train together, each has a task with its share of every batch, such that
    the mean of their losses is the loss of the whole batch.
    """

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


class StageModule(LightningModule):
    """One stage of a task.

    Args:
        task: what is trained.
        stage: how.
        history: goes on with this stage.
        first_step: of the stage.
        samples: in the batch of a step, of all processes.
    """

    def __init__(self, task: Task, stage: Stage, history: History, first_step: int, samples: int) -> None:
        super().__init__()
        # Kept off the module tree, so that the checkpoint holds the model alone.
        self.__dict__.update(task=task, stage=stage, history=history)
        self.model = task.model
        self.first_step, self.samples = first_step, samples
        self._latest: dict[str, float] = {}
        self._began = time.monotonic()

    task: Task
    stage: Stage
    history: History

    def configure_optimizers(self) -> Any:
        """The optimiser of the stage, within the constraints of the model."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = projected(self.stage.optimizer(parameters), self.model)
        if not self.stage.anneal:
            return optimizer
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.stage.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        """The loss of the whole batch, with the gradient of the share of this process."""
        del batch, index  # the task makes its batches from the step
        step = self.first_step + self.global_step
        losses = self.task.losses(step)
        total = sum(self.task.weights[name] * value for name, value in losses.items())
        assert isinstance(total, Tensor)
        values = torch.stack([total, *losses.values()]).detach()
        values = self.trainer.strategy.reduce(values, reduce_op="mean")
        if not torch.isfinite(values[0]):
            raise TrainingError(
                f"the loss is {float(values[0])} at step {step}",
                "lower the learning rate, or check the data",
            )
        self._latest = dict(zip(("loss", *losses), values.tolist(), strict=True))
        self.history.samples += self.samples
        # Line searches compare losses: every process must see the same, to the last bit.
        return values[0] + (total - total.detach())

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Record the losses."""
        del outputs, batch, batch_idx
        step = self.first_step + self.global_step
        self.history.add(step, self._latest)
        self.log("loss", self._latest["loss"], prog_bar=True, logger=False)
        if self.logger is not None:
            self.logger.log_metrics(self._latest, step)

    def on_fit_start(self) -> None:
        """Move what the task needs."""
        self.task.to(self.device)

    def on_train_start(self) -> None:
        """Time begins."""
        self._began = time.monotonic()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history."""
        now = time.monotonic()
        self.history.seconds += now - self._began
        self._began = now
        checkpoint["history"] = self.history.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        vars(self.history).update(checkpoint["history"])
