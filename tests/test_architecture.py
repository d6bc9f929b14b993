"""The house: imports go down the floors, and each outside library is known to one room."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = [
    {"errors", "files", "operators"},
    {"constraints", "jets", "flows"},
    {"laws", "grids", "optimization"},
    {"mixing", "reconciliation"},
    {"problems", "surrogates", "checking"},
    {"training", "reporting", "applications"},
    {"benchmarks"},
    {"commands"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
RESERVED = {
    "hydra": "commands",
    "omegaconf": "commands",
    "h5py": "flows",
    "pyro": "flows",
    "skfem": "flows",
    "torch_cfd": "flows",
    "lightning": "training",
    "matplotlib": "reporting",
}


def modules(root: Path):
    return sorted((root / "physmix").rglob("*.py"))


def imports(file: Path):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield from (
                [f"physmix.{alias.name}" for alias in node.names]
                if node.module == "physmix"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room_of(parts):
    return parts[1].removesuffix(".py")


def test_every_room_has_a_floor(root):
    rooms = {room_of(f.relative_to(root).parts) for f in modules(root)} - {"__init__"}
    assert rooms == set(FLOOR)


def test_imports_go_down(root):
    wrong = []
    for file in modules(root):
        room = room_of(file.relative_to(root).parts)
        if room == "__init__":
            continue
        for name in imports(file):
            parts = name.split(".")
            if (
                parts[0] == "physmix"
                and len(parts) > 1
                and parts[1] != room
                and FLOOR[parts[1]] >= FLOOR[room]
            ):
                wrong.append(f"{file.relative_to(root)} imports {name}")
    assert not wrong


def test_outside_libraries_stay_in_their_room(root):
    wrong = [
        f"{file.relative_to(root)} imports {name}"
        for file in modules(root)
        for name in imports(file)
        if (owner := RESERVED.get(name.split(".")[0])) and room_of(file.relative_to(root).parts) != owner
    ]
    assert not wrong


def test_the_floors_can_be_broken(root, tmp_path):
    """The test above must fail on an upward import."""
    file = tmp_path / "physmix" / "laws" / "bad.py"
    file.parent.mkdir(parents=True)
    file.write_text("from physmix.mixing import MixingLayer\nimport h5py\n")
    with pytest.raises(AssertionError):
        test_imports_go_down(tmp_path)
    with pytest.raises(AssertionError):
        test_outside_libraries_stay_in_their_room(tmp_path)


def test_readme_and_docs_show_the_same_floors(root):
    text = (root / "README.md").read_text()
    for number, rooms in enumerate(FLOORS):
        line = next(line for line in text.splitlines() if line.startswith(f"| {number} |"))
        assert {word.strip(" `|") for word in line.split("|")[2].split(",")} == rooms


def test_import_is_light():
    code = (
        "import sys, physmix; "
        "heavy = ('lightning', 'hydra', 'matplotlib', 'cvxpy', 'h5py', 'sympy', 'skfem'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
