"""Training from a file larger than memory should be: resident memory, and speed beside tensors in memory."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.flows import Field, Metadata, Windows, write_parts

_POINTS, _TIMES, _BATCH, _WIDTH = 128, 180, 16, 16
_ROUNDS, _STEPS, _WARM = 5, 40, 6
_SAMPLE = 0.05  # seconds
_BUFFER = 2**27


def loader_case(gigabytes: float) -> Case:
    """A synthetic file of this size, made for the case and deleted after it."""

    def run(case: str) -> list[Row]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "waves.hdf5"
            began = time.perf_counter()
            write_waves(path, gigabytes)
            size, wrote = path.stat().st_size / 1e9, time.perf_counter() - began
            _forget(path)
            workers = 1 if (os.cpu_count() or 1) < 4 else 2
            (steps, seconds), memory = _in_process(_epoch, path, workers)
            _forget(path)
            (streamed, held), more = _in_process(_race, path, workers)
        speed = median(a / b for a, b in zip(held, streamed, strict=True))
        states = steps * _BATCH * 2 * 4 * 4 * _POINTS**2 / 1e6
        system = f"physmix, {workers} workers"
        return [
            ours(case, "resident memory of all processes", max(memory, more) / 1e9, "GB", system),
            ours(case, "speed over training from memory", speed, "", system),
            ours(case, "steps a second, from the file", _STEPS / median(streamed), "", system),
            peer(case, "tensors in memory", "steps a second", _STEPS / median(held)),
            ours(case, "batches of a whole epoch", float(steps), "", system),
            ours(case, "given, in an epoch with little else to do", states / seconds, "MB/s", system),
            ours(case, "size of the file", size, "GB", "the file"),
            ours(case, "written", size * 1e3 / wrote, "MB/s", "the file"),
        ]

    return run


def write_waves(path: Path, gigabytes: float) -> None:
    """A gas of smooth waves that are carried along, each trajectory of its own, in The Well's layout."""
    axis = (np.arange(_POINTS) + 0.5) / _POINTS
    state = 4 * _POINTS**2 * 4
    count = max(2, round(gigabytes * 1e9 / (state * _TIMES)))
    about = Metadata(
        name="waves",
        fields=(Field("density"), Field("pressure"), Field("velocity", 1)),
        time=np.arange(_TIMES) / _POINTS,
        axes={"x": axis, "y": axis},
        trajectories=count,
        precision=np.dtype(np.float32),
        boundary={"x": "PERIODIC", "y": "PERIODIC"},
        parameters={"gamma": 1.4},
    )
    write_parts(about, path, (_wave(axis, seed) for seed in range(count)))


def _wave(axis: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    phases, modes = random.uniform(0, 2 * np.pi, 4), random.integers(1, 5, (4, 2))
    angle = 2 * np.pi * (axis[:, None, None] * modes[:, 0] + axis[:, None] * modes[:, 1]) + phases
    first = (1 + 0.2 * np.sin(angle)).astype(np.float32)
    return np.stack([np.roll(first, step, 0) for step in range(_TIMES)])


def _network(width: int) -> nn.Module:
    torch.manual_seed(0)
    padded = {"padding": 1, "padding_mode": "circular"}
    return nn.Sequential(
        nn.Conv2d(4, width, 3, **padded),  # type: ignore[arg-type]
        nn.GELU(),
        nn.Conv2d(width, width, 3, **padded),  # type: ignore[arg-type]
        nn.GELU(),
        nn.Conv2d(width, 4, 3, **padded),  # type: ignore[arg-type]
    )


class _Training:
    """A network for the next state, and its optimiser."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def step(self, past: Tensor, future: Tensor) -> None:
        """One step on (batch, 1, x, y, channel) states."""
        x, y = (states[:, 0].movedim(-1, 1) for states in (past, future))
        self.optimizer.zero_grad()
        (x + self.network(x) - y).square().mean().backward()
        self.optimizer.step()


def _windows(path: Path) -> Windows:
    return Windows(path, batch=_BATCH, seed=0, buffer=_BUFFER)


def _epoch(path: Path, workers: int) -> tuple[int, float]:
    """Train the smallest network on every batch of an epoch: their number, and the seconds."""
    training, steps = _Training(nn.Conv2d(4, 4, 1)), 0
    loader = _windows(path).loader(workers=workers)
    began = time.perf_counter()
    for batch in loader:
        training.step(batch.past, batch.future)
        steps += 1
    return steps, time.perf_counter() - began


def _race(path: Path, workers: int) -> tuple[list[float], list[float]]:
    """Seconds of some steps from the file and from memory, in turn."""
    training, windows = _Training(_network(_WIDTH)), _windows(path)
    loader = windows.loader(workers=workers)
    batches = iter(loader)
    states = torch.cat([batch.past for _, batch in zip(range(8), batches, strict=False)])
    random = np.random.default_rng(0)

    def stream() -> Iterator[tuple[Tensor, Tensor]]:
        for batch in batches:
            yield batch.past, batch.future

    def memory() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            chosen = torch.from_numpy(random.integers(0, len(states) - 1, _BATCH))
            yield states[chosen], states[chosen + 1]

    seconds: dict[str, list[float]] = {"stream": [], "memory": []}
    for _ in range(_ROUNDS):
        for name, source in (("stream", stream()), ("memory", memory())):
            for step, (past, future) in enumerate(source):
                if step == _WARM:  # what was fetched ahead is used up
                    began = time.perf_counter()
                training.step(past, future)
                if step == _WARM + _STEPS - 1:
                    break
            seconds[name].append(time.perf_counter() - began)
    return seconds["stream"], seconds["memory"]


def _forget(path: Path) -> None:
    """Let the system read the file from the disk again."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _in_process(work: object, path: Path, workers: int) -> tuple[tuple, int]:  # type: ignore[type-arg]
    """The result of work in a fresh process, and the largest resident memory of it and its workers.

    Pages that processes share are counted for each.
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(work, path, workers, send))
    child.start()
    send.close()
    assert child.pid is not None
    largest = 0
    while not receive.poll(_SAMPLE):
        largest = max(largest, _resident(child.pid))
    result = receive.recv()
    child.join()
    return result, largest


def _send(work: object, path: Path, workers: int, send: Connection) -> None:
    assert callable(work)
    send.send(work(path, workers))
    send.close()


def _resident(process: int) -> int:
    """Bytes of memory of a process and those that it started, as Linux tells them."""
    folder = Path(f"/proc/{process}")
    try:
        own = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        started = (folder / f"task/{process}/children").read_text().split()
    except FileNotFoundError:  # it has just ended
        return 0
    return own + sum(_resident(int(child)) for child in started)
