"""In which order the windows of large files are read: by blocks, shuffled, in shares.

A *window* is a run of consecutive states of one trajectory; a *block* a piece of a file that holds all
states of some windows, and is read at once; a *group* some blocks that are in memory together, whose
windows are shuffled. Groups are dealt out to shards, which share every batch, and to lanes, which take
turns. The order follows from the seed and the epoch alone: any number of processes that divides the shards,
and of workers that divides the lanes, gives the same batches in the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from physmix.errors import SettingsError


@dataclass(frozen=True)
class Stored:
    """A file, as far as the order of reading asks.

    Attributes:
        trajectories, times: how many.
        chunk: of trajectories and times that are stored together.
        state_bytes: of one state in memory.
    """

    trajectories: int
    times: int
    chunk: tuple[int, int]
    state_bytes: int


@dataclass(frozen=True)
class Block:
    """Trajectories from `first` up to `last` of a file, and the windows that start at some times.

    Attributes:
        file: its number.
        first, last: trajectories, the last not included.
        start, stop: times of the first states of windows, the last not included.
    """

    file: int
    first: int
    last: int
    start: int
    stop: int

    @property
    def windows(self) -> int:
        """How many windows it holds."""
        return (self.last - self.first) * (self.stop - self.start)


@dataclass(frozen=True)
class Plan:
    """The blocks of all files, and how they are dealt out.

    Attributes:
        blocks: in the order of the files.
        group: blocks in memory together, for each lane and shard.
        lanes, shards: see the module.
        batch: windows in a batch of all shards.
        shuffle: whether blocks and windows are shuffled; else every window comes once, in order.
        seed: of the shuffling.
    """

    blocks: tuple[Block, ...]
    group: int
    lanes: int
    shards: int
    batch: int
    shuffle: bool
    seed: int

    def groups(self, epoch: int, shard: int, lane: int) -> list[list[Block]]:
        """The groups of one shard and lane in an epoch, in order."""
        order = np.arange(len(self.blocks))
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        places = range(0, len(order), self.group)
        groups = [[self.blocks[i] for i in order[first : first + self.group]] for first in places]
        return groups[shard :: self.shards][lane :: self.lanes]

    def batches(self, epoch: int, lane: int) -> int:
        """How many batches a lane gives in an epoch; when shuffling, as many as any other.

        What does not fill a batch is left out of the epoch when shuffling, and else a smaller batch.
        """
        each = self.batch // self.shards
        if not self.shuffle:
            return max(-(-self._windows(epoch, shard, lane) // each) for shard in range(self.shards))
        return min(
            self._windows(epoch, shard, other) // each
            for shard in range(self.shards)
            for other in range(self.lanes)
        )

    def _windows(self, epoch: int, shard: int, lane: int) -> int:
        return sum(block.windows for group in self.groups(epoch, shard, lane) for block in group)

    def places(self, shards: Iterable[int]) -> list[int]:
        """Where the windows of some shards are in the batch of all, in the order in which these give them."""
        each = self.batch // self.shards
        return [shard * each + number for shard in shards for number in range(each)]

    def generator(self, epoch: int, shard: int, lane: int) -> np.random.Generator:
        """Shuffles the windows of the groups of a shard and lane."""
        return np.random.default_rng([self.seed, epoch, shard, lane])


def make_plan(
    files: Sequence[Stored],
    *,
    window: int,
    batch: int,
    buffer: int,
    lanes: int,
    shards: int,
    shuffle: bool,
    seed: int,
) -> Plan:
    """Cut files into blocks, which follow the chunks of the files and are small beside the buffer.

    Args:
        files: what is stored.
        window: states in a window.
        batch: windows in a batch of all shards.
        buffer: bytes of blocks that all lanes of all shards may hold at once.
        lanes: see the module; fewer where there are few blocks.
        shards: see the module.
        shuffle: whether the order is random.
        seed: of the order.

    Raises:
        SettingsError: if a number is not positive, no window fits, no batch is filled, the batch cannot be
            shared, or the buffer is too small.
    """
    if lanes < 1 or shards < 1 or seed < 0:
        problem = f"lanes={lanes}, shards={shards}, seed={seed}"
        raise SettingsError("the loader", problem, "give lanes and shards from 1 up, and a seed from 0 up")
    if batch < 1 or batch % shards:
        problem = f"a batch of {batch} cannot be shared by {shards} shards"
        raise SettingsError("the loader", problem, "give a multiple of them")
    blocks: list[Block] = []
    largest = 1
    for number, file in enumerate(files):
        starts = file.times - window + 1
        if starts < 1:
            problem = f"a window of {window} states is longer than a trajectory of {file.times}"
            raise SettingsError("the loader", problem, "lower history or horizon")
        # Eight blocks a group mix well, and their reads are still long.
        states = max(window, buffer // (8 * lanes * shards * file.state_bytes))
        across = file.chunk[0]
        fit = max(states // across, window) - window + 1
        along = max(1, fit // file.chunk[1]) * file.chunk[1]
        pieces = -(-starts // along)
        edges = np.linspace(0, starts, pieces + 1).round().astype(int).tolist()
        for first in range(0, file.trajectories, across):
            last = min(first + across, file.trajectories)
            blocks += [Block(number, first, last, a, b) for a, b in itertools.pairwise(edges)]
            longest = max(np.diff(edges).tolist()) + window - 1
            size = (last - first) * longest * file.state_bytes
            largest = max(largest, size)
    lanes = max(1, min(lanes, len(blocks) // shards))
    if largest * lanes * shards > buffer:
        problem = f"blocks of {largest} bytes for {lanes} lanes of {shards} shards do not fit into {buffer}"
        remedy = "give a larger buffer or fewer lanes, or store the file in smaller chunks"
        raise SettingsError("the loader", problem, remedy)
    fitting = buffer // (largest * lanes * shards)
    group = max(1, min(fitting, len(blocks) // (lanes * shards)))
    plan = Plan(tuple(blocks), group, lanes, shards, batch, shuffle, seed)
    if not any(plan.batches(0, lane) for lane in range(lanes)):
        problem = f"{sum(block.windows for block in blocks)} windows do not fill one batch of {batch}"
        if len(blocks) < shards:
            problem = f"{len(blocks)} blocks cannot be dealt out to {shards} shards"
        raise SettingsError("the loader", problem, "lower the batch, the lanes or the shards")
    return plan
