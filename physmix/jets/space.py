"""Which Taylor coefficients a jet carries, and the tables of its products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from physmix.errors import SettingsError
from physmix.operators import Monomial, monomials, plus


@dataclass(frozen=True)
class JetSpace:
    """Taylor expansions in `coordinates` variables, truncated to a lower set of monomials.

    A lower set has, with each monomial, all that divide it; so products and compositions need no
    coefficient outside. JetSpace(n, order) carries all monomials up to that total degree, and
    `closure` only what given ones need.

    Attributes:
        coordinates: the number of variables.
        order: the highest degree.
        indices: the monomials carried, by degree, of one degree as in `monomials`.
    """

    coordinates: int
    order: int
    indices: tuple[Monomial, ...] = ()

    def __post_init__(self) -> None:
        if not self.indices:
            degrees = (monomials(self.coordinates, degree) for degree in range(self.order + 1))
            object.__setattr__(self, "indices", tuple(itertools.chain.from_iterable(degrees)))

    @classmethod
    def closure(cls, needed: Iterable[Monomial]) -> JetSpace:
        """The smallest space with the monomials needed: time to order 1 and space to order 3, say.

            JetSpace.closure([(1, 0), (0, 3)]).indices  # (0, 0), (1, 0), (0, 1), (0, 2), (0, 3)

        Raises:
            SettingsError: if there are none, or their coordinates differ in number.
        """
        needed = tuple(needed)
        if len({len(monomial) for monomial in needed}) != 1:
            problem = f"the monomials needed are {needed}"
            raise SettingsError(
                "a jet space", problem, "give one or more, each with an exponent per coordinate"
            )
        lower = {
            index for monomial in needed for index in itertools.product(*(range(e + 1) for e in monomial))
        }
        indices = tuple(sorted(lower, key=lambda index: (sum(index), [-e for e in index])))
        return cls(len(needed[0]), sum(indices[-1]), indices)

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

    def place(self, monomial: Monomial) -> int:
        """Where a monomial stands.

        Raises:
            SettingsError: if it is not carried.
        """
        try:
            return self.position[monomial]
        except KeyError:
            problem = f"it does not carry the derivative {monomial}"
            raise SettingsError(
                "a jet", problem, "seed it with a higher order, or a closure that has it"
            ) from None
