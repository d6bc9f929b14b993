"""Which power of the distance to a wall a potential needs, derived from the laws and the wall's fields.

A potential d^p chi, with d zero on the wall, has D^a (d^p chi) = 0 there as long as a differentiates
fewer than p times along coordinates that d depends on. So fields f vanish on the wall, whatever
chi, if W_(f,a) = 0 for all other a. These equations beside the laws leave a space of weights V_p, and
V_0 in V_1 in ... in V_(order + 1), which is every lawful weight: each p that adds weights is a class of
potentials. What a lower class mixes stays free on the wall, such as pressure and shear.

Where only u . n vanishes, derivatives of degree p may stay: there D^a (d^p chi) = p! chi (grad d)^a,
and grad d is along n; so the sum over i and |a| = p of n_i W_(u_i,a) n^a must vanish for every n.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import torch

from physmix.constraints import LinearSet
from physmix.errors import NoFreedomError, SettingsError, listing
from physmix.laws.compiler import Entry, MixingConstraint, compile_laws
from physmix.laws.law import Law
from physmix.laws.scaling import Scaling
from physmix.operators import Monomial, Operators, plus


@dataclass(frozen=True)
class WallRule:
    """What vanishes on a wall, up to a lifting.

    Attributes:
        fields: those that vanish, such as both velocities for no slip.
        normal: from coordinate to field, the vector whose normal component vanishes.
        varying: the coordinates that the distance to the wall depends on.
    """

    fields: tuple[str, ...] = ()
    normal: Mapping[str, str] = field(default_factory=dict)
    varying: tuple[str, ...] = ()

    def conditions(
        self, power: int, operators: Operators, scaling: Scaling
    ) -> list[Mapping[Entry, Fraction]]:
        """Equations on the weights of a potential that carries this power of the distance."""
        places = [operators.generators.index(name) for name in self.varying]
        degree = {a: sum(a[i] for i in places) for a in operators.monomials}
        found: list[Mapping[Entry, Fraction]] = [
            {(name, a): Fraction(1)}
            for name in self.fields
            for a in operators.monomials
            if degree[a] >= power
        ]
        polynomial: dict[Monomial, dict[Entry, Fraction]] = {}
        for coordinate, name in self.normal.items():
            if coordinate not in self.varying:
                continue  # the normal has no part along it
            place = operators.generators.index(coordinate)
            unit = tuple(int(i == place) for i in range(len(operators.generators)))
            # n_i u_i in scaled units: the gradient of d is divided by lengths, the field has a size.
            factor = Fraction(scaling.size.get(name, 1.0)) / Fraction(scaling.length.get(coordinate, 1.0))
            for a in operators.monomials:
                if degree[a] > power:
                    found.append({(name, a): Fraction(1)})
                elif degree[a] == power:
                    polynomial.setdefault(plus(a, unit), {})[name, a] = factor
        return found + list(polynomial.values())

    @property
    def held(self) -> tuple[str, ...]:
        """Every field that a constant would carry through the wall."""
        through = (name for coordinate, name in self.normal.items() if coordinate in self.varying)
        return tuple(dict.fromkeys((*self.fields, *through)))


@dataclass(frozen=True)
class WallClass:
    """Potentials of one kind.

    Attributes:
        powers: of the distance to each wall.
        weights: the lawful weights with which the wall's fields vanish.
    """

    powers: tuple[int, ...]
    weights: LinearSet


def wall_classes(
    laws: Iterable[Law],
    fields: Sequence[str],
    operators: Operators,
    rules: Sequence[WallRule],
    scaling: Scaling | None = None,
) -> tuple[WallClass, ...]:
    """The classes of potentials that together hold laws and walls, the lowest powers first.

    Powers that add no weights to those of lower ones are left out.

    Args:
        laws: in scaled units.
        fields: the output channels.
        operators: what is applied to each potential.
        rules: one for each wall; none gives one class of all lawful weights.
        scaling: the units, for the direction of the normal.

    Raises:
        SettingsError: if a rule names a field or coordinate that is not there, or nothing.
        NoFreedomError: if no class has a weight other than zero.
    """
    laws = tuple(laws)
    for rule in rules:
        _check_rule(rule, fields, operators)
    found: list[WallClass] = []
    powers = itertools.product(range(operators.order + 2), repeat=len(rules))
    for power in sorted(powers, key=lambda p: (sum(p), p)):
        conditions = [
            equation
            for rule, p in zip(rules, power, strict=True)
            for equation in rule.conditions(p, operators, scaling or Scaling())
        ]
        try:
            weights = compile_laws(laws, fields, operators, conditions).weights
        except NoFreedomError:
            continue
        lower = [
            one.weights.basis()
            for one in found
            if all(p <= q for p, q in zip(one.powers, power, strict=True))
        ]
        reached = int(torch.linalg.matrix_rank(torch.cat(lower, 1))) if lower else 0
        if weights.nullity > reached:
            found.append(WallClass(power, weights))
    if not found:
        names = listing(law.name for law in laws)
        raise NoFreedomError(f"the laws {names} and these walls", "drop a law, or raise the order")
    return tuple(found)


def wall_bias(constraint: MixingConstraint, rules: Iterable[WallRule]) -> LinearSet:
    """The lawful biases without a part in what vanishes on a wall.

    Raises:
        ContradictionError: if a law gives a wall's field a constant part.
    """
    held = list(dict.fromkeys(name for rule in rules for name in rule.held))
    rows = torch.zeros(len(held), len(constraint.fields), dtype=torch.float64)
    for i, name in enumerate(held):
        rows[i, constraint.fields.index(name)] = 1.0
    bias = constraint.bias
    names = [*bias.names, *(f"{name} on a wall" for name in held)]
    side = torch.cat([bias.right_side, rows.new_zeros(len(held))])
    return LinearSet(torch.cat([bias.matrix, rows]), side, names)


def _check_rule(rule: WallRule, fields: Sequence[str], operators: Operators) -> None:
    unknown = [name for name in (*rule.fields, *rule.normal.values()) if name not in fields]
    unknown += [name for name in (*rule.varying, *rule.normal) if name not in operators.generators]
    if unknown:
        known = f"fields are {listing(fields)}, coordinates {listing(operators.generators)}"
        raise SettingsError("a wall", f"it names {listing(unknown)}", known)
    if not rule.held:
        raise SettingsError("a wall", "nothing vanishes on it", "name its fields, or its normal vector")
