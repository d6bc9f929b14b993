"""Laws in flux form, judged by the net flux through random boxes: no derivative of a field is taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from physmix.checking.finding import Finding
from physmix.checking.rounding import magnitudes
from physmix.laws import Law
from physmix.mixing import PotentialModel
from physmix.mixing.partition import PartitionedFeatures


def judge_boxes(
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
    middle, half = _between_knots(model, middle, half)
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
                        likewise = share.abs() * largest[..., model.fields.index(field)]
                        magnitude[law.name] += likewise.sum(1)
    findings = []
    for law in laws:
        source = float(law.source) * (2 * half).prod(1)  # what it sends out of a box
        missed, total = float((net[law.name] - source).abs().max()), float(size[law.name].max())
        rounded = float((magnitude[law.name] + source.abs()).max())
        round_off = torch.finfo(low.dtype).eps * rounded / (total or 1.0)
        findings.append(Finding.of(law.name, "flux through boxes", missed, total, low.dtype, round_off))
    return findings


def _between_knots(model: PotentialModel, middle: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes cut where a window of a partition begins or ends: a quadrature across loses its accuracy."""
    low, high = middle - half, middle + half
    for module in model.network.modules():
        if isinstance(module, PartitionedFeatures):
            for axis, (cuts, width) in enumerate(zip(module.cuts, module.overlap, strict=True)):
                scaled = torch.cat([cuts - width / 2, cuts + width / 2]).to(middle)
                for knot in scaled * model.length[axis] + model.centre[axis]:
                    below = knot <= middle[:, axis]
                    low[:, axis] = torch.where(below, low[:, axis].maximum(knot), low[:, axis])
                    high[:, axis] = torch.where(below, high[:, axis], high[:, axis].minimum(knot))
    return (low + high) / 2, (high - low) / 2


def _on_face(model: PotentialModel, points: Tensor) -> tuple[Tensor, Tensor]:
    """The fields at points, and what their round-off is relative to: both (point, field)."""
    with torch.no_grad():
        known = model.particular((points - model.centre) / model.length).abs()
        return model(points), model.size * (magnitudes(model, model.jet(points)) + known)


def _product(values: Tensor, times: int) -> Float[Tensor, "point times"]:
    """All tuples of values; one empty tuple for no times, the face of an interval."""
    grids = torch.meshgrid(*[values] * times, indexing="ij") if times else ()
    return torch.stack([g.flatten() for g in grids], 1) if times else values.new_zeros(1, 0)
