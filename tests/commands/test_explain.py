"""The command that explains a law."""

import json
import sys

import pytest

from physmix.commands.explain import explain, find_law, main
from physmix.errors import SettingsError

LIBRARY = [
    "charge",
    "elasticity",
    "energy",
    "faraday_2d",
    "faraday_3d",
    "gauss",
    "incompressible",
    "mass",
    "mass_momentum",
    "mass_momentum_1d",
    "mass_momentum_3d",
    "mixture_fractions",
    "passive_scalar",
    "shallow_water",
    "species",
]


def test_the_list_is_the_library(root):
    files = {path.stem for path in (root / "conf" / "law").glob("*.yaml")}
    assert files - {"none", "totals"} == set(LIBRARY)


@pytest.mark.parametrize("name", LIBRARY)
def test_every_law_of_the_library_is_complete(name, capsys):
    texts = find_law(name)
    assert explain(texts, texts.coordinates, degree=3, as_json=True) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["parts"]
    assert all(part["complete"] and part["nullity"] for part in described["parts"])


def test_the_words_of_mass_and_momentum(capsys):
    texts = find_law("mass_momentum")
    assert explain(texts, texts.coordinates, ("x", "y")) == 0
    printed = capsys.readouterr().out
    for words in (
        "36 weights for each potential, 6 of them free: Beltrami stress functions of space-time",
        "6    15    27    42    60",
        "complete to degree 4",
        "channels of their own: rho = 1; mx = 1; my = 1",
        "bodies at rest add no channels",
    ):
        assert words in printed


def test_holes_of_a_steady_flow(capsys):
    explain(find_law("div(u) = 0", ["u"]), ("x", "y"))
    printed = capsys.readouterr().out
    assert "uy = dx(phi), ux = -dy(phi)" in printed
    assert "each body in the plane adds 1 channel of its own" in printed


def test_terms_of_one_field_read_as_a_sum(capsys):
    explain(find_law("dt(u) + dx(f) = nu*dx(dx(u))", constants={"nu": "1/100"}), ("t", "x"))
    assert "f = dx(dx(phi)) - 100*dt(phi), u = 100*dx(phi)" in capsys.readouterr().out


def test_totals_are_said_to_be_totals(capsys):
    assert explain(find_law("totals"), ("t", "x", "y")) == 0
    assert "integral(rho) = const" in capsys.readouterr().out


def test_a_law_without_potentials_ends_with_one(capsys):
    assert explain(find_law("dt(u) + dx(u) = 0"), ("t", "x")) == 1
    assert "no potentials" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("constants", "code", "words"),
    [
        ("nu=1/100", 1, "dt(u) - 1/100*dx(dx(u)) = 0"),
        ("nu", 2, "'nu' has no number; write nu=1/100"),
        ("", 2, "if nu is a number, give it among the constants"),
    ],
)
def test_constants_of_a_text(constants, code, words, monkeypatch, capsys):
    text = ["dt(u) - nu*laplacian(u) = 0", "--coordinates", "t,x", "--constants", constants]
    monkeypatch.setattr(sys, "argv", ["physmix-explain", *text])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert words in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: find_law("masss"), "not in the library"),
        (lambda: explain(find_law("mass"), ("t", "x", "y"), ("t",)), "'t' is not one"),
        (lambda: explain(find_law("mass"), ("t", "x", "y"), degree=99), "from 0 to 10"),
    ],
)
def test_what_cannot_be_explained_is_refused(run, message):
    with pytest.raises(SettingsError, match=message):
        run()
