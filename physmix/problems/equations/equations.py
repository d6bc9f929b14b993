"""What a set of equations is: yours is written in the same way as ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from physmix.problems.state import Residual, State


@dataclass(frozen=True)
class Equations:
    """Fields, the laws among them that weights hold exactly, and the residuals that a solver makes small.

        heat = Equations(
            "heat", coordinates=("t", "x"), fields=("T", "q"),
            laws={"energy": "dt(T) + dx(q) = 0"},
            residual=lambda y: {"Fourier": y["q"] + 0.1 * y.d("T", "x")},
        )

    Attributes:
        name: in messages.
        coordinates: one letter each; t is time.
        fields: the outputs.
        laws: texts, see `parse_laws`; the residuals need not repeat them.
        residual: from a state to named residuals, or None where the laws say all.
        vectors: names that the laws use as vectors.
        tensors: names that the laws use as symmetric tensors.
        derived: what follows from the fields at each point, such as a pressure, by name.
        sizes: typical sizes of fields, for their units; 1 where omitted.
    """

    name: str
    coordinates: Sequence[str]
    fields: Sequence[str]
    laws: Mapping[str, str] = field(default_factory=dict)
    residual: Residual | None = None
    vectors: Sequence[str] = ()
    tensors: Sequence[str] = ()
    derived: Mapping[str, Callable[[State], Tensor]] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "coordinates", tuple(self.coordinates))
        object.__setattr__(self, "fields", tuple(self.fields))

    def weighed(self, factor: Callable[[State], Tensor]) -> Equations:
        """The same with every residual times a factor, such as one that tames what grows in a corner."""
        residual = self.residual
        if residual is None:
            return self

        def weighed(y: State) -> dict[str, Tensor]:
            by = factor(y)
            return {name: by * value for name, value in residual(y).items()}

        return replace(self, residual=weighed)
