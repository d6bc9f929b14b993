"""Measurements: residuals in units of their standard deviations, whose squares sum to a likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from physmix.errors import SettingsError, ShapeError, listing
from physmix.problems.regions import Region
from physmix.problems.state import State
from physmix.problems.terms import Term

_SLACK = 1e-3  # of the size of the region: sensors on a wall are rounded in tables


@dataclass(frozen=True)
class DataTerm(Term):
    """A term whose residuals are independent and normal, of unit variance: its weight is not a choice.

    Attributes:
        estimated: whether their variance is unknown in truth, and to be found from the data.
    """

    estimated: bool = False


@dataclass(frozen=True)
class Measured:
    """Fields at sensors, with noise that is independent and normal.

        Measured(points, {"ux": ux, "uy": uy}, deviation=0.01)

    Attributes:
        points: (sensor, coordinate), in physical units.
        values: of fields, or of what the equations derive, by name; one number for each sensor.
        deviation: standard deviation of the noise, in units of the field; by field where they differ, and
            one number for each sensor where these do. One for each field is estimated where omitted.
        name: in messages.
    """

    points: Tensor
    values: Mapping[str, Tensor]
    deviation: float | Mapping[str, float | Tensor] | None = None
    name: str = "measured"

    def terms(self, region: Region, derived: Mapping[str, Callable[[State], Tensor]]) -> list[DataTerm]:
        """The terms, one for each field.

        Args:
            region: of the problem.
            derived: see `Equations`.

        Raises:
            ShapeError: if there is not one number for each sensor.
            SettingsError: if there is nothing, or a number is not finite, or a deviation is not positive, or
                a sensor is outside of the region.
        """
        coordinates = region.coordinates
        if self.points.ndim != 2 or self.points.shape[1] != len(coordinates) or not len(self.points):
            raise ShapeError("the sensors", self.points.shape, f"(sensor, {listing(coordinates)})")
        outside = region.beyond(self.points.detach().double(), _SLACK)
        if bool(outside.any()):
            first = ", ".join(f"{number:g}" for number in self.points[outside][0].tolist())
            problem = f"{int(outside.sum())} of {len(self.points)} lie outside of the region, such as {first}"
            raise SettingsError(
                "the sensors", problem, "leave them out, or correct their units or the region"
            )
        if not self.values:
            raise SettingsError("measurements", "no field is measured", "give values by field")
        if isinstance(self.deviation, Mapping) and set(self.deviation) != set(self.values):
            problem = f"there are deviations of {listing(self.deviation)}, values of {listing(self.values)}"
            raise SettingsError("measurements", problem, "give both by the same fields")
        return [self._term(field, value, derived.get(field)) for field, value in self.values.items()]

    def _term(self, field: str, value: Tensor, rule: Callable[[State], Tensor] | None) -> DataTerm:
        count = len(self.points)
        given = self.deviation[field] if isinstance(self.deviation, Mapping) else self.deviation
        deviation = torch.as_tensor(1.0 if given is None else given, dtype=torch.float64)
        deviation = deviation.expand(count) if deviation.ndim == 0 else deviation
        for what, numbers in (("values", value), ("deviations", deviation)):
            if numbers.shape != (count,):
                raise ShapeError(f"the {what} of {field}", numbers.shape, f"({count},), one for each sensor")
            if not bool(numbers.isfinite().all()):
                bad = int((~numbers.isfinite()).sum())
                raise SettingsError(
                    f"the {what} of {field}", f"{bad} are NaN or infinite", "leave these sensors out"
                )
        if not bool((deviation > 0).all()):
            raise SettingsError(f"the deviations of {field}", "some are not positive", "correct them")

        def residual(y: State) -> dict[str, Tensor]:
            found = y[field] if rule is None else rule(y)
            return {field: (found - y["measured"]) / y["deviation"]}

        known = {"measured": value.double(), "deviation": deviation}
        at = self.points.detach().double()
        return DataTerm(f"{self.name} {field}", at, residual, known, float(count), estimated=given is None)
