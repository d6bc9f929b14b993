"""Laws of a model of space and time, judged independently of the jets that were mixed.

Two methods: the law's own derivatives by nested automatic differentiation at fresh points, where
potentials and mixing are evaluated anew from the weights; and, for laws in flux form, the flux
through the faces of random boxes by Gauss-Legendre quadrature.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from physmix.checking.boxes import judge_boxes
from physmix.checking.finding import Finding
from physmix.checking.rounding import law_magnitude
from physmix.errors import UnsupportedLawError, listing
from physmix.laws import Law
from physmix.mixing import PotentialModel
from physmix.operators import Monomial

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
        round_off = torch.finfo(dtype).eps * float(law_magnitude(model, law, fresh)) / (size or 1.0)
        findings.append(Finding.of(law.name, "nested autograd", missed, size, dtype, round_off))
    fluxes = [law for law in laws if all(sum(m) == 1 for _, m in law.terms)]
    if fluxes:
        findings += judge_boxes(model, fluxes, low, high, boxes, generator)
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
    with _LayerNormInSteps():
        potentials = model.network((points - model.centre) / model.length)
    weight = model.mixing.weight.view(
        potentials.shape[1], len(model.fields), len(model.mixing.constraint.operators)
    )
    out = model.mixing.bias + model.particular((points - model.centre) / model.length)
    used = (weight != 0).any(0).nonzero().tolist()
    if len(used) < potentials.shape[1]:  # many potentials: each sum of them is differentiated once
        parts = [out.new_zeros(len(points)) for _ in model.fields]
        for i, a in used:
            monomial = model.mixing.constraint.operators.monomials[a]
            start = {(0,) * points.shape[1]: potentials @ weight[:, i, a]}
            scale = torch.prod(model.length ** torch.tensor(monomial))
            parts[i] = parts[i] + scale * _derivative(start, monomial, points)
        return (out + torch.stack(parts, 1)) * model.size
    for k in range(potentials.shape[1]):
        known: dict[Monomial, Tensor] = {(0,) * points.shape[1]: potentials[:, k]}
        for a, monomial in enumerate(model.mixing.constraint.operators.monomials):
            value = _derivative(known, monomial, points)
            scale = torch.prod(model.length ** torch.tensor(monomial))
            out = out + scale * value[:, None] * weight[k, :, a]
    return out * model.size


class _LayerNormInSteps(TorchFunctionMode):
    """The layer norm by its formula: torch's own has wrong derivatives from the third on (2.13)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func is not nn.functional.layer_norm:
            return func(*args, **(kwargs or {}))
        given = inspect.signature(func).bind(*args, **(kwargs or {}))
        given.apply_defaults()
        x, shape, weight, bias, eps = given.args
        axes = tuple(range(-len(shape), 0))
        x = x - x.mean(axes, keepdim=True)
        out = x * torch.rsqrt((x * x).mean(axes, keepdim=True) + eps)
        out = out if weight is None else out * weight
        return out if bias is None else out + bias


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
