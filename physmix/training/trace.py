"""One trace for all solvers, and the loop that makes it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from physmix.errors import CheckpointError, SettingsError
from physmix.training.keeping import read_state, write_state

_KEPT_EVERY = 60.0  # seconds between states on disk
_REASON = "reason"  # why a run has ended, in the bytes of its text, beside its state


@dataclass(frozen=True)
class Step:
    """One step of a solver.

    Attributes:
        loss: the sum of squares before it; of a mini-batch, where there are any.
        gradient: norm of its gradient with respect to the free coordinates of what moves.
        step: norm of the step over that of the coordinates after it.
        damping: relative to the size of J; 0 for solvers without any.
        seconds: since the start, at its end.
    """

    loss: float
    gradient: float
    step: float
    damping: float
    seconds: float


@dataclass
class Trace:
    """What a solver did.

    Attributes:
        steps: in their order.
        reason: why it stopped.
        solver: its name, and why it was chosen.
        ended: whether there was nothing more to gain; else its steps or its time were over.
    """

    steps: list[Step] = field(default_factory=list)
    reason: str = ""
    solver: str = ""
    ended: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.steps[-1].seconds if self.steps else 0.0


class Move(NamedTuple):
    """A step without its time; see `Step`."""

    loss: float
    gradient: float
    step: float
    damping: float


@runtime_checkable
class Run(Protocol):
    """A solver at work on the weights of one model."""

    reason: str
    """Why it has ended; empty before."""

    def advance(self, share: float) -> Move | None:
        """Take a step, or none if there is nothing more to gain.

        Args:
            share: of the steps, or of the time, that is over.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        ...


def drive(
    run: Run,
    steps: int,
    *,
    seconds: float = math.inf,
    progress: Callable[[Step], None] | None = None,
    file: Path | None = None,
) -> Trace:
    """Take steps until there is nothing more to gain, or they are all done.

    Args:
        run: takes them.
        steps: at most.
        seconds: no step begins later.
        progress: called after each step.
        file: keeps the state, written whole once a minute and at the end; a run goes on from there, to
            the same numbers as without an interruption, and one that had ended has ended.

    Raises:
        SettingsError: if a number is not positive.
        CheckpointError: if the file is not a state of this run.
    """
    if steps < 1 or not seconds > 0:
        raise SettingsError("a solver", f"steps={steps}, seconds={seconds}", "give positive numbers")
    trace, before = Trace(), 0.0
    if file is not None and file.exists():
        state, found = read_state(file)
        _restore(run, state, file)
        trace.steps = [Step(*numbers) for numbers in found]
        before = trace.seconds
    begin = kept = time.perf_counter()
    while not run.reason:
        now = before + time.perf_counter() - begin
        if len(trace.steps) >= steps or now >= seconds:
            done = f"{len(trace.steps)} steps are done"
            trace.reason = done if len(trace.steps) >= steps else f"{seconds:g} seconds are over"
            break
        move = run.advance(max(len(trace.steps) / steps, now / seconds))
        if move is None:
            break
        trace.steps.append(Step(*move, before + time.perf_counter() - begin))
        if progress:
            progress(trace.steps[-1])
        if file is not None and time.perf_counter() - kept > _KEPT_EVERY:
            _keep(file, run, trace)
            kept = time.perf_counter()
    trace.reason, trace.ended = run.reason or trace.reason, bool(run.reason)
    if file is not None:
        _keep(file, run, trace)
    return trace


def _restore(run: Run, state: dict[str, Tensor], file: Path) -> None:
    """Go on from a state, if it has the parts that the run has now."""
    own, reason = run.state(), state.pop(_REASON, None)
    fits = own.keys() == state.keys() and own["weights"].shape == state["weights"].shape
    if not fits or reason is None:
        problem = "is the state of another solver, or of another model"
        raise CheckpointError(file, problem, "delete the file to begin again, or give another path")
    run.restore(state)
    run.reason = bytes(reason.tolist()).decode()


def _keep(file: Path, run: Run, trace: Trace) -> None:
    rows = [[one.loss, one.gradient, one.step, one.damping, one.seconds] for one in trace.steps]
    reason = torch.tensor(list(run.reason.encode()), dtype=torch.uint8)
    write_state(file, {**run.state(), _REASON: reason}, rows)
