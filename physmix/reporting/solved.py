"""Figures and the page of a solved problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from physmix.flows import Flow
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
class Course:
    """Numbers over time.

    Attributes:
        name: of what they are.
        times: shape (time).
        values: by label, shape (time).
        errors: of these, by label, as far as known.
        scale: of the axis: "linear" or "log".
    """

    name: str
    times: Sequence[float]
    values: Mapping[str, Sequence[float]]
    errors: Mapping[str, Sequence[float]]
    scale: str = "linear"


@dataclass(frozen=True)
class SolvedReport:
    """All that the page of a solved problem shows.

    Attributes:
        metrics: of the run, as in metrics.json.
        laws: text of each judged law.
        maps: the fields, and where there is time each at several times, in their order.
        losses: the sum of squares before each step, for each window of time.
        courses: what is shown over time.
    """

    metrics: Mapping[str, Any]
    laws: Mapping[str, str]
    maps: Sequence[Map]
    losses: Sequence[Sequence[float]]
    courses: Sequence[Course] = ()


def draw_solved(report: SolvedReport) -> dict[str, bytes]:
    """The figures of a report as PNG files: fields, losses by step, and what changes over time."""
    found = {"fields": as_png(_maps(report.maps)), "losses": as_png(_losses(report.losses))}
    return found | ({"times": as_png(_courses(report.courses))} if report.courses else {})


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
        *_totals(metrics["imbalances"]),
        "<h2>Residuals</h2>",
        table(["root mean square", "at the points of the problem", "at fresh points"], sizes),
    ]
    if metrics["errors"]:
        errors = [[name, f"{number(value):.1e}"] for name, value in metrics["errors"].items()]
        told = "twice the relative L2 distance to a solution by other features and other points"
        parts += [f"<h2>Errors</h2><p>Estimated: {told}.</p>", table(["field", "relative L2"], errors)]
    if metrics["known"]:
        errors = [[name, f"{number(value):.1e}"] for name, value in metrics["known"].items()]
        parts += [
            "<p>Against the solution that the problem names:</p>",
            table(["field", "relative L2"], errors),
        ]
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
    if "times" in figures:
        parts += ["<h2>Over time</h2>", image(figures["times"], "numbers over time")]
    parts += [
        "<h2>Fields</h2>",
        image(figures["fields"], "fields"),
        "<h2>Solver</h2>",
        image(figures["losses"], "sum of squares by step"),
        "<h2>Made with</h2>",
        table(["package", "version"], [[k, v] for k, v in metrics["versions"].items()]),
    ]
    return page(title, parts)


def _totals(imbalances: Mapping[str, float]) -> list[str]:
    """How far totals are off what was given at the start and has flowed out since."""
    if not imbalances:
        return []
    rows = [[law, f"{number(off):.1e}"] for law, off in imbalances.items()]
    told = "The total at the end of each window of time, less what the start and the boundary make it."
    return [f"<h2>Totals</h2><p>{told}</p>", table(["law", "relative imbalance"], rows)]


def maps_of(flow: Flow, most: int = 3) -> list[Map]:
    """Pictures of all fields: in the plane of the first two coordinates, mid-way along others.

    Args:
        flow: a single trajectory.
        most: times that are shown, from the first to the last; of one that does not move, one.
    """
    names, axes, box = list(flow.axes), dict(flow.axes), flow.box()
    plane = (names[0], names[1]) if len(names) > 1 else ("t", names[0])
    last = len(flow.time) - 1
    chosen = sorted({round(i * last / (most - 1)) for i in range(most)}) if plane[0] != "t" else [last]
    maps = []
    for name in flow.components:
        values = np.array(flow.component(name)[0], np.float64)
        if flow.solid is not None:
            values[:, flow.solid] = np.nan
        for i in chosen:
            shown = values if plane[0] == "t" else values[i]
            while shown.ndim > 2:
                shown = shown[..., len(axes[names[shown.ndim - 1]]) // 2]
            title = "" if plane[0] == "t" or not last else f", t = {flow.time[i]:.3g}"
            maps.append(Map(name, title, shown, (*box[plane[0]], *box[plane[1]]), plane))
    return maps


def _maps(maps: Sequence[Map]) -> Figure:
    """One field below the other, its times side by side with colours of their own."""
    names = list(dict.fromkeys(one.name for one in maps))
    columns = max(sum(one.name == name for one in maps) for name in names)
    left, right, bottom, top = maps[0].extent
    width = 9.0 if columns == 1 else 12.0
    height = min(max((width - 1) / columns * (top - bottom) / (right - left), 1.4), 6.0)
    figure = Figure(figsize=(width, (height + 0.5) * len(names)), layout="constrained")
    axes = figure.subplots(len(names), columns, squeeze=False)
    for axis, one in zip(axes.ravel(), maps, strict=True):
        shown = axis.imshow(one.values.T, origin="lower", extent=one.extent, cmap="viridis", aspect="auto")
        axis.set_title(f"{one.name}{one.title}")
        axis.set_xlabel(one.axes[0])
        axis.set_ylabel(one.axes[1])
        figure.colorbar(shown, ax=axis)
    return figure


def _losses(losses: Sequence[Sequence[float]]) -> Figure:
    """The sum of squares before each step, one window of time after the other."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    start = 0
    for window in losses:
        axis.semilogy(range(start, start + len(window)), window, "o-", color="black")
        start += len(window)
    axis.set_xlabel("step" if len(losses) == 1 else "step, of one window after the other")
    axis.set_ylabel("sum of squares, weighted")
    axis.grid(alpha=0.3)
    return figure


def _courses(courses: Sequence[Course]) -> Figure:
    """One below the other, with errors as bands."""
    figure = Figure(figsize=(6.4, 2.8 * len(courses)), layout="constrained")
    for axis, one in zip(figure.subplots(len(courses), 1, squeeze=False)[:, 0], courses, strict=True):
        times = np.asarray(one.times)
        for label, values in one.values.items():
            (line,) = axis.plot(times, values, "o-", markersize=3, label=label)
            if label in one.errors:
                centre, error = np.asarray(values), np.asarray(one.errors[label])
                colour = line.get_color()
                axis.fill_between(times, centre - error, centre + error, alpha=0.3, color=colour)
        axis.set_yscale(one.scale)
        axis.set_xlabel("t")
        axis.set_ylabel(one.name)
        axis.grid(alpha=0.3)
        if len(one.values) > 1:
            axis.legend()
    return figure
