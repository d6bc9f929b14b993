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
from physmix.jets import Jet
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
        jet = model.jet(points, model.order + law.order)
        total = points.new_zeros(len(points))
        for (field, b), value in model.scaling.apply(law).terms.items():
            total += abs(float(value)) * _magnitudes(model, jet, b)[:, model.fields.index(field)]
        return total.max()


def _magnitudes(model: PotentialModel, jet: Jet, b: Monomial = ()) -> Float[Tensor, "point field"]:
    """|W| |D^b D phi| of each field in scaled units, and |beta| unless it is differentiated."""
    operators = model.mixing.constraint.operators
    weight = model.mixing.weight.abs().view(-1, len(model.fields), len(operators))
    parts = [
        jet.derivative(plus(monomial, b) if any(b) else monomial).abs() @ weight[:, :, a]
        for a, monomial in enumerate(operators.monomials)
    ]
    total = torch.stack(parts).sum(0)
    return total if any(b) else total + model.mixing.bias.abs()


def _judge_boxes(
    model: PotentialModel,
    laws: Sequence[Law],
    low: Tensor,
    high: Tensor,
    boxes: int,
    generator: torch.Generator,
    nodes: int = 20,
) -> list[Finding]:
    """Net flux through each box over the sum of the fluxes through its faces.

    Round-off is relative to the same sum with |W| |D phi| + |beta| in place of each field.
    """
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
    magnitude = {law.name: low.new_zeros(boxes) for law in laws}
    for axis in range(dimensions):
        others = [i for i in range(dimensions) if i != axis]
        unit = tuple(int(i == axis) for i in range(dimensions))
        area = half[:, others].prod(1)
        for side in (-1.0, 1.0):
            local = low.new_full((len(face), dimensions), side)
            local[:, others] = face
            places = middle[:, None] + half[:, None] * local
            parts = [_on_face(model, part) for part in places.flatten(0, 1).split(8192)]
            values, largest = (
                torch.cat(each).view(boxes, -1, len(model.fields)) for each in zip(*parts, strict=True)
            )
            for law in laws:
                for (field, monomial), value in law.terms.items():
                    if monomial == unit:
                        share = float(value) * area[:, None] * weights
                        flux = share * values[..., model.fields.index(field)]
                        net[law.name] += side * flux.sum(1)
                        size[law.name] += flux.abs().sum(1)
                        rounded = share.abs() * largest[..., model.fields.index(field)]
                        magnitude[law.name] += rounded.sum(1)
    findings = []
    for law in laws:
        source = float(law.source) * (2 * half).prod(1)  # what it sends out of a box
        missed, total = float((net[law.name] - source).abs().max()), float(size[law.name].max())
        largest = float((magnitude[law.name] + source.abs()).max())
        round_off = torch.finfo(low.dtype).eps * largest / (total or 1.0)
        findings.append(Finding.of(law.name, "flux through boxes", missed, total, low.dtype, round_off))
    return findings


def _on_face(model: PotentialModel, points: Tensor) -> tuple[Tensor, Tensor]:
    """The fields at points, and what their round-off is relative to: both (point, field)."""
    with torch.no_grad():
        return model(points), model.size * _magnitudes(model, model.jet(points))


def _product(values: Tensor, times: int) -> Float[Tensor, "point times"]:
    """All tuples of values; one empty tuple for no times, the face of an interval."""
    grids = torch.meshgrid(*[values] * times, indexing="ij") if times else ()
    return torch.stack([g.flatten() for g in grids], 1) if times else values.new_zeros(1, 0)
