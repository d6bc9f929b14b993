"""Check whether laws hold in checkpoints, run folders and HDF5 flows."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch

from physmix.checking import TOLERANCES, Finding, flow_fields, repair_flow
from physmix.commands.flow_files import Told, judge_file
from physmix.commands.interface import FAILED, guarded, say
from physmix.commands.laws import LawTexts, read_laws
from physmix.commands.models import judge, load_model
from physmix.errors import (
    CheckpointError,
    FlowFileError,
    PhysmixError,
    SettingsError,
)
from physmix.files import configurations
from physmix.flows import read_flow, write_flow
from physmix.grids import Scheme
from physmix.laws import TIME

_SEED = 20_000_003  # other points than those of the run itself


_NOTHING = Told()


@dataclass
class Verdict:
    """What was found at one path."""

    path: str
    kind: str
    findings: list[Finding] = field(default_factory=list)
    not_judged: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def code(self) -> int:
        """0 if all laws hold, 1 if some law is violated, 2 if the path cannot be judged."""
        if self.error is not None or not self.findings:
            return FAILED
        return int(not all(finding.holds for finding in self.findings))

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {
            "path": self.path,
            "kind": self.kind,
            "holds": self.code == 0,
            "findings": [finding.as_dict() for finding in self.findings],
            "not_judged": self.not_judged,
            "error": self.error,
        }


def main() -> None:
    """The command physmix-check."""
    parser = argparse.ArgumentParser(
        prog="physmix-check",
        description="Judge laws on checkpoints, run folders and HDF5 flows. "
        "Exit code 0: all hold; 1: some law is violated; 2: something cannot be judged.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", type=Path)
    parser.add_argument(
        "--laws",
        type=Path,
        metavar="FILE",
        help="YAML with laws: {name: text}, as in conf/law, or a name of the library",
    )
    parser.add_argument(
        "--scheme",
        choices=get_args(Scheme),
        help="judge derivatives in space on the grid of a flow, so; "
        "central2 serves walls, open ends and unequal spacing as well",
    )
    parser.add_argument(
        "--repair", type=Path, metavar="OUT", help="write the lawful flow nearest to PATH, an HDF5 flow"
    )
    parser.add_argument(
        "--constants", default="", help="numbers that the file of a flow does not tell, such as gamma=5/3"
    )
    parser.add_argument("--periodic", default="", metavar="AXES", help="likewise, dimensions such as x,y")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=_SEED, help="of the fresh points and states")
    given = parser.parse_args()

    def run() -> int:
        told = Told.of(given.constants, given.periodic)
        if given.repair is not None:
            scheme: Scheme = given.scheme or "spectral"
            return repair(given.paths, given.repair, given.laws, scheme, as_json=given.json, told=told)
        return check(given.paths, given.laws, given.seed, given.scheme, as_json=given.json, told=told)

    sys.exit(guarded(run))


def repair(
    paths: Sequence[Path],
    out: Path,
    laws: Path | None = None,
    scheme: Scheme = "spectral",
    *,
    as_json: bool = False,
    told: Told = _NOTHING,
) -> int:
    """Write the lawful flow that is nearest to a flow, and return 0 if its laws hold, else 1.

    Raises:
        SettingsError: if there is more than one path, or the file of laws cannot be read.
        FlowFileError: if the flow cannot be read, or the new one exists or cannot be written.
        UnsupportedLawError, UnknownFieldError, ContradictionError: see `repair_flow`.
    """
    if len(paths) != 1:
        raise SettingsError("the repair", f"{len(paths)} paths are given", "give one HDF5 flow")
    if out.exists():
        raise FlowFileError(out, "exists and is left as it is", "give another path, or move it away")
    (path,) = paths
    flow = read_flow(path, constants=told.constants, boundary=told.boundary)
    texts = read_laws(laws if laws is not None else configurations() / "law" / "totals.yaml")
    held = texts.parse((TIME, *flow.axes))
    if laws is None:
        held = tuple(law for law in held if set(law.fields) <= set(flow_fields(flow)))
    done = repair_flow(flow, held, scheme)
    note = {"repaired": json.dumps({"laws": texts.as_dict(), "scheme": scheme})}
    write_flow(replace(done.flow, provenance={**flow.provenance, **note}), out)
    holds = all(violation <= TOLERANCES[torch.float64] for violation in done.after.values())
    if as_json:
        content = {"before": done.before, "after": done.after, "change": done.change, "holds": holds}
        print(json.dumps({"path": str(path), "out": str(out), **content}, indent=1))
        return int(not holds)
    print(f"{path}, repaired as {out}")
    for law, violation in done.after.items():
        print(f"  {law:<12} {done.before[law]:.2e} before, {violation:.2e} after")
    for name, change in done.change.items():
        print(f"  {name:<12} changed by {change:.2e} of its size")
    return int(not holds)


def check(
    paths: Sequence[Path],
    laws: Path | None = None,
    seed: int = _SEED,
    scheme: Scheme | None = None,
    *,
    as_json: bool = False,
    told: Told = _NOTHING,
) -> int:
    """Judge every path, print every finding, and return the exit code.

    Raises:
        SettingsError: if the file of laws cannot be read, or holds none.
    """
    texts = None if laws is None else read_laws(laws)
    verdicts = [_verdict(path, texts, seed, scheme, told) for path in paths]
    code = max(verdict.code for verdict in verdicts)
    if as_json:
        print(json.dumps({"exit_code": code, "paths": [v.as_dict() for v in verdicts]}, indent=1))
        return code
    for verdict in verdicts:
        print(f"{verdict.path} ({verdict.kind})")
        for finding in verdict.findings:
            mark = "holds   " if finding.holds else "VIOLATED"
            print(
                f"  {mark} {finding.law:<12} {finding.violation:.2e} "
                f"(tolerance {finding.tolerance:.0e}), {finding.method}"
            )
        for law, reason in verdict.not_judged.items():
            print(f"  not judged {law}: {reason}")
        if verdict.error is not None:
            say(verdict.error)
    return code


def _verdict(path: Path, texts: LawTexts | None, seed: int, scheme: Scheme | None, told: Told) -> Verdict:
    flow = path.is_file() or path.suffix in (".h5", ".hdf5")
    verdict = Verdict(str(path), "flow" if flow else "checkpoint")
    try:
        if flow:
            verdict.findings, verdict.not_judged = judge_file(path, texts, scheme, told)
        else:
            _check_model(path, texts, seed, verdict)
    except PhysmixError as error:
        verdict.error = str(error)
    if verdict.error is None and not verdict.findings:
        verdict.error = f"{path}: no law could be judged; give laws with --laws FILE."
    return verdict


def _check_model(path: Path, texts: LawTexts | None, seed: int, verdict: Verdict) -> None:
    if not path.is_dir():
        raise CheckpointError(path, "does not exist", "give a run folder, a checkpoint or a flow")
    for folder in _checkpoints(path):
        model, description = load_model(folder)
        held = texts or LawTexts.of(description["judged"])
        verdict.findings += judge(model, description, held.parse(description["coordinates"]), seed)
    findings = verdict.findings
    for law in {finding.law: None for finding in findings if finding.trivial}:
        verdict.not_judged[law] = "every term is zero, so nothing was tested"
    # Where nothing varies, no other method tests anything either; a violation counts all the same.
    verdict.findings = [f for f in findings if f.law not in verdict.not_judged or not f.holds]


def _checkpoints(path: Path) -> list[Path]:
    """A checkpoint, or those of a run folder: one, or one for each window of time."""
    folder = (
        path if (path / "model.json").exists() or not (path / "checkpoint").is_dir() else path / "checkpoint"
    )
    windows = sorted(folder.glob("window-*"), key=lambda one: (len(one.name), one.name))
    found = [folder] if (folder / "model.json").exists() else windows
    if not found:
        raise CheckpointError(path, "holds no checkpoint", "give a run folder that is finished")
    return found
