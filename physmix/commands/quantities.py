"""Numbers that a problem's configuration asks of its solution: forces, fluxes and integrals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from physmix.commands.notation import Notation
from physmix.commands.problems import parts_of
from physmix.commands.registry import call
from physmix.errors import SettingsError, listing
from physmix.problems import Problem
from physmix.training import Quantities, Quantity, Solution

Rule = Callable[[Solution, Solution | None], Quantity]


def read_quantity(settings: object, problem: Problem, notation: Notation) -> Rule:
    """What is asked of a solution.

    {force: PART, along: x}, {flux: PART, of: u}, or {integral: PART, of: FORMULA}; PART may be "region".

    Raises:
        SettingsError: if it is something else.
    """
    kinds = ("force", "flux", "integral")
    kind = next((k for k in kinds if isinstance(settings, Mapping) and k in settings), None)
    if kind is None:
        raise SettingsError("a quantity", f"{settings!r}", f"give one of {listing(kinds)}")
    assert isinstance(settings, Mapping)

    def ask(*, where: str, of: str = "", along: str = "", at: float | None = None, nodes: int = 64) -> Rule:
        fixed = {} if at is None else {"t": at}
        region = problem.region
        place: Any = region if where == "region" else parts_of(region, where)[0]
        formula = notation.formula(of) if kind == "integral" else None
        if kind == "force" and along not in problem.coordinates:
            raise SettingsError("a force", f"along={along!r}", f"choose from {listing(problem.coordinates)}")

        def rule(solution: Solution, twin: Solution | None) -> Quantity:
            found = Quantities(solution, twin or solution)
            if kind == "force":
                one = found.force(place, nodes=nodes, **fixed)[found.axes.index(along)]
            elif formula is None:
                one = found.flux(place, of or "u", nodes=nodes, **fixed)
            else:
                one = found.integral(place, formula, nodes=nodes, **fixed)
            return one if twin else Quantity(one.value, float("nan"))

        return rule

    rest = {"where" if key == kind else str(key): value for key, value in settings.items()}
    return call(ask, rest, "a quantity")
