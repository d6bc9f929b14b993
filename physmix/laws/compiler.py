"""From laws to the linear constraint on mixing weights.

Outputs are y_i = beta_i + sum over (k, a) of W_k,(i,a) D_a phi_k. Inserting them into a law
sum over (i, b) of l_i,b D_b y_i = s, it holds for every potential phi if, for every k and every
monomial c, the sum over i and a + b = c of l_i,b W_k,(i,a) vanishes: one small linear system,
the same for each potential. The bias is the potential 1, on which only the identity acts. Over the
whole domain differences vanish, so an integral law asks for the monomial c = 1 alone.

The algebra is that of Lange-Hegermann, "Algorithmic linearly constrained Gaussian processes",
NeurIPS 2018, section 4, with weights of a layer in place of a kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from physmix.constraints import LinearSet, null_space
from physmix.errors import NoFreedomError, SettingsError, UnsupportedLawError, listing
from physmix.laws.law import Law
from physmix.laws.scaling import Scaling
from physmix.operators import Monomial, Operators, plus

Entry = tuple[str, Monomial]
"""One weight of a potential: the output field, and the operator applied to the potential."""


@dataclass(frozen=True)
class MixingConstraint:
    """Which mixing weights and biases make every output lawful.

    Attributes:
        fields: the output channels.
        operators: the operators D_a applied to each potential.
        laws: the laws that hold, possibly none.
        weights: the set of one potential's weights, a vector over (field, operator).
        bias: the set of the bias, a vector over fields.
        size: of each field, if weights and bias give fields in these units; the laws are those of the
            product.
    """

    fields: tuple[str, ...]
    operators: Operators
    laws: tuple[Law, ...]
    weights: LinearSet
    bias: LinearSet
    size: tuple[float, ...] = ()


def compile_laws(
    laws: Iterable[Law],
    fields: Sequence[str],
    operators: Operators,
    conditions: Iterable[Mapping[Entry, Fraction]] = (),
    *,
    scaling: Scaling | None = None,
) -> MixingConstraint:
    """Compile laws to the constraint on the weights of a mixing layer.

    Args:
        laws: the laws to hold together; none leaves the weights free.
        fields: the output channels, in order.
        operators: what is applied to each potential.
        conditions: further equations sum of coefficient * W_(field, operator) = 0 on the weights of a
            potential: of the place where it lives, or of a wall. A single entry stays zero so.
        scaling: units in which the fields are of size one, which a lawful layer multiplies out; its
            lengths are units of the coordinates in which the operators differentiate.

    Raises:
        UnknownFieldError: if a law names a field that is not among the outputs.
        UnsupportedLawError: if the operators cannot hold a law: one of other coordinates, one with
            derivatives and a source, or one about a total where operators do not telescope.
        SettingsError: if two fields have one name.
        ContradictionError: if the laws contradict each other.
        NoFreedomError: if only zero weights are lawful.
    """
    laws, fields = tuple(laws), tuple(fields)
    if len(set(fields)) != len(fields):
        raise SettingsError("the fields", f"{listing(fields)} has a name twice", "rename one")
    for law in laws:
        law.check_fields(fields)
        _check_kind(law, operators)
    scaled = laws if scaling is None else tuple(scaling.apply(law) for law in laws)
    weights = _weight_set(scaled, fields, operators, conditions)
    bias = bias_set(scaled, fields)
    size = () if scaling is None else tuple(scaling.size.get(name, 1.0) for name in fields)
    if weights.nullity == 0:
        what = f"the laws {listing(law.name for law in laws)} over operators of order {operators.order}"
        raise NoFreedomError(what, "drop a law, or raise the order if the law has potentials")
    return MixingConstraint(fields, operators, laws, weights, bias, size)


def _check_kind(law: Law, operators: Operators) -> None:
    """Refuse a law that weights over these operators cannot hold."""
    if law.integral and not operators.telescoping:
        raise UnsupportedLawError(
            law.name,
            "it is about a total, and the operators do not sum to zero over the domain",
            "write it as dt(density) + dx(flux) = 0, or use differences on a periodic grid",
        )
    if law.order and law.coordinates != operators.generators:
        raise UnsupportedLawError(
            law.name,
            f"it has derivatives in {listing(law.coordinates)}, and the operators are those of "
            f"{listing(operators.generators)}",
            "parse it with the coordinates of the model, in their order",
        )
    if law.order and law.source:
        raise UnsupportedLawError(
            law.name,
            "its constant source needs a known particular field",
            "use PotentialModel, which finds one, or subtract it from the data and write the law with = 0",
        )


def _weight_set(
    laws: Sequence[Law],
    fields: Sequence[str],
    operators: Operators,
    conditions: Iterable[Mapping[Entry, Fraction]],
) -> LinearSet:
    column = {key: i for i, key in enumerate((f, a) for f in fields for a in operators.monomials)}
    rows: dict[tuple[int, Monomial], dict[int, Fraction]] = {}
    for number, law in enumerate(laws):
        for (field, b), value in law.terms.items():
            for a in operators.monomials:
                c = plus(a, b) if any(b) else a  # a pointwise term may live anywhere
                if law.integral and any(c):
                    continue  # a difference: its sum over the domain vanishes
                row = rows.setdefault((number, c), {})
                place = column[field, a]
                row[place] = row.get(place, Fraction(0)) + value
    names = [laws[number].name for number, _ in rows]
    equations = list(rows.values())
    for condition in conditions:
        equations.append({column[entry]: value for entry, value in condition.items()})
        names.append("a condition on the weights")
    matrix = torch.zeros(len(equations), len(column), dtype=torch.float64)
    for i, equation in enumerate(equations):
        for j, value in equation.items():
            matrix[i, j] = float(value)
    return LinearSet(matrix, names=names, basis=null_space(equations, len(column)))


def bias_set(laws: Sequence[Law], fields: Sequence[str]) -> LinearSet:
    """The constants, one for each field, that obey laws."""
    # Derivatives of a constant vanish, so differential laws leave the bias free.
    pointwise = [law for law in laws if not all(any(m) for _, m in law.terms)]
    matrix = torch.zeros(len(pointwise), len(fields), dtype=torch.float64)
    source = torch.tensor([float(law.source) for law in pointwise], dtype=torch.float64)
    equations: list[dict[int, Fraction]] = [
        {fields.index(field): value for (field, monomial), value in law.terms.items() if not any(monomial)}
        for law in pointwise
    ]
    for i, equation in enumerate(equations):
        for j, value in equation.items():
            matrix[i, j] = float(value)
    # Exact, as for the weights: floating point loses coefficients that units drive far apart.
    basis = null_space(equations, len(fields))
    return LinearSet(matrix, source, names=[law.name for law in pointwise], basis=basis)
