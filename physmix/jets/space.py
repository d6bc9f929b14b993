"""Which Taylor coefficients a jet carries, and the tables of its products."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

from physmix.operators import Monomial, monomials, plus


@dataclass(frozen=True)
class JetSpace:
    """The truncated Taylor expansions in `coordinates` variables up to total degree `order`."""

    coordinates: int
    order: int

    @cached_property
    def indices(self) -> tuple[Monomial, ...]:
        """The monomials carried, by degree."""
        return tuple(
            index for degree in range(self.order + 1) for index in monomials(self.coordinates, degree)
        )

    @cached_property
    def position(self) -> dict[Monomial, int]:
        """Where each monomial stands among the coefficients."""
        return {index: place for place, index in enumerate(self.indices)}

    @cached_property
    def factorials(self) -> tuple[int, ...]:
        """a! for each monomial a: derivative = a! * coefficient."""
        return tuple(math.prod(math.factorial(i) for i in index) for index in self.indices)

    @cached_property
    def products(self) -> tuple[tuple[int, int, int], ...]:
        """All (i, j, k) with monomial k = monomial i + monomial j: the Cauchy product."""
        return tuple(
            (i, j, self.position[total])
            for (i, a), (j, b) in itertools.product(enumerate(self.indices), repeat=2)
            if (total := plus(a, b)) in self.position
        )

    def degree(self, place: int) -> int:
        """The total degree of the monomial at this place."""
        return sum(self.indices[place])
