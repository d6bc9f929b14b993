"""Laws of a model of space and time, judged independently of the jets that were mixed.

Two methods: the law's own derivatives by nested automatic differentiation at fresh points, where
potentials and mixing are evaluated anew from the weights; and, for laws in flux form, the flux
through the faces of random boxes by Gauss-Legendre quadrature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from physmix.checking.finding import TOLERANCES, Finding
from physmix.laws import Law
from physmix.mixing import PotentialModel

Box = Mapping[str, Sequence[float]]
Monomial = tuple[int, ...]


def judge_model(
    model: PotentialModel,
    laws: Iterable[Law],
    box: Box,
    *,
    points: int = 256,
    boxes: int = 24,
    seed: int = 0,
) -> list[Finding]:
    """Judge laws on a model, at fresh points and through random boxes.

    Args:
        model: fields mixed from potentials.
        laws: in physical coordinates and fields.
        box: the domain, lowest and highest value of each coordinate.
        points: fresh points for nested differentiation.
        boxes: random boxes for the flux method.
        seed: of the points and boxes.

    Raises:
        UnknownFieldError: if a law names a field that the model does not have.
    """
    laws = tuple(laws)
    for law in laws:
        law.check_fields(model.fields)
    generator = torch.Generator().manual_seed(seed)
    dtype = model.mixing.weight.dtype
    low, high = (torch.tensor([box[name][i] for name in model.coordinates], dtype=dtype) for i in (0, 1))
    fresh = low + (high - low) * torch.rand(points, len(low), generator=generator, dtype=dtype)
    findings = []
    for law in laws:
        terms = law_terms(model, law, fresh)
        size = terms.abs().sum(0).max()
        missed = (terms.sum(0) - float(law.source)).abs().max()
        round_off = torch.finfo(dtype).eps * _magnitude(model, law, fresh) / size
        findings.append(
            Finding(law.name, "nested autograd", _ratio(missed, size), TOLERANCES[dtype], float(round_off))
        )
    fluxes = [law for law in laws if all(sum(m) == 1 for _, m in law.terms) and not law.source]
    if fluxes:
        findings += _judge_boxes(model, fluxes, low, high, boxes, generator)
    return findings


def _ratio(missed: Tensor, size: Tensor) -> float:
    return float(missed / size) if size > 0 else float(missed)


def fields_by_autograd(model: PotentialModel, points: Tensor) -> Float[Tensor, "point field"]:
    """The fields from the model's weights, without jets and without the mixing layer's code.

    `points` must require grad; the result can be differentiated again.
    """
    potentials = model.network((points - model.centre) / model.length)
    weight = model.mixing.weight.view(
        potentials.shape[1], len(model.fields), len(model.mixing.constraint.operators)
    )
    out = model.mixing.bias.expand(len(points), -1)
    for k in range(potentials.shape[1]):
        known: dict[Monomial, Tensor] = {(0,) * points.shape[1]: potentials[:, k]}
        for a, monomial in enumerate(model.mixing.constraint.operators):
            value = _derivative(known, monomial, points)
            scale = torch.prod(model.length ** torch.tensor(monomial))
            out = out + scale * value[:, None] * weight[k, :, a]
    return out * model.size


def _derivative(known: dict[Monomial, Tensor], monomial: Monomial, points: Tensor) -> Tensor:
    """D^monomial by nested autograd, from the derivatives that are known already."""
    if monomial not in known:
        place = next(i for i, exponent in enumerate(monomial) if exponent)
        lower = tuple(e - (i == place) for i, e in enumerate(monomial))
        below = _derivative(known, lower, points)
        (slopes,) = torch.autograd.grad(below.sum(), points, create_graph=True, materialize_grads=True)
        for i in range(points.shape[1]):
            raised = tuple(e + (i == j) for j, e in enumerate(lower))
            known.setdefault(raised, slopes[:, i])
    return known[monomial]


def law_terms(model: PotentialModel, law: Law, points: Tensor) -> Float[Tensor, "term point"]:
    """Each term of a law at each point, by nested autograd."""
    points = points.detach().requires_grad_()
    fields = fields_by_autograd(model, points)
    known: dict[str, dict[Monomial, Tensor]] = {}
    terms = []
    for (field, monomial), value in law.terms.items():
        start = {(0,) * points.shape[1]: fields[:, model.fields.index(field)]}
        derivatives = known.setdefault(field, start)
        terms.append(float(value) * _derivative(derivatives, monomial, points).detach())
    return torch.stack(terms)


def _magnitude(model: PotentialModel, law: Law, points: Tensor) -> Tensor:
    """max over points of the sum of |l| |W| |D phi|: what round-off is relative to."""
    with torch.no_grad():
        jet = model.jet(points, model.order + law.order)
        operators = model.mixing.constraint.operators
        weight = model.mixing.weight.abs().view(-1, len(model.fields), len(operators))
        total = points.new_zeros(len(points))
        scaled = model.scaling.apply(law)
        for (field, b), value in scaled.terms.items():
            for a, monomial in enumerate(operators):
                both = tuple(p + q for p, q in zip(monomial, b, strict=True))
                row = weight[:, model.fields.index(field), a]
                total = total + abs(float(value)) * (jet.derivative(both).abs() @ row)
        return total.max()


def _judge_boxes(
    model: PotentialModel,
    laws: Sequence[Law],
    low: Tensor,
    high: Tensor,
    boxes: int,
    generator: torch.Generator,
    nodes: int = 20,
) -> list[Finding]:
    """Net flux through each box over the sum of the fluxes through its faces."""
    dimensions = len(low)
    # Small boxes: the quadrature converges to round-off for features as steep as networks learn.
    half = (high - low) * (0.01 + 0.03 * torch.rand(boxes, dimensions, generator=generator, dtype=low.dtype))
    middle = (
        low
        + half
        + (high - low - 2 * half) * torch.rand(boxes, dimensions, generator=generator, dtype=low.dtype)
    )
    x, w = (torch.from_numpy(a).to(low) for a in np.polynomial.legendre.leggauss(nodes))
    face = torch.cartesian_prod(*[x] * (dimensions - 1)).view(-1, dimensions - 1)
    weights = torch.cartesian_prod(*[w] * (dimensions - 1)).view(-1, dimensions - 1).prod(1)
    net = {law.name: low.new_zeros(boxes) for law in laws}
    size = {law.name: low.new_zeros(boxes) for law in laws}
    for axis in range(dimensions):
        others = [i for i in range(dimensions) if i != axis]
        unit = tuple(int(i == axis) for i in range(dimensions))
        area = half[:, others].prod(1)
        for side in (-1.0, 1.0):
            local = low.new_full((len(face), dimensions), side)
            local[:, others] = face
            places = middle[:, None] + half[:, None] * local
            with torch.no_grad():
                values = torch.cat([model(part) for part in places.flatten(0, 1).split(8192)])
            for law in laws:
                for (field, monomial), value in law.terms.items():
                    if monomial == unit:
                        on_face = values[:, model.fields.index(field)].view(boxes, -1)
                        flux = float(value) * area[:, None] * on_face * weights
                        net[law.name] += side * flux.sum(1)
                        size[law.name] += flux.abs().sum(1)
    tolerance = TOLERANCES[low.dtype]
    return [
        Finding(
            law.name, "flux through boxes", _ratio(net[law.name].abs().max(), size[law.name].max()), tolerance
        )
        for law in laws
    ]
