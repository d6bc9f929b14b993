"""Simulate a flow and write it as HDF5."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from physmix.commands.ensemble import EnsembleSettings, simulate_ensemble
from physmix.commands.interface import run_configured
from physmix.commands.registry import FLOWS, call, choose
from physmix.errors import FlowFileError
from physmix.flows import Flow, read_flow, write_flow

SAME = 1e-12


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """What conf/simulate.yaml says; see there."""

    flow: Mapping[str, Any]
    output: str
    overwrite: bool
    processes: int
    ensemble: Mapping[str, Any] | None = None


def main() -> None:
    """The command physmix-simulate."""
    sys.exit(run_configured("simulate", simulate))


def simulate(settings: Mapping[str, Any]) -> int:
    """Simulate a flow, or an ensemble; an existing file is compared, and never overwritten unasked.

    Raises:
        FlowFileError: if a file exists and holds another flow.
        PhysmixError: if the flow cannot be made.
    """
    run = call(SimulationSettings, settings, "the simulation")
    path = Path(run.output)
    if run.ensemble is not None:
        ensemble = call(EnsembleSettings, run.ensemble, "the ensemble")
        return simulate_ensemble(run.flow, ensemble, path, run.processes, overwrite=run.overwrite)
    make = choose(FLOWS, run.flow.get("solver"), "the flow's solver")
    rest = {key: value for key, value in run.flow.items() if key != "solver"}
    duration = rest.get("duration")
    known = isinstance(duration, int | float) and duration > 0
    with tqdm(
        total=duration if known else None,
        unit="t",
        desc=str(rest.get("name")),
        disable=not known,
        delay=1.0,  # a flow that cannot be made ends with one sentence, and no bar
        bar_format="{l_bar}{bar}| {n:.2f}/{total:.2f}",
    ) as bar:

        def progress(time: float) -> None:
            bar.update(time - bar.n)

        flow = call(make, rest, "the flow", progress=progress)
    if path.exists() and not run.overwrite:
        difference = _difference(read_flow(path), flow)
        if not difference <= SAME:
            raise FlowFileError(
                path,
                f"exists and holds another flow (relative difference {difference:.1e})",
                "add overwrite=true, or output=PATH for another file",
            )
        print(f"{path} holds this flow already: relative difference {difference:.1e}, left as it is")
        return 0
    write_flow(flow, path)
    print(f"wrote {path}: {', '.join(flow.components)} at {len(flow.time)} times on {flow.grid}")
    return 0


def _difference(old: Flow, new: Flow) -> float:
    """The largest difference of any field over its largest value; infinite if shapes differ."""
    if old.components != new.components:
        return float("inf")
    worst = 0.0
    for name in new.components:
        a, b = old.component(name), new.component(name)
        if a.shape != b.shape:
            return float("inf")
        worst = max(worst, float(np.abs(a - b).max() / (np.abs(b).max() or 1.0)))
    return worst
