"""Demonstrate the systems of constrained channel mixing, each beside the peer of its field."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from physmix.benchmarks import Row, table
from physmix.benchmarks.systems import SYSTEMS
from physmix.commands.interface import FAILED, guarded, say
from physmix.commands.registry import call
from physmix.errors import MissingPackageError, SettingsError
from physmix.files import configurations, write_whole
from physmix.reporting import draw_panels

ALL = "all"


def main() -> None:
    """The command physmix-applications."""
    parser = argparse.ArgumentParser(
        prog="physmix-applications",
        description="Run a system on real data beside the peer of its field. Exit code 0: every figure of "
        "ours reaches its target; 1: one falls short; 2: something cannot be measured.",
    )
    parser.add_argument("name", choices=[*SYSTEMS, ALL])
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="of conf/application/NAME.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="draw NAME.png here")
    given = parser.parse_args()
    sys.exit(guarded(lambda: applications(given.name, given.settings, given.json, given.figures)))


def applications(
    name: str, overrides: Sequence[str] = (), file: Path | None = None, figures: Path | None = None
) -> int:
    """Demonstrate one system or all, print the tables, and return the exit code.

    Raises:
        SettingsError: for a key or a value that does not fit, or settings for all at once.
        MissingPackageError: if the data or a peer of one system is not installed; of all, it is said.
    """
    if name == ALL and overrides:
        raise SettingsError("the applications", f"{overrides[0]} is given for all", "name one of them")
    rows: list[Row] = []
    missing = False
    for one in SYSTEMS if name == ALL else [name]:
        system = SYSTEMS[one]
        begin = time.perf_counter()
        try:
            shown = call(system.demonstrate, settings_of(one, overrides), f"the application {one}")
        except MissingPackageError as error:
            if name != ALL:
                raise
            say(f"{one}: {error}")  # the others need not wait for it
            missing = True
            continue
        seconds = time.perf_counter() - begin
        short = [row for row in shown.rows if row.holds is False]
        verdict = "FALLS SHORT" if short else "holds"
        print(f"{system.number}. {system.title}: {system.claim}\n{table(shown.rows)}")
        print(f"{one}: {verdict} ({seconds:.1f} s)\n", flush=True)
        rows += shown.rows
        if file is not None:
            write_whole(file, (json.dumps([row.as_dict() for row in rows], indent=1) + "\n").encode())
        if figures is not None:
            picture = draw_panels(shown.panels, system.title, shown.columns)
            write_whole(figures / f"{one}.png", picture)
    return FAILED if missing else int(any(row.holds is False for row in rows))


def settings_of(name: str, overrides: Sequence[str] = ()) -> Mapping[str, Any]:
    """The settings of conf/application/NAME.yaml, with some of them overridden."""
    given = [f"application.{text}" for text in overrides]
    with initialize_config_dir(str(configurations()), version_base="1.3"):
        config = compose("applications", [f"application={name}", *given])
    settings: Any = OmegaConf.to_container(config.application, resolve=True)
    return {key: value for key, value in settings.items() if key != "name"}
