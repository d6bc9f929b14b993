"""Figures and the page of a solved problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from physmix.reporting.figures import as_png
from physmix.reporting.page import image, number, page, table


@dataclass(frozen=True)
class Map:
    """A field on a grid of a plane; NaN where there is none.

    Attributes:
        name: of the field; title: when and where.
        values: shape (x, y).
        extent: left, right, bottom, top.
        axes: the names of both coordinates.
    """

    name: str
    title: str
    values: NDArray[np.floating]
    extent: tuple[float, float, float, float]
    axes: tuple[str, str]


@dataclass(frozen=True)
class SolvedReport:
    """All that the page of a solved problem shows.

    Attributes:
        metrics: of the run, as in metrics.json.
        laws: text of each judged law.
        maps: the fields.
        losses: the sum of squares before each step.
    """

    metrics: Mapping[str, Any]
    laws: Mapping[str, str]
    maps: Sequence[Map]
    losses: Sequence[float]


def draw_solved(report: SolvedReport) -> dict[str, bytes]:
    """The figures of a report as PNG files: fields, and losses by step."""
    return {"fields": as_png(_maps(report.maps)), "losses": as_png(_losses(report.losses))}


def render_solved(report: SolvedReport, figures: Mapping[str, bytes]) -> str:
    """The page as HTML, with the figures of `draw_solved` inside."""
    metrics = report.metrics
    title = f"{metrics['experiment']}: exact {metrics['law'] or 'in no law'}, seed {metrics['seed']}"
    laws = [[law, text, f"{number(metrics['violations'].get(law)):.1e}"] for law, text in report.laws.items()]
    sizes = [
        [name, f"{number(value):.2e}", f"{number(metrics['fresh'][name]):.2e}"]
        for name, value in metrics["residuals"].items()
    ]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class='lead'>{metrics['steps']} steps in {metrics['seconds']:.1f} s</p>",
        *(f"<p>{escape(told)}.</p>" for told in metrics["told"]),
        "<h2>Laws</h2>",
        table(["law", "text", "relative violation"], laws),
        "<h2>Residuals</h2>",
        table(["root mean square", "at the points of the problem", "at fresh points"], sizes),
    ]
    if metrics["errors"]:
        errors = [[name, f"{number(value):.1e}"] for name, value in metrics["errors"].items()]
        told = "twice the relative L2 distance to a solution by other features and other points"
        parts += [f"<h2>Errors</h2><p>Estimated: {told}.</p>", table(["field", "relative L2"], errors)]
    for title, column, numbers in (
        ("Unknowns", "standard error", metrics["unknowns"]),
        ("Quantities", "estimated error", metrics["quantities"]),
    ):
        found = [
            [name, f"{number(one['value']):.8g}", "-" if one["error"] is None else f"{one['error']:.1g}"]
            for name, one in numbers.items()
        ]
        if found:
            parts += [f"<h2>{title}</h2>", table([title.lower()[:-1], "value", column], found)]
    parts += [
        "<h2>Fields</h2>",
        image(figures["fields"], "fields"),
        "<h2>Solver</h2>",
        image(figures["losses"], "sum of squares by step"),
        "<h2>Made with</h2>",
        table(["package", "version"], [[k, v] for k, v in metrics["versions"].items()]),
    ]
    return page(title, parts)


def _maps(maps: Sequence[Map]) -> Figure:
    """One field below the other."""
    first = maps[0]
    left, right, bottom, top = first.extent
    height = min(max(8.0 * (top - bottom) / (right - left), 1.4), 6.0)
    figure = Figure(figsize=(9.0, (height + 0.5) * len(maps)), layout="constrained")
    axes = figure.subplots(len(maps), 1, squeeze=False)[:, 0]
    for axis, one in zip(axes, maps, strict=True):
        shown = axis.imshow(one.values.T, origin="lower", extent=one.extent, cmap="viridis", aspect="auto")
        axis.set_title(f"{one.name}{one.title}")
        axis.set_xlabel(one.axes[0])
        axis.set_ylabel(one.axes[1])
        figure.colorbar(shown, ax=axis)
    return figure


def _losses(losses: Sequence[float]) -> Figure:
    """The sum of squares before each step."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.semilogy(range(len(losses)), losses, "o-", color="black")
    axis.set_xlabel("step")
    axis.set_ylabel("sum of squares, weighted")
    axis.grid(alpha=0.3)
    return figure
