"""Numbers that a problem's configuration asks of its solution: forces, fluxes and integrals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from physmix.commands.notation import Notation
from physmix.commands.problems import parts_of
from physmix.commands.registry import call
from physmix.errors import SettingsError, listing
from physmix.problems import Problem
from physmix.training import Quantities, Quantity, Solved

Rule = Callable[..., Quantity]
"""(solution, twin or None, coordinates that are held by name)."""


@dataclass(frozen=True)
class Wanted:
    """A quantity that is asked of a solution.

    Attributes:
        rule: finds it.
        times: at which it is asked; none where it is a single number.
    """

    rule: Rule
    times: tuple[float, ...] = ()

    def found(self, solution: Solved, twin: Solved | None) -> dict[str, Any]:
        """As metrics hold it: value and error, or lists of both with their times."""
        if not self.times:
            return vars(self.rule(solution, twin))
        one = [self.rule(solution, twin, t=time) for time in self.times]
        told = {"value": [q.value for q in one], "error": [q.error for q in one]}
        return {"times": list(self.times), **told}


def read_quantity(
    settings: object, problem: Problem, notation: Notation, times: Sequence[float] = ()
) -> Wanted:
    """What is asked of a solution.

    {force: PART, along: x}, {flux: PART, of: u}, or {integral: PART, of: FORMULA}; PART may be "region".
    Where there is time they are integrals over it as well, unless it is held: at: 1.0, at: [0, 0.5, 1],
    or at: times, which are those of the run.

    Raises:
        SettingsError: if it is something else.
    """
    kinds = ("force", "flux", "integral")
    kind = next((k for k in kinds if isinstance(settings, Mapping) and k in settings), None)
    if kind is None:
        raise SettingsError("a quantity", f"{settings!r}", f"give one of {listing(kinds)}")
    assert isinstance(settings, Mapping)

    def ask(
        *,
        where: str,
        of: str = "",
        along: str = "",
        at: float | str | Sequence[float] | None = None,
        nodes: int = 64,
    ) -> Wanted:
        region = problem.region
        place: Any = region if where == "region" else parts_of(region, where)[0]
        formula = notation.formula(of) if kind == "integral" else None
        if kind == "force" and along not in problem.coordinates:
            raise SettingsError("a force", f"along={along!r}", f"choose from {listing(problem.coordinates)}")

        def rule(solution: Solved, twin: Solved | None, **fixed: float) -> Quantity:
            found = Quantities(solution, twin or solution)
            if kind == "force":
                one = found.force(place, nodes=nodes, **fixed)[found.axes.index(along)]
            elif formula is None:
                one = found.flux(place, of or "u", nodes=nodes, **fixed)
            else:
                one = found.integral(place, formula, nodes=nodes, **fixed)
            return one if twin else Quantity(one.value, float("nan"))

        if at is None:
            return Wanted(rule)
        _check_times(at, problem)
        if isinstance(at, int | float):
            return Wanted(partial(rule, t=at))
        return Wanted(rule, tuple(times) if isinstance(at, str) else tuple(map(float, at)))

    rest = {"where" if key == kind else str(key): value for key, value in settings.items()}
    return call(ask, rest, "a quantity")


def _check_times(at: float | str | Sequence[float], problem: Problem) -> None:
    if "t" not in problem.region.box:
        raise SettingsError("a quantity", f"at={at}, and there is no time", "leave it out")
    low, high = problem.region.box["t"]
    wanted = [] if isinstance(at, str) else [at] if isinstance(at, int | float) else at
    if at == "times" or (wanted and all(low <= one <= high for one in wanted)):
        return
    remedy = f"give times from {low:g} to {high:g}, or the word times"
    raise SettingsError("a quantity", f"at={at}", remedy)
