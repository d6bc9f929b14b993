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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from physmix.constraints import LinearSet, null_space
from physmix.errors import NoFreedomError, UnsupportedLawError
from physmix.laws.law import Law, Monomial


@dataclass(frozen=True)
class MixingConstraint:
    """Which mixing weights and biases make every output lawful.

    Attributes:
        fields: the output channels.
        operators: the operators D_a applied to each potential.
        laws: the laws that hold, possibly none.
        weights: the set of one potential's weights, a vector over (field, operator).
        bias: the set of the bias, a vector over fields.
    """

    fields: tuple[str, ...]
    operators: tuple[Monomial, ...]
    laws: tuple[Law, ...]
    weights: LinearSet
    bias: LinearSet


def compile_laws(
    laws: Iterable[Law], fields: Sequence[str], operators: Sequence[Monomial]
) -> MixingConstraint:
    """Compile laws to the constraint on the weights of a mixing layer.

    Args:
        laws: the laws to hold together; none leaves the weights free.
        fields: the output channels, in order.
        operators: the monomials applied to each potential, in order.

    Raises:
        UnknownFieldError: if a law names a field that is not among the outputs.
        UnsupportedLawError: if a law with derivatives has a source.
        ContradictionError: if the laws contradict each other.
        NoFreedomError: if only zero weights are lawful.
    """
    laws, fields, operators = tuple(laws), tuple(fields), tuple(operators)
    for law in laws:
        law.check_fields(fields)
        if law.source and law.order:
            raise UnsupportedLawError(
                law.name,
                "its constant source needs a known particular field",
                "subtract such a field from the data and write the law with = 0",
            )
    weights = _weight_set(laws, fields, operators)
    bias = _bias_set(laws, fields)
    if weights.nullity == 0:
        raise NoFreedomError((law.name for law in laws), max(map(sum, operators), default=0))
    return MixingConstraint(fields, operators, laws, weights, bias)


def _weight_set(laws: Sequence[Law], fields: Sequence[str], operators: Sequence[Monomial]) -> LinearSet:
    column = {(f, a): i for i, (f, a) in enumerate((f, a) for f in fields for a in operators)}
    rows: dict[tuple[str, Monomial], dict[int, Fraction]] = {}
    for law in laws:
        for (field, b), value in law.terms.items():
            for a in operators:
                c = _add(a, b, law.name)
                if law.integral and any(c):
                    continue  # a difference: its sum over the domain vanishes
                row = rows.setdefault((law.name, c), {})
                place = column[field, a]
                row[place] = row.get(place, Fraction(0)) + value
    matrix = torch.zeros(len(rows), len(column), dtype=torch.float64)
    for i, row in enumerate(rows.values()):
        for j, value in row.items():
            matrix[i, j] = float(value)
    basis = null_space(list(rows.values()), len(column))
    return LinearSet(matrix, names=[name for name, _ in rows], basis=basis)


def _bias_set(laws: Sequence[Law], fields: Sequence[str]) -> LinearSet:
    pointwise = [law for law in laws if not all(any(m) for _, m in law.terms)]
    matrix = torch.zeros(len(pointwise), len(fields), dtype=torch.float64)
    source = torch.tensor([float(law.source) for law in pointwise], dtype=torch.float64)
    for i, law in enumerate(pointwise):
        for (field, monomial), value in law.terms.items():
            if not any(monomial):
                matrix[i, fields.index(field)] = float(value)
    return LinearSet(matrix, source, names=[law.name for law in pointwise])


def _add(a: Monomial, b: Monomial, law: str) -> Monomial:
    if not any(b):  # a pointwise term: the operators may live anywhere, on a grid as well
        return a
    if len(a) != len(b):
        raise UnsupportedLawError(
            law,
            f"it speaks of {len(b)} coordinates and the operators of {len(a)}",
            "compile it over operators of its own coordinates",
        )
    return tuple(p + q for p, q in zip(a, b, strict=True))
