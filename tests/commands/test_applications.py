"""The command that demonstrates systems: settings, verdicts, rows, pictures, and what is missing."""

import json

import numpy as np
import pytest

from physmix.benchmarks.foreign import package
from physmix.benchmarks.row import ours, peer
from physmix.benchmarks.systems import SYSTEMS, Shown, System
from physmix.commands.applications import applications, settings_of
from physmix.errors import MissingPackageError, SettingsError
from physmix.reporting import Bars, Curves, Image, Network


@pytest.fixture
def systems(monkeypatch):
    """One system that holds, one that falls short, one whose package is missing."""
    grid = np.linspace(0, 1, 5)
    panels = [
        Curves("c", ("x (m)", "y (m)"), {"ours": (grid, grid), "peer": (grid, grid**2)}, marks={"end": 1.0}),
        Curves("p", ("angle (deg)", "gain (dB)"), {"ours": (360 * grid, grid)}, polar=True),
        Image("i", np.outer(grid, grid), unit="abundance"),
        Image("l", np.arange(4).reshape(2, 2), labels=("none", "corn", "oats", "wheat")),
        Network("n", np.eye(3), np.array([[0, 1], [1, 2]]), nodes=grid[:3], unit="flow"),
        Network("e", np.eye(3), np.array([[0, 1], [1, 2]]), links=grid[:2], unit="flow"),
        Bars("b", "error", ["first", "second"], {"ours": [1, 2], "peer": [2, 3]}, line=("best", 1.0)),
    ]

    def demonstrate(*, value: float, seed: int = 0) -> Shown:
        rows = [ours("case", "off", value, target="<= 1"), peer("case", "twin", "off", 3.0 + seed)]
        return Shown(rows, panels)

    def incomplete() -> Shown:
        return Shown([], [package("no_such_package")])

    monkeypatch.setattr(
        "physmix.commands.applications.settings_of",
        lambda name, texts=(): {} if name == "lacking" else {"value": 2.0 if name == "bad" else 0.5},
    )
    made = {"good": demonstrate, "bad": demonstrate, "lacking": incomplete}
    for name in list(SYSTEMS):
        monkeypatch.delitem(SYSTEMS, name)
    for number, (name, run) in enumerate(made.items()):
        monkeypatch.setitem(SYSTEMS, name, System(number, f"the {name} one", "it holds", run))


def test_a_figure_that_falls_short_is_exit_code_one(systems, tmp_path, capsys):
    file, folder = tmp_path / "rows.json", tmp_path / "figures"
    assert applications("good", (), file, folder) == 0
    assert applications("bad") == 1
    assert "bad: FALLS SHORT" in capsys.readouterr().out
    assert [row["holds"] for row in json.loads(file.read_text())] == [True, None]
    assert (folder / "good.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_missing_is_said_and_the_others_go_on(systems, capsys):
    assert applications("all") == 2
    told = capsys.readouterr()
    assert "type: pip install 'physmix[applications]'" in told.err
    assert "good: holds" in told.out
    with pytest.raises(MissingPackageError, match="no_such_package"):
        applications("lacking")
    with pytest.raises(SettingsError, match="name one of them"):
        applications("all", ["seed=1"])


def test_settings_are_those_of_the_file_and_of_the_command_line():
    assert settings_of("reconcile", ["seed=3"])["seed"] == 3
    assert settings_of("reconcile")["network"] == "Net3"
    assert "name" not in settings_of("reconcile")
