"""Measurements in a process of their own, whose memory and threads nothing else has touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_CODE = "import json, sys; from {} import {} as run; print(json.dumps(run(*json.loads(sys.argv[1]))))"


def apart(measure: Callable[..., Any], *arguments: Any, threads: int | None = None) -> Any:
    """What a function of a module returns in a process of its own; arguments and result pass as JSON.

    Args:
        measure: of a module.
        arguments: of it.
        threads: of all its libraries; as many as torch has here where omitted.

    Raises:
        subprocess.CalledProcessError: if it fails; its messages go where ours do.
    """
    code = _CODE.format(measure.__module__, measure.__qualname__)
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    # Libraries count processors where they are loaded, each in a way of its own.
    count = str(torch.get_num_threads() if threads is None else threads)
    environment = {**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)  # noqa: S603
    return json.loads(out.stdout)


def peak() -> float:
    """The largest resident memory of this process so far, in GB.

    Linux tells it of the program that runs; `resource.getrusage` also counts the one that started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(found) * 1024 / 1e9
