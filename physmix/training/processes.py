"""Processes that train together, as torchrun or SLURM started them; Lightning lets them know each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from lightning import Fabric
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from physmix.errors import SettingsError, TrainingError
from physmix.training.quiet import quiet_lightning

Found = TypeVar("Found")


@dataclass(frozen=True)
class Processes:
    """This process among those that train one model; by itself if nothing else is said.

    Attributes:
        rank: its number.
        each: processes on each machine.
        nodes: machines.
    """

    rank: int = 0
    each: int = 1
    nodes: int = 1
    _fabric: Any = field(default=None, repr=False, compare=False)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.each * self.nodes

    @property
    def share(self) -> tuple[int, int]:
        """The number of this process, and how many there are: its share of every batch."""
        return self.rank, self.count

    def first(self, action: Callable[[], Found]) -> Found:
        """What an action gives, which the first process alone does.

        Raises:
            TrainingError: in the others, where it failed in the first.
        """
        if self.count == 1:
            return action()
        found, failure = None, None
        if self.rank == 0:
            try:
                found = action()
            except BaseException as error:  # noqa: BLE001  the others wait for an answer
                failure = error
        told = self._fabric.broadcast((failure is None, found))
        if failure is not None:
            raise failure
        if not told[0]:
            raise TrainingError("the first process ended", "see what it says")
        return told[1]

    def trainer(self) -> dict[str, Any]:
        """The arguments of Lightning's Trainer; a task gives each process its share of a batch."""
        return {
            "accelerator": _accelerator(),
            "devices": self.each,
            "num_nodes": self.nodes,
            "strategy": "ddp" if self.count > 1 else "auto",
            "use_distributed_sampler": False,
            "plugins": _plugins(),
        }


@contextmanager
def joined(nodes: int | None = None, each: int | None = None) -> Iterator[Processes]:
    """Join the processes that were started together.

    Args:
        nodes: machines that there should be; None for as many as there are.
        each: processes that there should be on each of them.

    Raises:
        SettingsError: if torchrun or SLURM started others, or nobody did.
    """
    found = _started()
    if (nodes or found.nodes, each or found.each) != (found.nodes, found.each):
        raise SettingsError(
            "the run",
            f"nodes={nodes or found.nodes} and processes={each or found.each} are asked for, "
            f"and {found.nodes} with {found.each} on each were started",
            "start it by torchrun --nnodes NODES --nproc-per-node PROCESSES, or srun",
        )
    if found.count == 1:
        yield found
        return
    fabric = Fabric(
        accelerator=_accelerator(),
        devices=found.each,
        num_nodes=found.nodes,
        strategy="ddp",
        plugins=_plugins(),
    )
    with quiet_lightning():
        fabric.launch()
    try:
        yield Processes(fabric.global_rank, found.each, found.nodes, fabric)
    finally:
        torch.distributed.destroy_process_group()


def lost(error: BaseException) -> bool:
    """Whether an error says that another process is gone."""
    text = str(error).lower()
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in text or "nccl" in text)
    )


def _accelerator() -> str:
    return "auto" if torch.cuda.is_available() else "cpu"


def _plugins() -> list[Any]:
    # A requeued job goes on by resume=true: Lightning's own way knows of one stage alone.
    slurm = not TorchElasticEnvironment.detect() and SLURMEnvironment.detect()
    return [SLURMEnvironment(auto_requeue=False)] if slurm else []


def _started() -> Processes:
    """How many processes torchrun or SLURM started; one if neither did."""
    if TorchElasticEnvironment.detect():
        each = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(each=each, nodes=int(os.environ["WORLD_SIZE"]) // each)
    if SLURMEnvironment.detect():
        nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return Processes(each=int(os.environ["SLURM_NTASKS"]) // nodes, nodes=nodes)
    return Processes()
