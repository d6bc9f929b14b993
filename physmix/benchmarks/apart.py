"""Measurements in a process of their own, whose memory and threads nothing else has touched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CODE = "import json, sys; from {} import {} as run; print(json.dumps(run(*json.loads(sys.argv[1]))))"


def apart(measure: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a module returns in a process of its own; arguments and result pass as JSON.

    Raises:
        subprocess.CalledProcessError: if it fails; its messages go where ours do.
    """
    code = _CODE.format(measure.__module__, measure.__qualname__)
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return json.loads(out.stdout)


def peak() -> float:
    """The largest resident memory of this process so far, in GB.

    Linux tells it of the program that runs; `resource.getrusage` also counts the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(found) * 1024 / 1e9
