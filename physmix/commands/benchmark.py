"""Measure our figures beside those of peers, and compare them with their targets."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from pathlib import Path

from physmix.benchmarks import BENCHMARKS, Row, Summary, table
from physmix.benchmarks.pace import PACE, curves
from physmix.commands.interface import FAILED, guarded
from physmix.errors import MissingPackageError, SettingsError
from physmix.files import write_whole

_FIELDS = ("case", "system", "metric", "value", "unit", "target")


def main() -> None:
    """The command physmix-benchmark."""
    parser = argparse.ArgumentParser(
        prog="physmix-benchmark",
        description="Measure a benchmark. Exit code 0: every figure of ours reaches its target; "
        "1: one falls short; 2: something cannot be measured.",
    )
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep rows here; measured cases are reused")
    parser.add_argument(
        "--case", default="*", metavar="PATTERN", help="only cases of this name, such as 'optimum*'"
    )
    parser.add_argument(
        "--figure", type=Path, metavar="FILE.png", help="draw error against time, of the cases that tell it"
    )
    given = parser.parse_args()
    sys.exit(guarded(lambda: benchmark(given.name, given.json, given.case, given.figure)))


def benchmark(name: str, file: Path | None = None, pattern: str = "*", figure: Path | None = None) -> int:
    """Measure the cases of a benchmark, print the table, and return the exit code.

    Rows are kept in the file after each case, so that a run that was stopped goes on where it was.

    Raises:
        SettingsError: if no case matches, the file holds something else, or there is nothing to draw.
        MissingPackageError: if a peer is not installed.
    """
    cases = {case: run for case, run in BENCHMARKS[name].items() if fnmatch.fnmatch(case, pattern)}
    if not cases:
        known = "; ".join(BENCHMARKS[name])
        raise SettingsError("the benchmark", f"no case matches {pattern!r}", f"the cases are {known}")
    if figure is not None and (figure.suffix != ".png" or not any(case.startswith(PACE) for case in cases)):
        problem = f"{figure} cannot be drawn"
        raise SettingsError("the figure", problem, f"name a .png file, and take cases '{PACE}*' of pinn")
    rows = _read(file) if file is not None and file.exists() else []
    done = {row.case for row in rows}
    for case, run in cases.items():
        if case in done:
            continue
        print(f"measuring: {case}", file=sys.stderr, flush=True)
        try:
            rows += run.of(case, rows) if isinstance(run, Summary) else run(case)
        except ImportError as error:
            raise MissingPackageError(str(error.name), "bench") from error
        if file is not None:
            write_whole(file, (json.dumps([row.as_dict() for row in rows], indent=1) + "\n").encode())
    shown = [row for row in rows if row.case in cases]
    print(table(shown))
    if figure is not None:
        from physmix.reporting.figures import as_png, pace_figure  # noqa: PLC0415  slow to import

        write_whole(figure, as_png(pace_figure(curves(shown))))
    return int(any(row.holds is False for row in shown)) if shown else FAILED


def _read(file: Path) -> list[Row]:
    remedy = "delete it, or give another path"
    try:
        found = json.loads(file.read_text())
        rows = [Row(**{key: row[key] for key in _FIELDS}) for row in found]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SettingsError(f"the file {file}", "it does not hold rows of a benchmark", remedy) from error
    return [row if row.value is not None else Row(**{**vars(row), "value": float("nan")}) for row in rows]
