"""The report: one page with everything inside."""

import re

import numpy as np
import pytest

from physmix.reporting import Picture, RunReport, draw, render

METRICS = {
    "experiment": "vortex",
    "law": "mass_momentum",
    "seed": 0,
    "steps": 3,
    "seconds": 1.5,
    "errors": {"density": 1e-3, "velocity_x": 2e-3},
    "violations": {"mass": 1e-16},
    "findings": [{"law": "mass", "method": "nested autograd", "holds": True}],
    "versions": {"torch": "2"},
}
TWIN = METRICS | {
    "law": "none",
    "violations": {"mass": 0.25},
    "findings": [{"law": "mass", "method": "nested autograd", "holds": False}],
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
        tolerance=1e-12,
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
