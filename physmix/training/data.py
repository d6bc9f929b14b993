"""Flows on disk as what Lightning trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningDataModule

from physmix.errors import SettingsError
from physmix.flows import Metadata, WindowLoader, Windows

_SPLITS = ("train", "valid", "test")


class FlowData(LightningDataModule):
    """Windows of the splits of a data set, in The Well's folders data/train, data/valid and data/test.

    Training goes through shuffled windows, and after a resume goes on with the next batch, since Lightning
    keeps the state of the loader; validation and test go through every window once.

    Args:
        folder: of the data set.
        batch: windows in a batch, of all processes together.
        seed: of the order.
        workers: reading processes beside each training process.
        given: as for `Windows`: history, horizon, conserved, buffer, ...

    Raises:
        FlowFileError, SettingsError: in `setup`; see `Windows`.
    """

    def __init__(self, folder: str | Path, *, batch: int, seed: int, workers: int = 0, **given: Any) -> None:
        super().__init__()
        self.folder, self.workers = Path(folder) / "data", workers
        self._given = {"batch": batch, "seed": seed, **given}
        self.windows: dict[str, Windows] = {}

    def setup(self, stage: str | None = None) -> None:
        """Look into the files; processes that train together know each other by now."""
        del stage
        for split in _SPLITS:
            if split not in self.windows and (self.folder / split).is_dir():
                shuffle = split == _SPLITS[0]
                self.windows[split] = Windows(self.folder / split, **{**self._given, "shuffle": shuffle})

    @property
    def metadata(self) -> Metadata:
        """What models are built from; of the training split."""
        self.setup()
        return self._of("train").metadata

    def _of(self, split: str) -> Windows:
        if split not in self.windows:
            problem = f"{self.folder} has no folder {split}"
            raise SettingsError("the data", problem, "make it with: physmix-simulate ensemble=NAME")
        return self.windows[split]

    def train_dataloader(self) -> WindowLoader:
        """Shuffled windows."""
        return self._of("train").loader(workers=self.workers)

    def val_dataloader(self) -> WindowLoader:
        """Every window of the validation split."""
        return self._of("valid").loader(workers=self.workers)

    def test_dataloader(self) -> WindowLoader:
        """Every window of the test split."""
        return self._of("test").loader(workers=self.workers)
