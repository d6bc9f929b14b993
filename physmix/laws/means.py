"""Means of data as a known part of lawful fields: a mean that is added must be lawful itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from physmix.errors import UnsupportedLawError
from physmix.laws.compiler import bias_set
from physmix.laws.law import Law
from physmix.laws.scaling import Scaling


def lawful_mean(
    laws: Iterable[Law],
    fields: Sequence[str],
    mean: Mapping[str, float],
    scaling: Scaling | None = None,
    *,
    tolerance: float = 0.1,
) -> dict[str, float]:
    """The constant fields nearest to a mean that obey the laws, near in units of their sizes.

    Laws whose terms all have derivatives leave a mean as it is; a law such as `Y1 + Y2 = rho` moves a
    mean that misses it, by rounding or by errors of measurement.

    Args:
        laws: in the units of the data.
        fields: of the model.
        mean: by name; zero where omitted.
        scaling: the sizes of the fields.
        tolerance: the largest change, over the size of the field.

    Raises:
        UnsupportedLawError: if a mean would change by more; it names the law and by how much it is missed.
        UnknownFieldError: if a law names a field that is not among the outputs.
    """
    laws, scaling = tuple(laws), scaling or Scaling()
    for law in laws:
        law.check_fields(fields)
    size = torch.tensor([scaling.size.get(name, 1.0) for name in fields], dtype=torch.float64)
    given = torch.tensor([mean.get(name, 0.0) for name in fields], dtype=torch.float64) / size
    members = bias_set([scaling.apply(law) for law in laws], fields)
    found = members.project(given)
    change = float((found - given).abs().max())
    if change > tolerance:
        missed = (members.matrix @ given - members.right_side).abs() / members.matrix.norm(dim=1)
        raise UnsupportedLawError(
            members.names[int(missed.argmax())],
            f"the mean of the data misses it, and would have to change by {change:.1e} sizes of a field",
            "correct the data (physmix.reconciliation), the law or the units, or leave the mean out",
        )
    return dict(zip(fields, (found * size).tolist(), strict=True))
