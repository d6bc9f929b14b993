"""Laws on grids: totals and their drift in time, sums at each point, and derivatives in space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from physmix.checking.faces import at_faces, judge_faces
from physmix.checking.finding import Finding
from physmix.errors import UnsupportedLawError
from physmix.flows import Flow, gas
from physmix.grids import PeriodicGrid, PointAxis, PointGrid, Scheme, drift
from physmix.laws import Law
from physmix.reconciliation import law_terms

Array = NDArray[np.floating]
Fields = Mapping[str, Array]
"""Fields of shape (trajectory, time, *grid), by name."""


def check_grid_laws(laws: Iterable[Law], fields: Iterable[str]) -> None:
    """Check that laws can be judged on stored or predicted states with these fields.

    Raises:
        UnknownFieldError: if a law names another field.
        UnsupportedLawError: if a law has derivatives: a grid of states does not tell its fluxes.
    """
    fields = tuple(fields)
    for law in laws:
        law.check_fields(fields)
        if law.order:
            raise UnsupportedLawError(
                law.name,
                "states on a grid do not tell its derivatives",
                "on a stored flow judge derivatives in space with --scheme, such as --scheme central2, and "
                "what has derivatives in time by a total, such as integral(density) = const",
            )


def judge_states(
    values: Fields, laws: Iterable[Law], where: str, precision: Mapping[str, torch.dtype]
) -> list[Finding]:
    """Judge laws on states over time, on a periodic and evenly spaced grid.

    An integral law is judged by the worst drift of its total, see `grids.drift`; a pointwise law at each
    point and time.

    Args:
        values: the states; all sums are taken in float64.
        laws: integral or pointwise.
        where: what was judged, in words.
        precision: of each field.

    Raises:
        UnknownFieldError, UnsupportedLawError: see `check_grid_laws`.
    """
    laws = tuple(laws)
    check_grid_laws(laws, values)
    # A roll-out may have left all bounds; its sums are then not numbers, and do not hold.
    with np.errstate(over="ignore", invalid="ignore"):
        return [_judge_one(values, law, where, precision) for law in laws]


def _judge_one(values: Fields, law: Law, where: str, precision: Mapping[str, torch.dtype]) -> Finding:
    terms = [float(c) * np.asarray(values[name], dtype=np.float64) for (name, _), c in law.terms.items()]
    if law.integral:
        grid = tuple(range(2, terms[0].ndim))
        totals = np.sum([term.sum(axis=grid) for term in terms], axis=0)
        magnitudes = np.sum([np.abs(term).sum(axis=grid) for term in terms], axis=0)
        missed, size = drift(torch.from_numpy(totals), torch.from_numpy(magnitudes)).worst
        method = f"totals over {where}"
    else:
        size = float(np.sum(np.abs(terms), axis=0).max())
        missed = float(np.abs(np.sum(terms, axis=0) - float(law.source)).max())
        method = f"points of {where}"
    single = any(precision[name] == torch.float32 for name in law.fields)
    dtype = torch.float32 if single else torch.float64
    method += " in single precision" if single else ""
    return Finding.of(law.name, method, missed, size, dtype)


def flow_fields(flow: Flow) -> dict[str, Array]:
    """Everything a law may name in a flow: its components and, for a gas, conserved variables."""
    fields = {name: flow.component(name) for name in flow.components}
    have = {name: values.astype(np.float64) for name, values in fields.items()}
    if "density" in have:
        fields["rho"] = have["density"]
        for axis in flow.axes:
            if f"velocity_{axis}" in have:
                fields[f"m{axis}"] = have["density"] * have[f"velocity_{axis}"]
    gamma, primitive = flow.parameters.get("gamma", 1.0), gas.primitive_names(flow.axes)
    if gamma > 1.0 and all(name in have for name in primitive):
        fields["E"] = gas.conserved(*(have[name] for name in primitive), gamma=gamma)[-1]
    return fields


def _made_of(name: str, flow: Flow) -> Sequence[str]:
    """The stored components behind a field that a law may name."""
    if name in flow.components:
        return (name,)
    if name == "rho":
        return ("density",)
    return (
        gas.primitive_names(flow.axes) if name == "E" else ("density", f"velocity_{name.removeprefix('m')}")
    )


def judge_flow(flow: Flow, laws: Iterable[Law], scheme: Scheme | None = None) -> list[Finding]:
    """Judge laws on the states of a stored flow.

    Args:
        flow: the states.
        laws: in the flow's coordinates.
        scheme: of derivatives in space; without one, laws with derivatives are refused, unless their
            fields live at faces. Flows with walls, open ends or unequal spacing have central2 alone; see
            `PointGrid`.

    Raises:
        UnknownFieldError: if a law names a field that the flow does not have.
        UnsupportedLawError: if a law has derivatives that the states do not tell, or is about a total and
            the flow is not periodic on an evenly spaced grid.
    """
    laws, fields = tuple(laws), flow_fields(flow)
    if any(at_faces(flow, law) for law in laws):
        return [
            finding
            for law in laws
            for finding in (
                [judge_faces(flow, steady_law(law, flow))]
                if at_faces(flow, law)
                else judge_flow(flow, [law], scheme)
            )
        ]
    if scheme is not None and any(law.order for law in laws):
        return [
            finding
            for law in laws
            for finding in ([judge_derivatives(flow, law, scheme)] if law.order else judge_flow(flow, [law]))
        ]
    for law in laws:
        if law.integral and not (flow.periodic and flow.evenly_spaced):
            raise UnsupportedLawError(
                law.name,
                "the flow is not periodic on an evenly spaced grid",
                "give such a flow, or a law that holds at each point",
            )
    precision = {
        name: torch.float32 if any(flow.component(p).dtype.itemsize < 8 for p in parts) else torch.float64
        for name in fields
        for parts in [_made_of(name, flow)]
    }
    return judge_states(fields, laws, f"{len(flow.time)} stored times", precision)


def judge_derivatives(flow: Flow, law: Law, scheme: Scheme) -> Finding:
    """Judge a law with derivatives in space at every point and time, in the operators of a scheme."""
    fields = flow_fields(flow)
    law.check_fields(fields)
    steady = steady_law(law, flow)
    parts = [_made_of(name, flow) for name in law.fields]
    single = any(flow.component(p).dtype.itemsize < 8 for names in parts for p in names)
    values = torch.stack([torch.as_tensor(fields[name]).double() for name in law.fields], -1)
    terms = law_terms(values, law.fields, steady, flow_grid(flow, law, scheme))
    missed, size = (terms.sum(0) - float(law.source)).abs().max(), terms.abs().sum(0).max()
    dtype = torch.float32 if single else torch.float64
    return Finding.of(law.name, f"{scheme} derivatives on the grid", float(missed), float(size), dtype)


def flow_grid(flow: Flow, law: Law, scheme: Scheme) -> PeriodicGrid | PointGrid:
    """The grid of a flow: its stored points, whose outermost are the ends of the domain unless periodic.

    Raises:
        UnsupportedLawError: if it is not periodic, or not evenly spaced, and the scheme is not central2; or
            if there is a body in it.
    """
    if flow.solid is not None:
        raise UnsupportedLawError(
            law.name,
            "there is a body in the flow, and no difference may be taken across it",
            "give a part of the flow beside the body",
        )
    lengths = {name: high - low for name, (low, high) in flow.box().items()}
    if flow.periodic and flow.evenly_spaced:
        return PeriodicGrid(tuple(flow.axes), flow.grid, tuple(lengths[name] for name in flow.axes), scheme)
    if scheme != "central2":
        raise UnsupportedLawError(
            law.name,
            "the flow is not periodic on an evenly spaced grid, and differences of second order alone are "
            "known at ends and on unequal spacing",
            f"give the scheme central2 in place of {scheme}",
        )
    return PointGrid(
        {
            name: PointAxis(axis, lengths[name] if flow.boundary.get(name) == "PERIODIC" else None)
            for name, axis in flow.axes.items()
        }
    )


def steady_law(law: Law, flow: Flow) -> Law:
    """The law over the coordinates of the grid alone.

    Raises:
        UnsupportedLawError: if it has derivatives in time, or other coordinates.
    """
    coordinates = tuple(flow.axes)
    if law.coordinates == coordinates:
        return law
    if law.coordinates != ("t", *coordinates) or any(monomial[0] for _, monomial in law.terms):
        raise UnsupportedLawError(
            law.name,
            "stored states do not tell derivatives in time",
            "judge its total by integral(density) = const",
        )
    terms = {(field, monomial[1:]): value for (field, monomial), value in law.terms.items()}
    return replace(law, coordinates=coordinates, terms=terms)
