"""What round-off is relative to: the sum of the sizes of all that cancels in a law."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.jets import Jet
from physmix.laws import Law
from physmix.mixing import PotentialModel
from physmix.operators import Monomial, plus


def law_magnitude(model: PotentialModel, law: Law, points: Tensor) -> Tensor:
    """max over points of |s| and the sum of |l| (|W| |D phi| + |beta|): what round-off is relative to."""
    with torch.no_grad():
        jet = model.jet(points, model.order + law.order)
        total = points.new_full((len(points),), abs(float(law.source)))
        for (field, b), value in model.scaling.apply(law).terms.items():
            total += abs(float(value)) * magnitudes(model, jet, b)[:, model.fields.index(field)]
        return total.max()


def magnitudes(model: PotentialModel, jet: Jet, b: Monomial = ()) -> Float[Tensor, "point field"]:
    """|W| |D^b D phi| of each field in scaled units, and |beta| unless it is differentiated."""
    operators = model.mixing.constraint.operators
    weight = model.mixing.weight.abs().view(-1, len(model.fields), len(operators))
    parts = [
        jet.derivative(plus(monomial, b) if any(b) else monomial).abs() @ weight[:, :, a]
        for a, monomial in enumerate(operators.monomials)
    ]
    total = torch.stack(parts).sum(0)
    return total if any(b) else total + model.mixing.bias.abs()
