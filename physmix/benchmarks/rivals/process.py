"""A rival in a process of its own, so that no default, seed or thread of one touches another."""

from __future__ import annotations

import contextlib
import importlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import torch

from physmix.benchmarks.rivals.case import CASES
from physmix.errors import MissingPackageError, SettingsError, listing, suggestion

RIVALS = {
    "DeepXDE": "deepxde",
    "PINA": "pina",
    "random features without laws": "elm",
    "scikit-fem": "finite_elements",
}
"""Where each one is, by name."""
_CODE = "import sys; from physmix.benchmarks.rivals.process import answer; print(answer(sys.argv[1]))"


def rival(
    name: str, case: str, seconds: float, seed: int = 0, *, viscosity: float | None = None
) -> dict[str, float]:
    """Solve a case by a rival within a time, with as many threads as this process has.

    Args:
        name: of the rival, one of `RIVALS`.
        case: one of `CASES`.
        seconds: of wall time, from the first point that is drawn to the solution; imports come before, and
            the evaluation at the points of comparison after it.
        seed: of all that is drawn.
        viscosity: of the equations, if not that of the flow.

    Returns:
        The relative L2 errors of ux, uy and p at the points of comparison, and the seconds that it took.

    Raises:
        MissingPackageError: if the rival is not installed.
        SettingsError: if there is no such rival or case, or the time is not positive.
    """
    for what, given, known in (("rival", name, RIVALS), ("case", case, CASES)):
        if given not in known:
            problem = f"there is no {what} {given!r}{suggestion(given, known)}"
            raise SettingsError("the benchmark", problem, f"choose from {listing(known)}")
    if not seconds > 0:
        raise SettingsError("the benchmark", f"seconds={seconds}", "give a positive time")
    order = {
        "name": name,
        "case": case,
        "seconds": seconds,
        "seed": seed,
        "viscosity": viscosity,
        "threads": torch.get_num_threads(),
    }
    command = [sys.executable, "-c", _CODE, json.dumps(order)]
    out = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    if out.returncode:
        raise RuntimeError(f"{name} failed:\n{out.stderr}")
    found = json.loads(out.stdout)
    if "missing" in found:
        raise MissingPackageError(*found["missing"])
    return found


def answer(order: str) -> str:
    """What `rival` asks of its process, as JSON; what the rival prints goes to the standard error."""
    given: dict[str, Any] = json.loads(order)
    torch.set_num_threads(given["threads"])
    case = CASES[given["case"]]
    if given["viscosity"] is not None:
        case = replace(case, viscosity=given["viscosity"])
    module = importlib.import_module(f"physmix.benchmarks.rivals.{RIVALS[given['name']]}")
    with contextlib.redirect_stdout(sys.stderr):
        try:
            solve = module.solver(case, given["seed"])
        except MissingPackageError as error:
            return json.dumps({"missing": [error.package, error.extra]})
        torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one imports for seconds
        begin = time.perf_counter()
        fields = solve(given["seconds"])
        seconds = time.perf_counter() - begin
        return json.dumps({**case.errors(fields(case.points())), "seconds": seconds})
