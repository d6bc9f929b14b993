"""Totals over a periodic grid and their drift in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from physmix.checking.finding import TOLERANCES, Finding
from physmix.errors import UnsupportedLawError
from physmix.flows import Flow, gas
from physmix.laws import Law

Array = NDArray[np.floating]


def drift(values: Mapping[str, Array], density: Mapping[str, float]) -> float:
    """max over time of |Q(t) - Q(0)| / max over time of the sum of |terms|.

    Args:
        values: fields of shape (trajectory, time, *grid).
        density: coefficient of each field in the conserved density.
    """
    terms = [float(c) * np.asarray(values[name], dtype=np.float64) for name, c in density.items()]
    grid = tuple(range(2, terms[0].ndim))
    total = sum(term.sum(axis=grid) for term in terms)
    size = sum(np.abs(term).sum(axis=grid) for term in terms)
    change = np.abs(total - total[:, :1]).max()
    return float(change / np.max(size)) if np.max(size) > 0 else float(change)


def conserved_density(law: Law) -> dict[str, float]:
    """The density whose total a law keeps in time on a periodic grid.

    Raises:
        UnsupportedLawError: if the law is not of that kind.
    """
    density = law.conserved("t")
    if density is None:
        raise UnsupportedLawError(
            law.name,
            "it does not say that a total stays in time",
            "write integral(field) = const, or a law in flux form such as dt(rho) + dx(mx) = 0",
        )
    return {field: float(value) for field, value in density.items()}


def flow_fields(flow: Flow) -> dict[str, Array]:
    """Everything a law may name in a flow: its components and, for a gas, conserved variables."""
    fields = {name: flow.component(name) for name in flow.components}
    if all(name in fields for name in gas.PRIMITIVE[:3]):
        rho, u, v = (fields[name].astype(np.float64) for name in gas.PRIMITIVE[:3])
        fields |= {"rho": rho, "mx": rho * u, "my": rho * v}
        if "pressure" in fields and flow.parameters.get("gamma", 1.0) > 1.0:
            p = fields["pressure"].astype(np.float64)
            fields["E"] = gas.conserved(rho, u, v, p, gamma=flow.parameters["gamma"])[3]
    return fields


def judge_flow(flow: Flow, laws: Iterable[Law]) -> list[Finding]:
    """Judge the discrete totals of a stored flow over time.

    Raises:
        UnknownFieldError: if a law names a field that the flow does not have.
        UnsupportedLawError: if a law is not about a total, or the flow is not periodic.
    """
    fields = flow_fields(flow)
    single = any(np.asarray(values).dtype == np.float32 for values in flow.scalars.values())
    tolerance = TOLERANCES[torch.float32 if single else torch.float64]
    findings = []
    for law in laws:
        law.check_fields(tuple(fields))
        if not flow.periodic:
            raise UnsupportedLawError(
                law.name, "the flow has boundaries that are not periodic", "give a periodic flow"
            )
        density = conserved_density(law)
        findings.append(
            Finding(law.name, f"totals over {len(flow.time)} stored times", drift(fields, density), tolerance)
        )
    return findings


def judge_rollout(
    states: Float[Tensor, "time batch *grid field"], fields: Sequence[str], laws: Iterable[Law]
) -> list[Finding]:
    """Judge the totals over the roll-out of a surrogate.

    Args:
        states: the predicted states, the first one given.
        fields: the channels of a state.
        laws: each about a total.

    Raises:
        UnknownFieldError: if a law names a field that the model does not have.
        UnsupportedLawError: if a law is not about a total.
    """
    trajectories = states.movedim(0, 1).numpy()
    values = {name: trajectories[..., i] for i, name in enumerate(fields)}
    method = f"totals over a {len(states) - 1}-step roll-out"
    findings = []
    for law in laws:
        law.check_fields(tuple(fields))
        violation = drift(values, conserved_density(law))
        findings.append(Finding(law.name, method, violation, TOLERANCES[states.dtype]))
    return findings


def random_states(mean: Tensor, size: Tensor, points: int, *, batch: int = 4, seed: int = 0) -> Tensor:
    """Fresh smooth periodic states around a mean, (batch, points, points, field)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, points, points, len(mean), generator=generator, dtype=mean.dtype)
    modes = torch.fft.rfft2(noise, dim=(1, 2))
    row = torch.fft.fftfreq(points, 1 / points, dtype=mean.dtype)[:, None]
    column = torch.arange(modes.shape[2], dtype=mean.dtype)
    modes = modes * torch.exp(-(row**2 + column**2) / 18)[None, :, :, None]
    smooth = torch.fft.irfft2(modes, s=(points, points), dim=(1, 2))
    return mean + size * smooth / smooth.std()
