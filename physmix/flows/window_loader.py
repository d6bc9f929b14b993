"""Epochs of windows one after the other, made by workers, from where they were left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset


@dataclass(frozen=True)
class Window:
    """A batch: the states that a model sees, and those that it should predict.

    Attributes:
        past: shape (batch, history, *grid, channel).
        future: shape (batch, horizon, *grid, channel).
    """

    past: Float[Tensor, "batch history *grid channel"]
    future: Float[Tensor, "batch horizon *grid channel"]

    def pin_memory(self) -> Window:
        """The same in page-locked memory."""
        return Window(self.past.pin_memory(), self.future.pin_memory())

    def to(self, *where: Any, **how: Any) -> Window:
        """The same on a device, or of another type."""
        return Window(self.past.to(*where, **how), self.future.to(*where, **how))


@runtime_checkable
class Epochs(Protocol):
    """What gives the windows of one epoch, such as `Windows`."""

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch from the next iteration on."""

    def __len__(self) -> int:
        """Batches in the present epoch."""

    def __iter__(self) -> Iterator[Window]:
        """The batches of a worker."""


class _Source(IterableDataset[Window]):
    """Windows as torch's loader wants them."""

    def __init__(self, windows: Epochs) -> None:
        super().__init__()
        self.windows = windows

    def __iter__(self) -> Iterator[Window]:
        return iter(self.windows)


class WindowLoader(DataLoader[Window]):
    """Gives the epochs of `Windows` one after the other, and goes on where its state was saved.

    Args:
        windows: the epochs.
        workers: processes that read.
        pin_memory: whether batches come in page-locked memory.
    """

    epoch = 0
    _skip = 0
    _given = 0

    def __init__(self, windows: Epochs, *, workers: int = 0, pin_memory: bool = False) -> None:
        super().__init__(
            _Source(windows),
            batch_size=None,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        """Batches in the epoch."""
        return len(self._windows)

    @property
    def _windows(self) -> Epochs:
        assert isinstance(self.dataset, _Source)
        return self.dataset.windows

    def __iter__(self) -> Any:
        """The batches of the next epoch, also where the last one was left before its end."""
        skip, self._skip = self._skip, 0
        if self._given and not skip:
            self.epoch += 1
        self._windows.set_epoch(self.epoch)
        self._given, last = 0, len(self)
        for batch in super().__iter__():
            self._given += 1
            if self._given <= skip:
                continue
            if self._given == last:  # not after it: who counts does not ask for more
                self.epoch, self._given = self.epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        return {"epoch": self.epoch, "given": self._given}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on after the batches that were given."""
        self.epoch, self._skip, self._given = state["epoch"], state["given"], state["given"]
        self._windows.set_epoch(self.epoch)
