"""What lawful layers say of their outputs, so that nothing which follows them breaks it unseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from physmix.laws import Law
from physmix.optimization import Claim, Relation


def claim_laws(laws: Iterable[Law], fields: Sequence[str], *, kept: bool = False) -> Claim:
    """The claim that these laws hold of fields along the last axis.

    Args:
        laws: in the units of the output.
        fields: the output channels.
        kept: whether the module keeps what its input has, rather than makes it.
    """
    return Claim(tuple(fields), tuple(_relation(law) for law in laws), kept)


def _relation(law: Law) -> Relation:
    constant: dict[str, float] = {}
    for (field, monomial), value in law.terms.items():
        if not any(monomial) and not law.integral:  # a total may start anywhere
            constant[field] = float(value)
    pointwise = not law.order and not law.integral
    return Relation(law.name, law.fields, constant, pointwise, float(law.source))
