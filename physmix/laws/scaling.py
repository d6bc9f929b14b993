"""Units in which fields and coordinates are of size one, folded into the laws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from physmix.errors import SamplesError, SettingsError
from physmix.laws.law import Law


def power_of_two(size: float) -> float:
    """The power of two nearest to a size in ratio; scaling by it is exact in floating point."""
    return 2.0 ** round(math.log2(size)) if size > 0 and math.isfinite(size) else 1.0


@dataclass(frozen=True)
class Scaling:
    """Coordinates x = centre + length * xi, and fields y = size * y_hat, each by name.

    Names that are not given keep their units. What follows a lawful layer must be lawful: so the
    sizes go into the law before it is compiled, and only then multiply the output.

    Raises:
        SettingsError: for a length or size that is not a positive number.
    """

    centre: Mapping[str, float] = field(default_factory=dict)
    length: Mapping[str, float] = field(default_factory=dict)
    size: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in [*self.length.items(), *self.size.items()]:
            if not (math.isfinite(value) and value > 0):
                raise SettingsError("the scaling", f"{name}={value}", "give a positive number")

    @classmethod
    def fitting(cls, box: Mapping[str, Sequence[float]], sizes: Mapping[str, float] | None = None) -> Scaling:
        """The scaling that brings a box near to [-1, 1] and typical sizes of fields near to 1."""
        centre = {name: (low + high) / 2 for name, (low, high) in box.items()}
        length = {name: power_of_two((high - low) / 2) for name, (low, high) in box.items()}
        size = {name: power_of_two(value) for name, value in (sizes or {}).items()}
        return cls(centre, length, size)

    @classmethod
    def of_data(cls, points: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> Scaling:
        """The scaling that standardises data: coordinates by mean and deviation, fields by deviation.

            Scaling.of_data({"t": t, "x": x}, {"rho": rho, "m": m})

        Deviations are rounded to powers of two, which units may be without rounding a number; what
        does not vary keeps its unit. The means of fields are no units: see `lawful_mean`.

        Args:
            points: samples of each coordinate.
            values: samples of each field.

        Raises:
            SamplesError: if there are none, or some are not finite.
        """
        for name, sample in {**points, **values}.items():
            if not sample.numel() or not bool(torch.isfinite(sample).all()):
                raise SamplesError(name, "there is none, or some are not finite", "give finite numbers")
        centre = {name: float(sample.double().mean()) for name, sample in points.items()}
        length = {name: power_of_two(float(s.double().std(correction=0))) for name, s in points.items()}
        size = {name: power_of_two(float(s.double().std(correction=0))) for name, s in values.items()}
        return cls(centre, length, size)

    def apply(self, law: Law) -> Law:
        """The law as the scaled fields obey it in the scaled coordinates."""
        return law.scaled(self.size, self.length)
