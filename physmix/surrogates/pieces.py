"""Pieces of trajectories that surrogates are trained on, from memory or from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.errors import SettingsError
from physmix.flows import Window, Windows


@runtime_checkable
class Batches(Protocol):
    """The pieces of trajectories of each step; the step alone decides which."""

    @property
    def places(self) -> Sequence[int]:
        """Where the pieces of this process are in the batch of all that train together."""
        ...

    def __call__(self, step: int) -> Float[Tensor, "batch time *grid field"]:
        """The pieces of a step, those of this process."""
        ...


class Pieces:
    """Pieces of trajectories that are held in memory, each once in an epoch.

    Args:
        states: whole trajectories.
        unroll: steps in a piece, which has one stored time more.
        batch: pieces for each step, of all processes together.
        seed: of their order.
        share: the number of this process, and how many share each batch.

    Raises:
        SettingsError: if there are fewer pieces than a batch has, or processes cannot share it evenly.
    """

    def __init__(
        self,
        states: Float[Tensor, "trajectory time *grid field"],
        *,
        unroll: int,
        batch: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.states, self.unroll, self.batch, self.seed = states, unroll, batch, seed
        self.starts = states.shape[1] - unroll
        self.count = len(states) * max(self.starts, 0)
        if unroll < 1 or batch < 1 or self.count < batch:
            raise SettingsError(
                "the task",
                f"{len(states)} trajectories of {states.shape[1]} stored times have {self.count} pieces of "
                f"{unroll} steps, fewer than a batch of {batch}"
                if unroll > 0
                else f"unroll={unroll}",
                "lower test_steps, unroll or batch, or give longer trajectories",
            )
        rank, processes = share
        if batch % processes:
            problem = f"a batch of {batch} cannot be shared by {processes} processes"
            raise SettingsError("the task", problem, "give a multiple of them")
        self.places: Sequence[int] = range(rank, batch, processes)

    def __call__(self, step: int) -> Float[Tensor, "batch time *grid field"]:
        """The pieces of a step, those of this process."""
        epoch, place = divmod(step, self.count // self.batch)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(self.count, generator=generator)
        chosen = order[place * self.batch : (place + 1) * self.batch][list(self.places)]
        pieces = [
            self.states[number // self.starts, start : start + self.unroll + 1]
            for number in chosen.tolist()
            for start in (number % self.starts,)
        ]
        return torch.stack(pieces)


def persistence(pieces: Float[Tensor, "batch time *grid field"]) -> Float[Tensor, "step field"]:
    """Mean square change of each field over one step, two steps and so on; 1 for what never changes."""
    change = (pieces[:, 1:] - pieces[:, :1]).square().movedim(1, 0)
    idle = change.flatten(1, -2).mean(1)
    return torch.where(idle > 0, idle, torch.ones_like(idle))


class Streamed:
    """Pieces from files that may be larger than memory; the step alone decides which, as ever.

    Args:
        windows: of one state seen and `horizon` states to come.
        workers: reading processes.

    Raises:
        SettingsError: if the windows see more than one state, or there is no whole batch.
    """

    def __init__(self, windows: Windows, *, workers: int = 0) -> None:
        windows.set_epoch(0)
        if windows.history != 1 or not len(windows):
            problem = f"history={windows.history}, and {len(windows)} batches"
            raise SettingsError("the data", problem, "give history=1, and a batch that files can fill")
        self.windows, self._loader = windows, windows.loader(workers=workers)
        self.places: Sequence[int] = windows.places
        self._running: Iterator[Window] = iter(())
        self._next = -1

    def __call__(self, step: int) -> Float[Tensor, "batch time *grid field"]:
        """The pieces of a step, those of this process."""
        if step != self._next:
            self._seek(step)
        window = next(self._running, None)
        if window is None:  # the next epoch
            self._running = iter(self._loader)
            window = next(self._running)
        self._next = step + 1
        return torch.cat([window.past, window.future], 1)

    def _seek(self, step: int) -> None:
        """Go to a step, as after an interruption."""
        epoch = 0
        self.windows.set_epoch(0)
        while step >= len(self.windows):
            step -= len(self.windows)
            epoch += 1
            self.windows.set_epoch(epoch)
        self._loader.load_state_dict({"epoch": epoch, "given": step})
        self._running = iter(self._loader)
