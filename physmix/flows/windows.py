"""Batches of windows from files larger than memory, read by several workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import get_worker_info

from physmix.errors import SettingsError
from physmix.flows import gas
from physmix.flows.flow_file import FlowFile
from physmix.flows.many_files import OpenFiles, check_alike, files_of
from physmix.flows.metadata import Field
from physmix.flows.reading_plan import Block, Plan, Stored, make_plan
from physmix.flows.window_loader import Window, WindowLoader


class Windows:
    """Windows of `history` + `horizon` consecutive states, in batches that are shuffled by blocks.

        windows = Windows("kh/data/train", history=2, horizon=1, batch=16, seed=0)
        for past, future in ((batch.past, batch.future) for batch in windows.loader(workers=2)): ...

    Blocks of consecutive states are read in random order, several at once into a buffer, and the windows in
    the buffer come in random order; so reads are long, and the order follows from the seed and the epoch
    alone, for any number of workers and processes. See `reading_plan`.

    Args:
        paths: a file, several, or a folder of files; in any layout that `FlowFile` reads.
        history, horizon: states that are seen, and to be predicted.
        batch: windows in a batch, of all processes together.
        seed: of the order.
        shuffle: whether the order is random; else every window comes once, in the order of the files.
        conserved: whether a gas is given by its conserved variables, by the equation of state of each file.
        dtype: of the batches; None for that of the first file.
        buffer: bytes of states that all workers of all processes may hold at once.
        lanes: buffers that take turns; the number of workers must divide it.
        shards: shares of a batch; the number of processes must divide it. 1 for as many as processes.
        constants, boundary: what the files do not tell; see `FlowFile`.
        process: the number of this process, and how many share the batches; as torch.distributed says if
            omitted.

    Raises:
        FlowFileError: if a file cannot be read, or has other fields or another grid than the first.
        SettingsError: if no window fits; see `make_plan`.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        history: int = 1,
        horizon: int = 1,
        batch: int,
        seed: int,
        shuffle: bool = True,
        conserved: bool = False,
        dtype: torch.dtype | None = None,
        buffer: int = 2**28,
        lanes: int = 4,
        shards: int = 1,
        constants: Mapping[str, float] | None = None,
        boundary: Mapping[str, str] | None = None,
        process: tuple[int, int] | None = None,
    ) -> None:
        if history < 1 or horizon < 1:
            problem = f"history={history}, horizon={horizon}"
            raise SettingsError("the loader", problem, "give numbers from 1 up")
        self.paths, self.history, self.horizon = files_of(paths), history, horizon
        self.conserved, self._constants, self._boundary = conserved, constants, boundary
        rank, processes = process or _process()
        shards = processes if shards == 1 else shards
        if shards % processes:
            problem = f"{processes} processes do not divide {shards} shards"
            raise SettingsError("the loader", problem, "give a multiple of the processes")
        self._own = range(rank, shards, processes)
        found, stored = [], []
        for path in self.paths:
            with self._open(path) as file:
                about = file.metadata
                found.append(about)
                stored.append(Stored(about.trajectories, len(about.time), file.chunk, about.state_bytes))
                check_alike(path, about, found[0])
        first = found[0]
        kinds = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}
        self.dtype = dtype or kinds[first.precision]
        self.metadata = replace(first, trajectories=sum(about.trajectories for about in found))
        if conserved:
            for about in found:
                _ = about.state_equation  # said at once, and not by a worker
            names = gas.conserved_names(first.axes)
            self.metadata = replace(self.metadata, fields=tuple(map(Field, names)))
        self.plan: Plan = make_plan(
            stored,
            window=history + horizon,
            batch=batch,
            buffer=buffer,
            lanes=lanes,
            shards=shards,
            shuffle=shuffle,
            seed=seed,
        )
        # Workers that live on see the epoch of the main process.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def _open(self, path: Path) -> FlowFile:
        return FlowFile(path, constants=self._constants, boundary=self._boundary)

    def _read(self, file: FlowFile, block: Block) -> np.ndarray:
        """The states of a block, (trajectory, time, *grid, channel)."""
        times = slice(block.start, block.stop + self.history + self.horizon - 1)
        states = torch.from_numpy(file.read(slice(block.first, block.last), times))
        if self.conserved:
            about = file.metadata
            states = about.state_equation.conserved(states.double(), about.components, tuple(about.axes))
        return states.to(self.dtype).numpy()

    @property
    def places(self) -> list[int]:
        """Where the windows of this process are in the batch of all processes, if that is a whole one."""
        return self.plan.places(self._own)

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch from the next iteration on."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Batches in the present epoch."""
        epoch = int(self._epoch)
        return sum(self.plan.batches(epoch, lane) for lane in range(self.plan.lanes))

    def loader(self, *, workers: int = 0, pin_memory: bool = False) -> WindowLoader:
        """Batches of this process, made by some workers.

        Raises:
            SettingsError: if they do not divide the lanes.
        """
        if workers and self.plan.lanes % workers:
            problem = f"{workers} workers do not divide {self.plan.lanes} lanes"
            raise SettingsError("the loader", problem, "give another number of workers, or lanes=")
        return WindowLoader(self, workers=workers, pin_memory=pin_memory)

    def __iter__(self) -> Iterator[Window]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        epoch, files = int(self._epoch), OpenFiles(lambda number: self._open(self.paths[number]))
        lanes = range(worker, self.plan.lanes, workers)
        left = {lane: self.plan.batches(epoch, lane) for lane in lanes}
        streams = {lane: [self._stream(files, epoch, s, lane) for s in self._own] for lane in lanes}
        try:
            while any(left.values()):
                for lane in lanes:
                    if left[lane]:
                        left[lane] -= 1
                        parts = [part for stream in streams[lane] if (part := next(stream, None)) is not None]
                        if not parts:  # in order, the last shares are of other processes alone
                            continue
                        states = torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])
                        yield Window(states[:, : self.history], states[:, self.history :])
        finally:
            files.close()

    def _stream(self, files: OpenFiles, epoch: int, shard: int, lane: int) -> Iterator[np.ndarray]:
        """The shares of one shard of the batches of one lane, (window, time, *grid, channel)."""
        random = self.plan.generator(epoch, shard, lane)
        size, states = self.plan.batch // self.plan.shards, self.history + self.horizon
        out, filled = None, 0
        for group in self.plan.groups(epoch, shard, lane):
            blocks = [self._read(files.get(block.file), block) for block in group]
            places = [
                (i, j, k)
                for i, block in enumerate(group)
                for j in range(block.last - block.first)
                for k in range(block.stop - block.start)
            ]
            if self.plan.shuffle:
                random.shuffle(places)
            for i, j, k in places:
                if out is None:
                    out = np.empty((size, states, *blocks[i].shape[2:]), blocks[i].dtype)
                out[filled] = blocks[i][j, k : k + states]
                filled += 1
                if filled == size:
                    yield out
                    out, filled = None, 0
            del blocks  # before the next are read
        if out is not None and not self.plan.shuffle:
            yield out[:filled]


def _process() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
