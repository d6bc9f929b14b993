"""Pictures made of panels: curves, images, networks and bars, drawn from plain arrays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from physmix.reporting.figures import FREE, LAWFUL, as_png

_COLOURS = (LAWFUL, FREE, "#e0a030", "#5b8c5a", "#7d5ba6", "#444444", "#b07aa1", "#76b7b2")
_MORE = ("#9c755f", "#ff9da7", "#bab0ac", "#59a14f", "#f2e34c", "#a0cbe8", "#d4a6c8", "#bcd634")
_DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Curves:
    """Lines over one axis, or around a circle.

    Attributes:
        title: of the panel.
        axes: labels of the abscissa and the ordinate, with units.
        lines: abscissae and ordinates by name; the first is drawn as ours.
        logarithmic: which axes are: "", "x", "y" or "xy".
        limits: of the ordinate.
        marks: places along the abscissa, by name.
        polar: whether the abscissa is an angle in degrees around a circle.
        equal: whether both axes have one scale, as a plane has.
        dots: whether points are drawn instead of lines.
        colours: of the lines, where they mean something.
    """

    title: str
    axes: tuple[str, str]
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]]
    logarithmic: Literal["", "x", "y", "xy"] = ""
    limits: tuple[float, float] | None = None
    marks: Mapping[str, float] = field(default_factory=dict)
    polar: bool = False
    equal: bool = False
    dots: bool = False
    colours: Sequence[str] = ()

    def draw(self, axis: Any) -> None:
        """Draw on an axis of matplotlib."""
        styles = zip(itertools.cycle(self.colours or _COLOURS), itertools.cycle(_DASHES), strict=False)
        for place, ((name, (x, y)), (colour, dash)) in enumerate(
            zip(self.lines.items(), styles, strict=False)
        ):
            along = np.deg2rad(np.asarray(x, float)) if self.polar else np.asarray(x, float)
            style: dict[str, Any] = {"marker": ".", "linestyle": ""} if self.dots else {"linestyle": dash}
            width = 2.0 if place == 0 else 1.4
            axis.plot(along, np.asarray(y), label=name, color=colour, linewidth=width, **style)
        if "x" in self.logarithmic:
            axis.set_xscale("log")
        if "y" in self.logarithmic:
            axis.set_yscale("log")
        if self.equal:
            axis.set_aspect("equal", "datalim")
        if self.limits is not None:
            axis.set_ylim(*self.limits)
        for (name, place_), colour in zip(self.marks.items(), reversed(_COLOURS), strict=False):
            where = np.deg2rad(place_) if self.polar else place_
            axis.axvline(where, color=colour, linewidth=1.6, linestyle=":", label=name)
        axis.set_xlabel(self.axes[0])
        axis.set_ylabel(self.axes[1], labelpad=24 if self.polar else 4)
        axis.grid(alpha=0.3)
        if len(self.lines) + len(self.marks) > 1:
            place_of = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.12)} if self.polar else {}
            axis.legend(frameon=not self.polar, framealpha=0.85, fontsize=8, **place_of)


@dataclass(frozen=True)
class Image:
    """Numbers on a grid, a coloured image, or a map of labels.

    Attributes:
        title: of the panel.
        values: (rows, columns) of numbers or labels, or (rows, columns, 3) of colours in 0..1; row 0 is
            the top.
        axes: labels of columns and rows.
        unit: what the numbers are, beside their colour bar; "" draws no bar.
        diverging: whether zero is the middle of the colours.
        limits: of the numbers.
        labels: names of the labels 0, 1, ...
        extent: left, right, bottom, top, where axes are not counted.
        ticks: names of columns and of rows, for a matrix.
    """

    title: str
    values: NDArray[Any]
    axes: tuple[str, str] = ("column (pixel)", "row (pixel)")
    unit: str = ""
    diverging: bool = False
    limits: tuple[float, float] | None = None
    labels: Sequence[str] = ()
    extent: tuple[float, float, float, float] | None = None
    ticks: tuple[Sequence[str], Sequence[str]] | None = None

    def draw(self, axis: Any) -> None:
        """Draw on an axis of matplotlib."""
        settings: dict[str, Any] = {"extent": self.extent, "interpolation": "nearest"}
        if self.labels:
            count = len(self.labels)
            base = (*_COLOURS, *_MORE)
            colours = ["#f4f4f4", *itertools.islice(itertools.cycle(base), count - 1)]
            shades = ListedColormap(colours[:count])
            settings |= {"cmap": shades, "norm": BoundaryNorm(np.arange(count + 1) - 0.5, count)}
        elif self.values.ndim == 2:
            finite = self.values[np.isfinite(self.values)]
            bound = float(np.abs(finite).max()) if finite.size else 1.0
            low, high = self.limits or ((-bound, bound) if self.diverging else (None, None))
            settings |= {"cmap": "RdBu_r" if self.diverging else "viridis", "vmin": low, "vmax": high}
        shown = axis.imshow(self.values, **settings)
        if self.extent is not None:
            axis.set_aspect("auto")
        if self.labels:
            patches = [Patch(color=c, label=name) for c, name in zip(colours, self.labels, strict=True)]
            axis.legend(
                handles=patches, fontsize=7.5, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
            )
        elif self.unit:
            axis.figure.colorbar(shown, ax=axis, shrink=0.85, label=self.unit)
        axis.set_xlabel(self.axes[0])
        axis.set_ylabel(self.axes[1])
        if self.ticks is not None:
            columns, rows = self.ticks
            axis.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=7)
            axis.set_yticks(range(len(rows)), rows, fontsize=7)


@dataclass(frozen=True)
class Network:
    """A graph in the plane, with a number at each node or edge.

    Attributes:
        title: of the panel.
        places: (node, 2).
        edges: (edge, 2) of nodes.
        nodes, links: numbers of the nodes and of the edges; None draws them grey.
        unit: what the numbers of the nodes are, or those of the edges where the nodes have none.
        axes: labels of the plane; "" leaves an axis out.
        limits: of the numbers.
        names: of the nodes; few.
    """

    title: str
    places: NDArray[Any]
    edges: NDArray[Any]
    nodes: NDArray[Any] | None = None
    links: NDArray[Any] | None = None
    unit: str = ""
    axes: tuple[str, str] = ("", "")
    limits: tuple[float, float] | None = None
    names: Sequence[str] = ()

    def draw(self, axis: Any) -> None:
        """Draw on an axis of matplotlib."""
        plane = self.places[:, :2]
        low, high = self.limits or (None, None)
        lines = LineCollection(list(plane[self.edges]), linewidths=1.2, zorder=1)
        if self.links is None:
            lines.set_color("#b8b8b8")
        else:
            lines.set_array(np.asarray(self.links, float))
            lines.set_linewidth(2.0)
            lines.set_cmap("viridis")
            lines.set_clim(low, high)
        axis.add_collection(lines)
        size = 26 if len(plane) > 50 else 130
        colours: Any = "#555555" if self.nodes is None else np.asarray(self.nodes, float)
        if self.nodes is None:
            size = 6
        scattered = axis.scatter(
            *plane.T, c=colours, s=size, cmap="viridis", vmin=low, vmax=high, zorder=2, edgecolors="#333333",
            linewidths=0.4,
        ) if self.nodes is not None else axis.scatter(*plane.T, c=colours, s=size, zorder=2)  # fmt: skip
        for name, place in zip(self.names, plane, strict=False):
            axis.annotate(name, place, fontsize=6, ha="center", va="center", zorder=3)
        numbers = scattered if self.nodes is not None else lines
        if self.nodes is not None or self.links is not None:
            axis.figure.colorbar(numbers, ax=axis, shrink=0.85, label=self.unit)
        axis.autoscale_view()
        for label, write, ticks in (
            (self.axes[0], axis.set_xlabel, axis.set_xticks),
            (self.axes[1], axis.set_ylabel, axis.set_yticks),
        ):
            write(label)
            if not label:
                ticks([])


@dataclass(frozen=True)
class Bars:
    """Groups of bars.

    Attributes:
        title: of the panel.
        axis: label of the numbers, with unit.
        groups: names below the groups.
        bars: a number for each group, by name; the first is drawn as ours.
        logarithmic: whether the axis is.
        line: a level by name, such as an optimum.
    """

    title: str
    axis: str
    groups: Sequence[str]
    bars: Mapping[str, ArrayLike]
    logarithmic: bool = False
    line: tuple[str, float] | None = None

    def draw(self, axis: Any) -> None:
        """Draw on an axis of matplotlib."""
        width = 0.8 / len(self.bars)
        places = np.arange(len(self.groups))
        for i, (name, heights) in enumerate(self.bars.items()):
            shift = (i - (len(self.bars) - 1) / 2) * width
            label = name if len(self.bars) > 1 else None
            axis.bar(places + shift, np.asarray(heights), width, label=label, color=_COLOURS[i % 8])
        if self.line is not None:
            axis.axhline(self.line[1], color="black", linewidth=1.0, linestyle="--", label=self.line[0])
        if self.logarithmic:
            axis.set_yscale("log")
        turned = {"rotation": 30, "ha": "right"} if max(map(len, self.groups)) > 9 else {}
        axis.set_xticks(places, self.groups, **turned)
        axis.set_ylabel(self.axis)
        axis.grid(axis="y", alpha=0.3)
        if len(self.bars) > 1 or self.line is not None:
            axis.legend(framealpha=0.85, fontsize=8)


Panel = Curves | Image | Network | Bars


def panels_figure(panels: Sequence[Panel], title: str, columns: int = 3) -> Figure:
    """Panels in rows below a title.

    Args:
        panels: one or more.
        title: of the whole.
        columns: panels in a row, at most.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.7 * rows + 0.4), layout="constrained")
    for place, panel in enumerate(panels, 1):
        polar = isinstance(panel, Curves) and panel.polar
        axis: Axes = figure.add_subplot(rows, columns, place, projection="polar" if polar else None)
        panel.draw(axis)
        axis.set_title(panel.title)
    figure.suptitle(title)
    return figure


def draw_panels(panels: Sequence[Panel], title: str, columns: int = 3) -> bytes:
    """The figure of panels as a PNG file."""
    return as_png(panels_figure(panels, title, columns))
