"""The report: one page with everything inside."""

import re

import numpy as np
import pytest

from physmix.reporting import Picture, RunReport, draw, render
from physmix.reporting.figures import as_png, rollout_figure, violation_figure


def finding(violation, tolerance=1e-12, method="nested autograd", law="mass"):
    return {"law": law, "method": method, "violation": violation, "tolerance": tolerance}


METRICS = {
    "experiment": "vortex",
    "law": "mass_momentum",
    "seed": 0,
    "steps": 3,
    "seconds": 1.5,
    "errors": {"density": 1e-3, "velocity_x": 2e-3},
    "violations": {"mass": 1e-16},
    "findings": [finding(1e-16)],
    "versions": {"torch": "2"},
}
TWIN = METRICS | {
    "law": "none",
    "violations": {"mass": 0.25},
    "findings": [finding(0.25)],
    "errors": {"density": 0.5, "velocity_x": 0.5},
}


def report(twin=TWIN, metrics=METRICS):
    grid = np.random.default_rng(0).random((8, 6))
    picture = Picture("density", "t = 1", grid, grid + 0.1, (0.0, 1.0, 0.0, 2.0))
    history = {"steps": [1, 2, 3], "losses": {"loss": [1.0, 0.1, 0.01], "data": [0.5, 0.05, 0.005]}}
    return RunReport(
        metrics=metrics,
        twin=twin,
        laws={"mass": "dt(rho) + dx(mx) = 0 <script>"},
        history=history,
        pictures=[picture],
        command="physmix-train law=none",
    )


def test_the_page_needs_nothing_beside_it():
    page = render(report(), draw(report()))
    assert not re.search(r"(src|href)='(?!data:)", page)
    assert "http" not in page
    assert page.count("data:image/png;base64,") == 3


def test_lawful_stands_beside_free_whichever_run_it_is():
    for metrics, twin in ((METRICS, TWIN), (TWIN, METRICS)):
        page = render(report(twin, metrics), draw(report(twin, metrics)))
        row = re.search(r"<tr><td>mass.*?</tr>", page)[0]
        assert row.index("1.0e-16") < row.index("2.5e-01")
        assert "class='holds'>1.0e-16" in row
        assert "class='broken'>2.5e-01" in row


def test_a_law_is_judged_by_the_finding_that_is_largest_beside_its_tolerance():
    """Rounding may excuse the larger of two violations, and not the smaller."""
    excused = finding(5e-12, 1e-11, "flux through boxes")
    for other, word in ((2e-12, "broken'>2.0e-12"), (2e-13, "holds'>5.0e-12")):
        metrics = METRICS | {"violations": {"mass": 5e-12}, "findings": [excused, finding(other)]}
        page = render(report(TWIN, metrics), draw(report(TWIN, metrics)))
        assert word in re.search(r"<tr><td>mass.*?</tr>", page)[0]
        assert "1e-12</span> to <span class='number'>1e-11" in page
    metrics = METRICS | {"violations": {"mass": None}, "findings": [finding(None), finding(1e-16)]}
    assert "broken'>nan" in render(report(TWIN, metrics), draw(report(TWIN, metrics)))


def test_each_violation_has_its_own_tolerance_drawn():
    judged = {"mass": (3e-12, 1e-11), "energy": (0.5, 1e-12)}
    (axis,) = violation_figure(judged, {"mass": (0.1, 1e-5)}).axes
    (marks,) = axis.collections
    assert [segment[0][0] for segment in marks.get_segments()] == [1e-11, 1e-12, 1e-5]
    bars = [bar.get_y() + bar.get_height() / 2 for bar in axis.patches]
    assert [segment.mean(0)[1] for segment in marks.get_segments()] == pytest.approx(bars)


def test_the_legend_of_a_rollout_covers_no_curve():
    path = {"nrmse": [0.0, 0.1, 0.2], "drift": {"float64": [0.0, 0.0, 1e-16], "float32": [0.0, None, 1e-8]}}
    figure = rollout_figure(path, path)
    as_png(figure)  # which lays it out
    (legend,) = figure.legends
    below = legend.get_window_extent().y1
    assert all(below < axis.get_window_extent().y0 for axis in figure.axes)
    assert all(axis.get_legend() is None for axis in figure.axes)
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{run} weights, {precision}" for run in ("lawful", "free") for precision in ("float64", "float32")
    ]
    assert figure.axes[1].lines[0].get_ydata()[0] == 1e-17  # of zero


def test_without_the_twin_the_page_says_how_to_get_it():
    page = render(report(None), draw(report(None)))
    assert "physmix-train law=none" in page


def test_text_is_escaped():
    assert "<script>" not in render(report(), draw(report()))


@pytest.mark.parametrize("name", ["violations", "fields", "losses"])
def test_figures_are_pictures_with_something_on_them(name):
    import io

    from matplotlib.image import imread

    picture = imread(io.BytesIO(draw(report())[name]))
    assert min(picture.shape[:2]) > 150
    assert picture[..., :3].std() > 0.05
