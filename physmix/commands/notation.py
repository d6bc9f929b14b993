"""The names in the formulas of a configuration; formulas are parsed and never evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from physmix.errors import SettingsError
from physmix.problems import Formula, State

_FORMULAS = ("distance", "stream", "potential")  # keys of walls and liftings
_ANGLES = ("start", "opening")  # of corners
_ROUNDS = 8  # of formulas that name others
_LONGEST = 20_000


@dataclass(frozen=True)
class Notation:
    """What names in the formulas of a configuration stand for.

    Attributes:
        constants: numbers.
        let: formulas.
    """

    constants: Mapping[str, float]
    let: Mapping[str, str]

    @classmethod
    def of(cls, constants: Mapping[str, Any], let: Mapping[str, Any]) -> Notation:
        """Check what a configuration says.

        Raises:
            SettingsError: if a constant is no number, or a formula no text.
        """
        for name, value in constants.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise SettingsError("the constants", f"{name}={value!r}", "give a number")
        for name, text in let.items():
            if not isinstance(text, str) or not name.isidentifier():
                raise SettingsError("let", f"{name}: {text!r}", "give formulas by name")
        return cls({name: float(value) for name, value in constants.items()}, dict(let))

    def spelled(self, text: object) -> str:
        """A formula with what it names written out.

        Raises:
            SettingsError: if it is neither text nor a number, or formulas name each other in a circle.
        """
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            raise SettingsError("a formula", f"{text!r}", "write a text such as 4*y*(1 - y)")
        found = str(text)
        if not self.let:
            return found
        names = re.compile(rf"\b({'|'.join(map(re.escape, self.let))})\b")
        for _ in range(_ROUNDS):
            if not names.search(found):
                return found
            found = names.sub(lambda match: f"({self.let[match[1]]})", found)
            if len(found) > _LONGEST:
                break
        raise SettingsError("let", f"{text!r} names formulas without end", "let none name itself")

    def written(self, text: object) -> str:
        """The same, with constants as numbers: for what knows coordinates alone."""
        found = self.spelled(text)
        for name, value in self.constants.items():
            found = re.sub(rf"\b{re.escape(name)}\b", f"({value!r})", found)
        return found

    def formula(self, text: object) -> Formula:
        """A formula of fields and coordinates."""
        return Formula(self.spelled(text), self.constants)

    def number(self, value: float | str) -> float | str:
        """A number, a constant, or the name of an unknown."""
        return self.constants.get(value, value) if isinstance(value, str) else value

    def values(self, texts: Mapping[str, Any]) -> dict[str, float]:
        """Numbers by name; see `value`."""
        return {str(name): self.value(text) for name, text in texts.items()}

    def value(self, text: object) -> float:
        """A number, or one from a text such as pi/2.

        Raises:
            SettingsError: if it names a coordinate or a field.
        """
        formula = self.formula(text)
        if formula.names:
            problem = f"{text!r} names {', '.join(sorted(formula.names))}"
            raise SettingsError("a number", problem, "write one such as pi/2, or name a constant")
        return float(formula.at(torch.zeros(1, 1, dtype=torch.float64), ("x",)))

    def residual(self, texts: Mapping[str, Any]) -> Callable[[State], dict[str, Tensor]]:
        """Named residuals."""
        formulas = {str(name): self.formula(text) for name, text in texts.items()}
        return lambda y: {name: formula(y) for name, formula in formulas.items()}


def written_out(settings: Sequence[Mapping[str, Any]], notation: Notation) -> list[dict[str, Any]]:
    """Walls, liftings or enrichments with formulas written out, and angles as numbers."""
    kinds = dict.fromkeys(_FORMULAS, notation.written) | dict.fromkeys(_ANGLES, notation.value)
    return [{k: kinds[k](v) if k in kinds else v for k, v in one.items()} for one in settings]
