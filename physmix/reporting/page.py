"""The report of a run: one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from physmix.reporting.figures import (
    Judged,
    Picture,
    as_png,
    field_figure,
    loss_figure,
    rollout_figure,
    violation_figure,
)

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead { color: #555; margin-top: .2rem; }
table { border-collapse: collapse; margin: .8rem 0; }
th, td { padding: .25rem .9rem .25rem 0; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
td { font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; display: block; }
.number { white-space: nowrap; }
.holds { color: #1b6ca8; } .broken { color: #c8553d; font-weight: 600; }
code { background: #f4f4f4; padding: .1rem .3rem; }
"""


@dataclass(frozen=True)
class RunReport:
    """All that a report shows.

    Attributes:
        metrics: of the run, as in metrics.json.
        twin: metrics of the run with the same seed on the other side of the comparison, if any.
        laws: text of each judged law.
        history: steps and losses.
        pictures: predicted beside true fields.
        command: that trains the missing twin.
    """

    metrics: Mapping[str, Any]
    twin: Mapping[str, Any] | None
    laws: Mapping[str, str]
    history: Mapping[str, Any]
    pictures: Sequence[Picture]
    command: str


def draw(report: RunReport) -> dict[str, bytes]:
    """The figures of a report as PNG files: violations, fields, losses, and the roll-out if there is one."""
    figures = {
        "violations": violation_figure(*(_judged(run) for run in _sides(report))),
        "fields": field_figure(report.pictures),
        "losses": loss_figure(report.history["steps"], report.history["losses"]),
    }
    lawful, free = (run.get("rollout_path") for run in _sides(report))
    if lawful or free:
        figures["rollout"] = rollout_figure(lawful, free)
    return {name: as_png(figure) for name, figure in figures.items()}


def render(report: RunReport, figures: Mapping[str, bytes]) -> str:
    """The page as HTML, with the figures of `draw` inside."""
    metrics = report.metrics
    title = f"{metrics['experiment']}: law {metrics['law']}, seed {metrics['seed']}"
    lead = f"{metrics['steps']} optimiser steps in {metrics['seconds']:.0f} s"
    parts = [
        f"<h1>{escape(title)}</h1><p class='lead'>{escape(lead)}</p>",
        "<h2>Laws</h2>",
        _violations(report),
        image(figures["violations"], "violation of each law"),
        "<h2>Errors on points and times not trained on</h2>",
        _errors(report),
        "<h2>Fields</h2>",
        image(figures["fields"], "true, predicted and error fields"),
        *_rollout(report, figures),
        "<h2>Training</h2>",
        image(figures["losses"], "losses by step"),
        "<h2>Made with</h2>",
        table(["package", "version"], [[k, v] for k, v in metrics["versions"].items()]),
    ]
    return page(title, parts)


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page of these elements."""
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _sides(report: RunReport) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The run with lawful weights, and that with free ones; a run that is missing found nothing."""
    own, other = report.metrics, report.twin or {"violations": {}, "findings": []}
    return (other, own) if own["law"] == "none" else (own, other)


def _judged(run: Mapping[str, Any]) -> dict[str, Judged]:
    """Of each law the violation that is largest beside its tolerance, by which the law holds or does not."""

    def ratio(judged: Judged) -> float:
        size, tolerance = judged
        return math.inf if math.isnan(size) else size / tolerance

    found: dict[str, list[Judged]] = {}
    for finding in run["findings"]:
        found.setdefault(finding["law"], []).append((number(finding["violation"]), finding["tolerance"]))
    return {law: max(several, key=ratio) for law, several in found.items()}


def _violations(report: RunReport) -> str:
    lawful, free = (_judged(run) for run in _sides(report))

    def cell(judged: Mapping[str, Judged], law: str) -> str:
        if law not in judged:
            return "-"
        size, tolerance = judged[law]
        return f"<span class='{'holds' if size <= tolerance else 'broken'}'>{size:.1e}</span>"

    rows = [
        [f"{escape(law)}<br><code>{escape(text)}</code>", cell(lawful, law), cell(free, law)]
        for law, text in report.laws.items()
    ]
    listed = table(["law", "lawful weights", "free weights"], rows, raw=True)
    methods = ", ".join(dict.fromkeys(f["method"] for f in report.metrics["findings"]))
    bounds = [finding["tolerance"] for finding in report.metrics["findings"]]
    least, most = (f"<span class='number'>{bound:.0e}</span>" for bound in (min(bounds), max(bounds)))
    note = (
        f"<p>Relative violation max |L y| / max (sum of |terms|), the largest beside its tolerance of: "
        f"{escape(methods)}; a law holds up to its tolerance, {least}"
        f"{'' if least == most else f' to {most}'}, by the precision and by what rounding alone may "
        "cause.</p>"
    )
    if report.twin is None:
        note += f"<p>To see the other side: <code>{escape(report.command)}</code></p>"
    return listed + note


def _runs(report: RunReport) -> dict[str, Mapping[str, Any]]:
    """This run, and its twin where there is one."""
    twin = {f"law {report.twin['law']}": report.twin} if report.twin else {}
    return {"this run": report.metrics, **twin}


def _rollout(report: RunReport, figures: Mapping[str, bytes]) -> list[str]:
    """How far totals are from where they began, where the run has a roll-out."""
    if "rollout" not in figures:
        return []
    columns = {
        f"{name}, {precision}": values
        for name, run in _runs(report).items()
        for precision, values in run.get("rollout_drift", {}).items()
    }
    laws = next(iter(report.metrics["rollout_drift"].values()))
    rows = [[law, *(f"{number(values.get(law)):.1e}" for values in columns.values())] for law in laws]
    title = f"<h2>A roll-out of {report.metrics['rollout_steps']} steps</h2>"
    note = (
        "<p>Drift of a total Q: |Q(t) - Q(0)| over the largest sum of |terms| up to t, for the step and the "
        "trajectory where it is worst. A drift of zero is drawn at 1e-17.</p>"
    )
    return [
        title,
        table(["drift of", *columns], rows),
        note,
        image(figures["rollout"], "errors and totals by step"),
    ]


def _errors(report: RunReport) -> str:
    runs = _runs(report)
    columns: dict[str, Mapping[str, float]] = {name: run["errors"] for name, run in runs.items()}
    if "errors_against_exact" in report.metrics:
        columns["this run, against the exact solution"] = report.metrics["errors_against_exact"]
    if "persistence_errors" in report.metrics:
        columns["persistence"] = report.metrics["persistence_errors"]
    for name, run in runs.items():
        if "rollout_errors" in run:
            columns[f"{name}, after {run['rollout_error_steps']} steps"] = run["rollout_errors"]
    rows = [
        [field.replace("_", " "), *(f"{number(values[field]):.2e}" for values in columns.values())]
        for field in report.metrics["errors"]
    ]
    return table(["relative L2", *columns], rows)


def number(value: float | None) -> float:
    """A number as JSON has it: null is none."""
    return math.nan if value is None else value


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, raw: bool = False) -> str:
    """A table as HTML; raw cells are HTML already."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{c}</{tag}>" for c in cells) + "</tr>"

    body = [[c if raw else escape(str(c)) for c in row] for row in rows]
    return (
        f"<table>{line([escape(h) for h in head], 'th')}"
        + "".join(line(row, "td") for row in body)
        + "</table>"
    )


def image(figure: bytes, text: str) -> str:
    """A PNG file as an element of a page."""
    uri = "data:image/png;base64," + base64.b64encode(figure).decode()
    return f"<img src='{uri}' alt='{escape(text)}'>"
