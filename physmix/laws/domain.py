"""What polynomials do not see: the channels that periodic directions and holes of a domain add.

Along a periodic direction the mean of a lawful field need not have a periodic potential; around a hole
a lawful field may have potentials that are not single-valued. Periodic directions are counted from the
fields that are constant along them. For holes the potentials' own kernel is followed to its end: where
it has finite dimension m after k steps, each k-dimensional hole adds m channels (the cohomology of the
domain with coefficients in that kernel; Bott & Tu, "Differential Forms in Algebraic Topology", 1982).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from physmix.constraints import rational_null_space
from physmix.laws.completeness import Potentials, potentials_of, reached_rows
from physmix.laws.law import Law
from physmix.laws.modular import rank, residue
from physmix.laws.polynomial import Component, Vector, law_rows, polynomial_basis

_DEGREES = 6  # up to which a kernel of finite dimension is followed


@dataclass(frozen=True)
class HoleChannels:
    """The channels that each hole of one dimension adds.

    Attributes:
        dimension: of the cycle around the hole: 1 for a body in the plane, 2 for one in space.
        channels: for each hole.
    """

    dimension: int
    channels: int


def periodic_channels(potentials: Potentials, periodic: Iterable[str], degree: int = 1) -> tuple[Vector, ...]:
    """Lawful polynomial fields, constant along the periodic directions, that no periodic potential has.

    Args:
        potentials: from `potentials_of`.
        periodic: coordinates along which the domain closes.
        degree: of the polynomials in the other coordinates.
    """
    names = set(periodic)
    if not names:
        return ()  # polynomials saw everything
    held = [i for i, name in enumerate(potentials.coordinates) if name in names]
    part, count = potentials.component, len(potentials.coordinates)
    found: list[Vector] = []
    # Without orders of fields, the polynomials of a degree hold those of all lower ones.
    for each in range(degree + 1) if part.orders is not None else (degree,):
        basis = polynomial_basis(part, each, count, held)
        rows = reached_rows(part, potentials.weights, potentials.level, each, count, held)
        keys = dict.fromkeys([*basis, *(key for row in rows for key in row)])
        place = {key: i for i, key in enumerate(keys)}
        known = [{place[key]: residue(value) for key, value in row.items()} for row in rows]
        size = rank(known, len(place))
        for vector in rational_null_space(law_rows(part, basis), len(basis)):
            known.append({i: residue(value) for i, value in vector.items()})
            if rank(known, len(place)) > size:
                size += 1
                found.append({basis[i]: value for i, value in vector.items()})
    return tuple(found)


def hole_channels(potentials: Potentials) -> HoleChannels | None:
    """The channels that holes add; None if the kernel of the potentials is not followed to an end."""
    steps, current = 1, potentials
    while current.weights and current.complete and steps <= len(potentials.coordinates):
        laws, names = _kernel_laws(current)
        (*rest, part) = potentials_of(laws, names, current.coordinates)
        if rest:
            return None  # potentials that have nothing to do with each other
        if part.autonomous:
            size = _dimension(part.component, len(current.coordinates))
            return None if size is None else HoleChannels(steps, size)
        steps, current = steps + 1, part
    return None


def _kernel_laws(potentials: Potentials) -> tuple[list[Law], list[str]]:
    """What the potentials of the zero field obey: B phi = 0, one law for each field."""
    names = [f"potential {k + 1}" for k in range(len(potentials.weights))]
    laws = []
    for field in potentials.component.fields:
        terms = {
            (name, operator): value
            for name, vector in zip(names, potentials.weights, strict=True)
            for (target, operator), value in vector.items()
            if target == field
        }
        if terms:
            laws.append(Law(field, potentials.coordinates, terms))
    return laws, names


def _dimension(component: Component, coordinates: int) -> int | None:
    """Of the space of all polynomials that obey the laws, if it is finite."""
    total = 0
    for degree in range(_DEGREES):
        basis = polynomial_basis(component, degree, coordinates)
        equations = [{i: residue(v) for i, v in row.items()} for row in law_rows(component, basis)]
        here = len(basis) - rank(equations, len(basis))
        if component.orders is None:
            previous, total = total, here  # of all degrees up to this one
            if degree and previous == total:
                return total
        else:
            total += here
            if not here and degree >= max(component.orders.values()):
                return total
    return None


def written(field: Vector, coordinates: Iterable[str]) -> str:
    """A polynomial field as text: ux = 1, or rho = 1, mx = -x."""
    names = tuple(coordinates)
    parts: dict[str, str] = {}
    for (name, monomial), value in field.items():
        powers = [f"{c}^{e}" if e > 1 else c for c, e in zip(names, monomial, strict=True) if e]
        size = [] if abs(value) == 1 and powers else [str(abs(Fraction(value)))]
        before = parts.get(name, "")
        sign = (" - " if value < 0 else " + ") if before else ("-" if value < 0 else "")
        parts[name] = before + sign + "*".join([*size, *powers])
    return ", ".join(f"{name} = {text}" for name, text in parts.items())
