"""Ensembles of flows: members drawn from ranges, simulated by several processes, in The Well's folders."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from tqdm import tqdm

from physmix.commands.interface import check_keys
from physmix.commands.registry import FLOWS, at_least, call, choose
from physmix.errors import FlowFileError, PhysmixError, SettingsError, listing
from physmix.files import write_whole
from physmix.flows import FlowFile, statistics, write_flow

SPLITS = ("train", "valid", "test")
_MEMBER = "member"


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings:
    """What conf/ensemble says; see there.

    Attributes:
        name: of the data set, and of its files.
        members: how many of each split: train, valid, test.
        ranges: lowest and highest value of settings of the flow; whole numbers stay whole.
        seed: of the draw; each member has its own, which no number of members changes.
    """

    name: str
    members: Mapping[str, Any]
    ranges: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Member:
    """One file: where it goes, the solver, and its settings."""

    path: Path
    solver: str
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Split and file."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def text(self) -> str:
        """How it is made, as it stands in its file."""
        return json.dumps({"solver": self.solver, **self.settings}, sort_keys=True)


def draw_members(flow: Mapping[str, Any], ensemble: EnsembleSettings, folder: Path) -> list[Member]:
    """All members of an ensemble.

    Raises:
        SettingsError: if splits, numbers or ranges do not fit.
    """
    check_keys(ensemble.members, SPLITS, "the ensemble's members")
    for split, count in ensemble.members.items():
        if not isinstance(count, int) or isinstance(count, bool):
            raise SettingsError("the ensemble", f"members.{split}={count!r}", "give a whole number")
        at_least("the ensemble", 0, **{f"members.{split}": count})
    base = {key: value for key, value in flow.items() if key != "solver"}
    check_keys(ensemble.ranges, tuple(base), "the ensemble's ranges")
    ranges = {name: _range(name, ensemble.ranges[name]) for name in sorted(ensemble.ranges)}
    found = []
    for number, split in enumerate(SPLITS):
        for i in range(ensemble.members.get(split, 0)):
            random = np.random.default_rng([ensemble.seed, number, i])
            own: dict[str, Any] = {"seed": int(random.integers(2**31))} if "seed" in base else {}
            for name, (low, high) in ranges.items():
                whole = isinstance(low, int) and isinstance(high, int)
                own[name] = (
                    int(random.integers(int(low), int(high) + 1))
                    if whole
                    else float(random.uniform(low, high))
                )
            path = folder / "data" / split / f"{ensemble.name}_{i:05d}.hdf5"
            found.append(Member(path, str(flow.get("solver")), {**base, **own, "name": ensemble.name}))
    return found


def _range(name: str, value: Any) -> tuple[float, float]:
    numbers = isinstance(value, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value
    )
    if not numbers or len(value) != 2 or not value[0] <= value[1]:
        raise SettingsError("the ensemble", f"the range {name}={value!r}", "give [lowest, highest]")
    return value[0], value[1]


def simulate_ensemble(
    flow: Mapping[str, Any], ensemble: EnsembleSettings, folder: Path, processes: int, *, overwrite: bool
) -> int:
    """Make all members that are not there yet, and the statistics of the training split.

    A file appears whole or not at all; so the same command goes on where a run was stopped.

    Raises:
        FlowFileError: if a file exists that was made otherwise.
        SettingsError: if the settings do not fit, or some members cannot be simulated.
    """
    at_least("the simulation", 1, processes=processes)
    members = draw_members(flow, ensemble, folder)
    choose(FLOWS, flow.get("solver"), "the flow's solver")
    missing = members if overwrite else [member for member in members if not _is_made(member)]
    failed = dict(_failures(missing, processes))
    if failed:
        first, error = next(iter(failed.items()))
        problem = f"{len(failed)} of {len(members)} members failed, {first} among them: {error}"
        raise SettingsError("the ensemble", problem, "narrow the ranges; the others are there")
    train = [member.path for member in members if member.path.parent.name == SPLITS[0]]
    if train and (missing or not (folder / "stats.yaml").exists()):
        text = yaml.safe_dump(statistics(train), sort_keys=False)
        write_whole(folder / "stats.yaml", text.encode())
    counts = listing(f"{split} {count}" for split, count in ensemble.members.items())
    print(f"{folder}: {counts} members, {len(missing)} of them simulated now")
    return 0


def _is_made(member: Member) -> bool:
    """Whether the file of a member is there.

    Raises:
        FlowFileError: if it was made otherwise.
    """
    if not member.path.exists():
        return False
    with FlowFile(member.path) as file:
        if file.metadata.provenance.get(_MEMBER) != member.text:
            problem = "exists and was made with other settings"
            remedy = "add overwrite=true, or output=PATH for another folder"
            raise FlowFileError(member.path, problem, remedy)
    return True


def _failures(members: list[Member], processes: int) -> Iterator[tuple[str, str]]:
    """Simulate members; those that failed, with the reason."""
    with tqdm(total=len(members), unit="flow", disable=not members, delay=1.0) as bar:
        if processes == 1:
            for member in members:
                if (reason := _make(member)) is not None:
                    yield member.name, reason
                bar.update()
            return
        # Solvers change the working directory and keep threads: each has a fresh process of its own.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, initializer=_alone) as pool:
            jobs: dict[Future[str | None], Member] = {pool.submit(_make, each): each for each in members}
            try:
                for job in as_completed(jobs):
                    if (reason := job.result()) is not None:
                        yield jobs[job].name, reason
                    bar.update()
            except BrokenProcessPool as error:
                problem = "a process was ended before its flow was made"
                raise SettingsError("the simulation", problem, "lower processes, and run it again") from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _alone() -> None:
    torch.set_num_threads(1)


def _make(member: Member) -> str | None:
    """Simulate a member and write its file; the reason if it cannot be."""
    make: Callable[..., Any] = choose(FLOWS, member.solver, "the flow's solver")
    try:
        flow = call(make, member.settings, "the flow")
        noted = replace(flow, provenance={**flow.provenance, _MEMBER: member.text})
        write_flow(noted, member.path)
    except PhysmixError as error:
        return str(error)
    return None
