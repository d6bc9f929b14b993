"""Figures of a run."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

mpl.rcParams.update({"font.size": 9, "axes.titlesize": 10, "figure.dpi": 130})

_BEYOND = 1e30  # of what a roll-out that failed has; no axis has ticks for it
_LEAST = 1e-17  # below what rounding leaves of anything
LAWFUL, FREE = "#1b6ca8", "#c8553d"

Judged = tuple[float, float]
"""A relative violation, and up to which the law holds."""


@dataclass(frozen=True)
class Picture:
    """A predicted field beside the true one on a grid (x, y).

    Attributes:
        name: of the field; title: when and where.
        predicted, true: shape (x, y).
        extent: left, right, bottom, top.
    """

    name: str
    title: str
    predicted: NDArray[np.floating]
    true: NDArray[np.floating]
    extent: tuple[float, float, float, float]


def field_figure(pictures: Sequence[Picture]) -> Figure:
    """A row for each field: true, predicted, and their difference."""
    figure = Figure(figsize=(9.6, 2.75 * len(pictures)), layout="constrained")
    axes = figure.subplots(len(pictures), 3, squeeze=False, sharex=True, sharey=True)
    for row, picture in zip(axes, pictures, strict=True):
        low, high = float(picture.true.min()), float(picture.true.max())
        error = picture.predicted - picture.true
        bound = float(np.abs(error).max()) or 1.0
        label = picture.name.replace("_", " ")
        panels = (
            (picture.true, f"{label}, true", "viridis", low, high),
            (picture.predicted, f"{label}, predicted", "viridis", low, high),
            (error, "predicted - true", "RdBu_r", -bound, bound),
        )
        for axis, (values, title, colours, least, most) in zip(row, panels, strict=True):
            image = axis.imshow(
                values.T, origin="lower", extent=picture.extent, cmap=colours, vmin=least, vmax=most
            )
            axis.set_title(title)
            figure.colorbar(image, ax=axis, shrink=0.9)
        row[0].set_ylabel("y")
    for axis in axes[-1]:
        axis.set_xlabel("x")
    figure.suptitle(pictures[0].title)
    return figure


def loss_figure(steps: Sequence[int], losses: Mapping[str, Sequence[float]]) -> Figure:
    """Each loss against the optimiser step."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for name, values in losses.items():
        if name == "loss" and len(losses) == 2:
            continue  # a single loss is its own total
        style = {"color": "black", "linewidth": 1.6} if name == "loss" else {"linewidth": 1.1}
        axis.plot(steps, values, label="total" if name == "loss" else name, **style)
    axis.set_yscale("log")
    axis.set_xlabel("optimiser step")
    axis.set_ylabel("loss (mean square, relative)")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return figure


def violation_figure(lawful: Mapping[str, Judged], free: Mapping[str, Judged]) -> Figure:
    """The relative violation of each law and its own tolerance: lawful weights beside free ones."""
    laws = list(lawful or free)
    figure = Figure(figsize=(6.4, 0.9 + 0.55 * len(laws)), layout="constrained")
    axis = figure.subplots()
    shift = 0.18 if lawful and free else 0.0
    marks = []
    for offset, judged, label, colour in (
        (-shift, lawful, "lawful weights", LAWFUL),
        (shift, free, "free weights", FREE),
    ):
        if judged:
            rows = [(place + offset, *judged[law]) for place, law in enumerate(laws) if law in judged]
            places, sizes, tolerances = zip(*rows, strict=True)
            widths = [min(max(s, 2 * _LEAST), 10.0) if math.isfinite(s) else 10.0 for s in sizes]
            axis.barh(places, widths, height=0.34, left=0.0, color=colour, label=label)
            for place, width, size, bound in zip(places, widths, sizes, tolerances, strict=True):
                beside = bound if width < bound < 1e3 * width else width  # not under the mark
                axis.text(beside * 1.5, place, f"{size:.0e}", va="center", fontsize=8)
            marks += [(tolerance, place) for tolerance, place in zip(tolerances, places, strict=True)]
    at, places = zip(*marks, strict=True)
    low, high = (np.array(places) + end for end in (-0.17, 0.17))
    axis.vlines(at, low, high, color="black", linewidth=1.6, label="tolerance")
    axis.set_xscale("log")
    axis.set_xlim(_LEAST, 1e2)
    axis.xaxis.set_major_locator(LogLocator(base=10, numticks=8))
    axis.set_yticks(range(len(laws)), [law.replace("_", " ") for law in laws])
    axis.invert_yaxis()
    axis.set_xlabel("relative violation")
    figure.legend(frameon=False, loc="outside upper center", ncols=3)
    return figure


def rollout_figure(lawful: Mapping[str, Any] | None, free: Mapping[str, Any] | None) -> Figure:
    """The error of a roll-out by step, and how far its totals drift, of each run in both precisions.

    A drift of zero is drawn at 1e-17.
    """
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    errors, drifts = figure.subplots(1, 2)
    styles = ({"linewidth": 1.8}, {"linewidth": 6.0, "alpha": 0.35})  # each is seen where both are the same
    for run, path, colour in (("lawful weights", lawful, LAWFUL), ("free weights", free, FREE)):
        if path is None:
            continue
        errors.plot(_shown(path["nrmse"]), color=colour, linewidth=1.8)
        for (precision, values), style in zip(path["drift"].items(), styles, strict=False):
            sizes = [max(value, _LEAST) for value in _shown(values[1:])]
            steps = range(1, len(values))
            drifts.semilogy(steps, sizes, color=colour, label=f"{run}, {precision}", **style)
    errors.set_ylim(0, None)
    drifts.set_ylim(_LEAST / 3, None)
    for axis, label, title in (
        (errors, "nRMSE, mean of the fields", "error of the roll-out"),
        (drifts, "drift / largest sum of |terms| so far", "totals"),
    ):
        axis.set_title(title, fontsize=13)
        axis.set_xlabel("step", fontsize=12)
        axis.set_ylabel(label, fontsize=12)
        axis.tick_params(labelsize=11)
        axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, ncols=2, fontsize=12)
    return figure


def _shown(values: Sequence[float | None]) -> list[float]:
    """What has a place on an axis: nothing that is beyond all measure, or that JSON has as null."""
    return [math.nan if value is None or not abs(value) < _BEYOND else value for value in values]


def pace_figure(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> Figure:
    """Error against seconds, both on logarithmic axes: a panel for each flow, a line for each system.

    Args:
        panels: by flow and system; the first system is drawn as ours.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 0.6, 4.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    systems = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    marks = dict(zip(systems, itertools.cycle("osD^vPX"), strict=False))
    colours = [LAWFUL, FREE, "#e0a030", "#5b8c5a", "#7d5ba6", "#444444", "#b07aa1"]
    chosen = dict(zip(systems, itertools.cycle(colours), strict=False))
    for axis, (title, panel) in zip(axes, panels.items(), strict=True):
        for name, points in panel.items():
            seconds, errors = zip(*points, strict=True)
            width = 2.4 if name == systems[0] else 1.5
            axis.plot(
                seconds,
                errors,
                marker=marks[name],
                color=chosen[name],
                linewidth=width,
                markersize=6,
                label=name,
            )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_title(title, fontsize=13)
        axis.set_xlabel("wall time (s)", fontsize=12)
        axis.tick_params(labelsize=11)
        axis.yaxis.set_major_locator(LogLocator(base=10, numticks=12))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("relative L2 error, mean of the fields", fontsize=12)
    handles = {h.get_label(): h for axis in axes for h in axis.get_lines()}
    figure.legend(
        handles.values(), handles.keys(), loc="outside upper center", frameon=False, ncols=3, fontsize=11
    )
    return figure


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
