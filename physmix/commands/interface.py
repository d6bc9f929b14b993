"""What all commands share: configurations by Hydra, and failures as one sentence."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import hydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from physmix.errors import PhysmixError, SettingsError, listing, suggestion
from physmix.files import configurations

FAILED, INTERRUPTED = 2, 130


class RunFailed(Exception):  # noqa: N818  the run itself has said what is wrong
    """A run of a sweep ended with an exit code, in a process of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


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
        say(f"configuration: {_hydra_sentence(error)}")
    except OmegaConfBaseException as error:
        say(f"configuration: {str(error).splitlines()[0]}; correct the value.")
    except KeyboardInterrupt:
        say("interrupted; the same command with resume=true goes on from the last checkpoint.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody listens any more
    except OSError as error:
        remedy = "free space" if error.errno == errno.ENOSPC else "check the path and its permissions"
        say(f"{error}; {remedy}.")
    return FAILED


def _hydra_sentence(error: HydraException) -> str:
    """What Hydra found, in one sentence with what to type instead."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "not found")
    first = first.rstrip(".")
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        hint = suggestion(name, error.options)
        return f"there is no {group}={name}{hint}; choose from {listing(error.options)}."
    if found := re.match(r"You must specify '(\w+)'", first):
        options = [line.strip() for line in str(error).splitlines()[2:] if line.strip()]
        return f"{found[1]} is not given; add {found[1]}=NAME, one of {listing(options)}."
    if found := re.match(r"Could not override '([\w.@/]+)'", first):
        known = OmegaConf.load(configurations() / "train.yaml")
        hint = suggestion(found[1], map(str, known))
        return f"there is no key {found[1]!r}{hint}; add --cfg job to see every key."
    return f"{first}; add --cfg job to see every key."


def run_configured(name: str, command: Callable[[Mapping[str, Any]], int]) -> int:
    """Run a command with the configuration `name`, overridden by the command line.

    A sweep (-m) runs the command once for each combination; the exit code is the largest, or where
    runs have processes of their own, that of the first run that failed.
    """
    codes: list[int] = []
    parent = os.getpid()

    def task(config: DictConfig) -> None:
        settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        # Guarded here as well: Hydra would add lines of its own to a failure.
        codes.append(guarded(lambda: command(settings)))  # type: ignore[arg-type]
        if codes[-1] and os.getpid() != parent:  # its list is a copy
            raise RunFailed(codes[-1])

    def face() -> int:
        # Failures reach `guarded` as exceptions, not as a print-out of Hydra's own.
        os.environ["HYDRA_FULL_ERROR"] = "1"
        main = hydra.main(config_path=str(configurations()), config_name=name, version_base="1.3")
        try:
            main(task)()
        except RunFailed as failed:
            return failed.code
        except ValueError as error:  # what the command itself raises was dealt with in `task`
            raise SettingsError("the command line", str(error), "correct it") from error
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
