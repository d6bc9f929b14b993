"""The lawful flow nearest to a stored one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from physmix.checking.totals import flow_fields, flow_grid, steady_law
from physmix.errors import SettingsError, UnsupportedLawError, listing
from physmix.flows import Flow, gas
from physmix.grids import Scheme
from physmix.laws import Law
from physmix.reconciliation import LawfulFields, nearest_lawful


@dataclass(frozen=True)
class Repair:
    """A repaired flow, and what the repair did.

    Attributes:
        flow: the lawful flow, in float64.
        before: the relative violation of each law.
        after: the same of the repaired flow, recomputed from what it stores.
        change: |after - before| / |before| in L2 of each field that the laws speak of.
    """

    flow: Flow
    before: Mapping[str, float]
    after: Mapping[str, float]
    change: Mapping[str, float]


def repair_flow(
    flow: Flow,
    laws: Iterable[Law],
    scheme: Scheme = "spectral",
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Repair:
    """Change a flow as little as its laws ask for, every field in units of its own size.

    Laws may name stored components, such as velocity_x, or the conserved variables rho, mx, my and E of
    a gas; these are changed as such and turned back into what is stored.

    No value is held, at walls neither: stored points are the centres of cells, half a cell off a wall.

    Args:
        flow: periodic and evenly spaced; with walls, open ends or unequal spacing in central2 only.
        laws: without derivatives in time, and of totals on periodic flows only.
        scheme: of derivatives in space; see `PeriodicGrid` and, for central2 with ends, `PointGrid`.
        bounds: lowest and highest value of fields by name, such as {"rho": (0.1, inf)}.

    Raises:
        UnknownFieldError: if a law names a field that the flow does not have.
        UnsupportedLawError: if a law has derivatives in time, the flow or the scheme does not fit it, or
            laws mix stored components with conserved variables.
        ContradictionError, ProjectionError: see `nearest_lawful`.
    """
    laws = tuple(laws)
    if not laws:
        raise SettingsError("the repair", "no law is given", "give laws with --laws FILE")
    known = flow_fields(flow)
    for law in laws:
        law.check_fields(known)
    named = list(dict.fromkeys(field for law in laws for field in law.fields))
    stored = all(name in flow.components for name in named)
    names = named if stored else [name for name in known if name not in flow.components]
    if not set(named) <= set(names):
        raise UnsupportedLawError(
            listing(law.name for law in laws),
            f"{listing(named)} mix stored components with conserved variables",
            f"write all in {listing(flow.components)}, or all in {listing(names)}",
        )
    # Without derivatives no scheme is asked for.
    grid = flow_grid(flow, laws[0], scheme if any(law.order for law in laws) else "central2")
    steady = [steady_law(law, flow) for law in laws]
    values = _stacked(known, names)
    sizes = values.square().mean(tuple(range(values.ndim - 1)))
    weights = {name: 1 / size for name, size in zip(names, sizes.tolist(), strict=True) if size}
    found = nearest_lawful(values, names, steady, grid, weights=weights, bounds=bounds)
    parts = {name: found[..., i].numpy() for i, name in enumerate(names)}
    repaired = _with(flow, parts if stored else _primitive(parts, flow))
    again = _stacked(flow_fields(repaired), names)
    lawful = LawfulFields(steady, names, grid)
    change = (again - values).square().flatten(0, -2).sum(0).sqrt()
    size = values.square().flatten(0, -2).sum(0).sqrt()
    relative = (change / torch.where(size > 0, size, torch.ones_like(size))).tolist()
    return Repair(
        repaired, lawful.violation(values), lawful.violation(again), dict(zip(names, relative, strict=True))
    )


def _stacked(fields: Mapping[str, np.ndarray], names: Iterable[str]) -> torch.Tensor:
    return torch.stack([torch.as_tensor(np.asarray(fields[name], np.float64)) for name in names], -1)


def _primitive(parts: Mapping[str, np.ndarray], flow: Flow) -> dict[str, np.ndarray]:
    """What a flow stores, from conserved variables."""
    if "E" in parts:
        gamma = flow.parameters["gamma"]
        values = gas.primitive(*(parts[name] for name in gas.conserved_names(flow.axes)), gamma=gamma)
        return dict(zip(gas.primitive_names(flow.axes), values, strict=True))
    speeds = {
        f"velocity_{name.removeprefix('m')}": value / parts["rho"]
        for name, value in parts.items()
        if name != "rho"
    }
    return {"density": parts["rho"], **speeds}


def _with(flow: Flow, parts: Mapping[str, np.ndarray]) -> Flow:
    """The flow with components replaced, all in float64."""
    scalars = {name: np.asarray(parts.get(name, value), np.float64) for name, value in flow.scalars.items()}
    vectors = {
        name: np.stack(
            [
                np.asarray(parts.get(f"{name}_{axis}", value[..., i]), np.float64)
                for i, axis in enumerate(flow.axes)
            ],
            -1,
        )
        for name, value in flow.vectors.items()
    }
    return replace(flow, scalars=scalars, vectors=vectors)
