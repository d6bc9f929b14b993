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

from physmix.checking.finding import Finding
from physmix.errors import UnsupportedLawError, listing
from physmix.jets import JetSpace
from physmix.laws import Law
from physmix.mixing import PotentialModel
from physmix.operators import Monomial, plus

Box = Mapping[str, Sequence[float]]


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
        UnknownFieldError, UnsupportedLawError: see `check_model_laws`.
    """
    laws = tuple(laws)
    check_model_laws(laws, model.fields, model.coordinates)
    generator = torch.Generator().manual_seed(seed)
    dtype = model.mixing.weight.dtype
    low, high = (torch.tensor([box[name][i] for name in model.coordinates], dtype=dtype) for i in (0, 1))
    fresh = low + (high - low) * torch.rand(points, len(low), generator=generator, dtype=dtype)
    findings = []
    for law in laws:
        terms = law_terms(model, law, fresh)
        size = float(terms.abs().sum(0).max())
        missed = float((terms.sum(0) - float(law.source)).abs().max())
        round_off = torch.finfo(dtype).eps * float(_magnitude(model, law, fresh)) / (size or 1.0)
        findings.append(Finding.of(law.name, "nested autograd", missed, size, dtype, round_off))
    fluxes = [law for law in laws if all(sum(m) == 1 for _, m in law.terms)]
    if fluxes:
        findings += _judge_boxes(model, fluxes, low, high, boxes, generator)
    return findings


def check_model_laws(laws: Iterable[Law], fields: Sequence[str], coordinates: Sequence[str]) -> None:
    """Check that laws can be judged on a model of these fields and coordinates.

    Raises:
        UnknownFieldError: if a law names another field.
        UnsupportedLawError: if a law is about a total, or has other coordinates.
    """
    for law in laws:
        law.check_fields(fields)
        if law.integral:
            raise UnsupportedLawError(
                law.name,
                "a total over the domain cannot be judged on a model of space and time",
                "write it as dt(density) + dx(flux) = 0",
            )
        if law.order and law.coordinates != tuple(coordinates):
            raise UnsupportedLawError(
                law.name,
                f"it has derivatives in {listing(law.coordinates)}, the model in {listing(coordinates)}",
                "parse it with the coordinates of the model, in their order",
            )


def fields_by_autograd(model: PotentialModel, points: Tensor) -> Float[Tensor, "point field"]:
    """The fields from the model's weights, without jets and without the mixing layer's code.

    `points` must require grad; the result can be differentiated again.
    """
    potentials = model.network((points - model.centre) / model.length)
    weight = model.mixing.weight.view(
        potentials.shape[1], len(model.fields), len(model.mixing.constraint.operators)
    )
    out = model.mixing.bias + model.particular((points - model.centre) / model.length)
    for k in range(potentials.shape[1]):
        known: dict[Monomial, Tensor] = {(0,) * points.shape[1]: potentials[:, k]}
        for a, monomial in enumerate(model.mixing.constraint.operators.monomials):
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
        column = _derivative(derivatives, monomial, points) if any(monomial) else next(iter(start.values()))
        terms.append(float(value) * column.detach())
    return torch.stack(terms)


def _magnitude(model: PotentialModel, law: Law, points: Tensor) -> Tensor:
    """max over points of the sum of |l| (|W| |D phi| + |beta|): what round-off is relative to."""
    with torch.no_grad():
        operators = model.mixing.constraint.operators
        shifts = [b for _, b in law.terms if any(b)]
        raised = [plus(a, b) for a in operators.monomials for b in shifts]
        jet = model.jet(points, JetSpace.closure([*operators.monomials, *raised]))
        weight = model.mixing.weight.abs().view(-1, len(model.fields), len(operators))
        total = points.new_zeros(len(points))
        scaled = model.scaling.apply(law)
        for (field, b), value in scaled.terms.items():
            if not any(b):  # a constant has no derivatives
                total = total + abs(float(value)) * model.mixing.bias[model.fields.index(field)].abs()
            for a, monomial in enumerate(operators.monomials):
                both = plus(monomial, b) if any(b) else monomial
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
    face = _product(x, dimensions - 1)
    weights = _product(w, dimensions - 1).prod(1)
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
    for law in laws:
        net[law.name] -= float(law.source) * (2 * half).prod(1)  # what a source sends out of a box
    return [
        Finding.of(
            law.name,
            "flux through boxes",
            float(net[law.name].abs().max()),
            float(size[law.name].max()),
            low.dtype,
        )
        for law in laws
    ]


def _product(values: Tensor, times: int) -> Float[Tensor, "point times"]:
    """All tuples of values; one empty tuple for no times, the face of an interval."""
    grids = torch.meshgrid(*[values] * times, indexing="ij") if times else ()
    return torch.stack([g.flatten() for g in grids], 1) if times else values.new_zeros(1, 0)
