"""The scripts of a checkout, which are the faces of the commands."""

import subprocess
import sys
import tomllib

import pytest

SCRIPTS = {
    "applications": "applications",
    "benchmark": "benchmark",
    "check_constraints": "check",
    "explain_law": "explain",
    "simulate": "simulate",
    "solve": "solve",
    "train": "train",
}


def test_every_command_has_a_script(root):
    commands = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    assert commands == {f"physmix-{name}": f"physmix.commands.{name}:main" for name in SCRIPTS.values()}
    assert {file.stem for file in (root / "scripts").glob("[!_]*.py")} == set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_outside_of_the_environment_a_script_says_how_to_enter_it(root, script):
    bare = [sys.executable, "-S", "-E", str(root / "scripts" / f"{script}.py")]  # without any package
    ended = subprocess.run([*bare, "nothing"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2  # 1 would say that a law is violated
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("physmix: the package physmix is not installed")
    assert "make test" in sentence
    assert ". .venv/bin/activate" in sentence
