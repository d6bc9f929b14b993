"""What the README says is so."""

import doctest
import re
import shlex

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir

import physmix.applications
from physmix.benchmarks.systems import SYSTEMS
from physmix.commands.walls import read_liftings, read_walls
from physmix.files import configurations
from physmix.jets import seed
from physmix.laws import parse_law

COMMAND = re.compile(r"^scripts/(train|solve|simulate)\.py (.*?)(?:\s+#.*)?$", re.MULTILINE)


# The exporter copies a structure of torch whose class torch calls deprecated.
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)`:FutureWarning:copyreg")
def test_the_examples_run(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(root / "README.md"), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_the_page_of_applications_is_so(root):
    page = root / "docs" / "applications.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0
    listed = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*?) \|", page.read_text(), re.MULTILINE)
    assert {name: int(number) for number, name, _ in listed} == {k: s.number for k, s in SYSTEMS.items()}
    for *_, names in listed:
        assert all(hasattr(physmix.applications, name) for name in re.findall(r"`(\w+)`", names))


def test_the_texts_in_the_table_are_laws(root):
    table = re.findall(r"^\| (`[^|]* = [^|]*) \|", (root / "README.md").read_text(), re.MULTILINE)
    texts = [text for row in table for text in re.findall("`([^`]* = [^`]*)`", row)]
    assert len(texts) > 6
    for text in texts:
        assert parse_law("law", text, "txyz", vectors=["m"], constants={"eps0": "8.8541878128e-12"})


def test_the_files_are_a_law_of_ours_and_walls_that_are_read(root):
    shown = re.findall(r"```yaml\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    _, law, walls = map(yaml.safe_load, shown)  # the first is a problem, which another test solves
    file = configurations() / "law" / f"{law['name']}.yaml"
    assert yaml.safe_load(file.read_text()) == law
    (wall,) = read_walls(walls["walls"], "xy")
    (lid,) = read_liftings(walls["liftings"], "xy", order=1)
    top = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    assert wall.distance(top) == 0
    assert lid.potential.jet(seed(top, 1)).derivative((0, 1)) == 1


def test_the_commands_are_configurations(root):
    commands = COMMAND.findall((root / "README.md").read_text())
    assert len(commands) > 5
    for name, line in commands:
        words = [word for word in shlex.split(line) if word != "-m" and "," not in word]
        overrides = [word for word in words if not word.startswith("launch=")]  # see test_launch.py
        with initialize_config_dir(str(configurations()), version_base="1.3"):
            compose(name, overrides)


@pytest.mark.parametrize("target", ["train", "test"])
def test_the_two_commands_are_in_the_makefile(root, target):
    assert f"make {target}" in (root / "README.md").read_text()
    assert re.search(rf"^{target}: ", (root / "Makefile").read_text(), re.MULTILINE)


def test_every_linked_file_exists(root):
    for link in re.findall(r"\]\((?!http)([^)]+)\)", (root / "README.md").read_text()):
        assert (root / link).exists(), link
