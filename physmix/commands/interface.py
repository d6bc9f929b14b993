"""What all commands share: configurations by Hydra, and failures as one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from physmix.errors import PhysmixError, SettingsError, listing, suggestion

FAILED = 2


def configurations() -> Path:
    """The folder conf/, in the installed package or beside it in a checkout.

    Raises:
        SettingsError: if it is in neither place.
    """
    package = Path(str(files("physmix")))
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise SettingsError("physmix", "the folder conf is missing", "install the package again")


def say(sentence: object) -> None:
    """Tell the user why the command ends."""
    print(f"physmix: {' '.join(str(sentence).split())}", file=sys.stderr)


def guarded(command: Callable[[], int]) -> int:
    """Run a command; a failure that the user can mend becomes one sentence and an exit code."""
    try:
        return command()
    except PhysmixError as error:
        say(error)
    except HydraException as error:
        say(f"configuration: {_hydra_problem(error)}; add --help to see what there is.")
    except OmegaConfBaseException as error:
        say(f"configuration: {str(error).splitlines()[0]}; correct the value.")
    except KeyboardInterrupt:
        say("interrupted; the same command with resume=true goes on from the last checkpoint.")
    except OSError as error:
        say(f"{error}; free space, or choose another place.")
    return FAILED


def _hydra_problem(error: HydraException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = lines[: next((i for i, line in enumerate(lines) if "search path" in line), len(lines))]
    lines = [line for line in lines if not line.startswith("To append to your config")]
    if error.__cause__ is not None:
        lines += str(error.__cause__).splitlines()[:1]
    return "; ".join(line.rstrip(".:") for line in lines)


def run_configured(name: str, command: Callable[[Mapping[str, Any]], int]) -> int:
    """Run a command with the configuration `name`, overridden by the command line.

    A sweep (-m) runs the command once for each combination; the exit code is the largest.
    """
    codes: list[int] = []

    def task(config: DictConfig) -> None:
        settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        codes.append(command(settings))  # type: ignore[arg-type]

    def face() -> int:
        # Failures reach `guarded` as exceptions, not as a print-out of Hydra's own.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        main = hydra.main(config_path=str(configurations()), config_name=name, version_base="1.3")
        main(task)()
        return max(codes, default=0)

    return guarded(face)


def check_keys(settings: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse keys of a configuration that nothing reads.

    Raises:
        SettingsError: for a key that is not known.
    """
    for key in settings:
        if key not in known:
            hint = suggestion(key, known)
            raise SettingsError(where, f"unknown key {key!r}{hint}", f"the keys are {listing(known)}")
