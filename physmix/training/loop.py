"""The training loop: Lightning runs it, in stages, each with an optimiser of its own.

A stage is one Lightning fit; its state is one checkpoint file, written whole at the end of each
epoch. A killed run goes on from the last file. Randomness is a function of seed and step, so no
generator has a state to lose, and a resumed run repeats an uninterrupted one to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, ThroughputMonitor, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from physmix.errors import SettingsError, TrainingError
from physmix.training.history import History
from physmix.training.processes import Processes, lost
from physmix.training.quiet import quiet_lightning
from physmix.training.stages import Stage, StageModule, Task
from physmix.training.state import WholeFiles, check_state

Precision = Literal["bf16-mixed", "16-mixed"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def fit(
    task: Task,
    stages: Sequence[Stage],
    folder: Path,
    *,
    steps_per_epoch: int = 50,
    progress: bool = True,
    samples: int = 1,
    precision: Precision | None = None,
    processes: Processes | None = None,
) -> History:
    """Train a task through all stages, or go on where a run in this folder stopped.

    Args:
        task: the model is trained in place.
        stages: one after the other.
        folder: receives one checkpoint file a stage, and the TensorBoard log.
        steps_per_epoch: optimiser steps between checkpoints.
        progress: whether to show a progress bar.
        samples: in the batch of a step, of all processes, for the throughput in the log.
        precision: of products of single precision, one of `PRECISIONS`, as Lightning's Trainer takes it;
            what holds laws is left as it is. None for full precision.
        processes: that train together; see `joined`.

    Raises:
        TrainingError: if the loss is not finite, the state cannot be read, or another process is gone.
        SettingsError: for a precision that this machine does not have.
        OSError: if the state cannot be written, as on a full disk; the last one stays.
    """
    processes = processes or Processes()
    check_precision(precision)
    folder.mkdir(parents=True, exist_ok=True)
    history = History()
    for number, stage in enumerate(stages):
        name = f"{number}-{stage.name}"
        file = folder / f"{name}.ckpt"
        module = StageModule(task, stage, history, sum(s.steps for s in stages[:number]), samples)
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
        speed = ThroughputMonitor(
            batch_size_fn=lambda _: max(1, samples // processes.count), window_size=length + 1
        )
        given = processes.trainer()
        with quiet_lightning():
            trainer = Trainer(
                **given | {"plugins": [*given["plugins"], WholeFiles()]},
                precision=precision or "32-true",
                max_steps=stage.steps,
                max_epochs=-1,
                default_root_dir=folder,
                logger=TensorBoardLogger(folder, name="tensorboard", version=""),
                callbacks=[keep, speed, *([_Bar(refresh_rate=5)] if progress else [])],
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
            except RuntimeError as error:
                if processes.count > 1 and lost(error):
                    problem = f"process {processes.rank} of {processes.count} lost another one"
                    remedy = "see which ended first, and repeat the command with resume=true"
                    raise TrainingError(problem, remedy) from error
                raise
    task.to("cpu")
    return history


def check_precision(precision: str | None) -> None:
    """Raise SettingsError for a precision that is none of `PRECISIONS`, or not of this machine."""
    if precision not in (None, *PRECISIONS):
        choice = " or ".join(PRECISIONS)
        raise SettingsError("training", f"precision={precision!r}", f"give {choice}, or leave it out")
    if precision == "16-mixed" and not torch.cuda.is_available():
        raise SettingsError("training", "precision='16-mixed' needs a GPU", "give bf16-mixed")


class _Bar(TQDMProgressBar):
    """The progress bar, with the loss and without the logger's version."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
