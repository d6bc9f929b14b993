"""The checking command: exit codes, findings, and what it says of broken input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from physmix.commands.check import check
from physmix.errors import SettingsError
from physmix.files import configurations


@pytest.mark.parametrize(("experiment", "law"), [("vortex", "mass_momentum"), ("fields", "totals")])
def test_codes_are_0_for_a_run_and_1_for_its_twin(experiment, law, trained, capsys):
    lawful, free = trained(experiment, law), trained(experiment, "none")
    capsys.readouterr()
    assert check([lawful]) == 0
    assert "VIOLATED" not in capsys.readouterr().out
    assert check([lawful / "checkpoint"]) == 0
    assert check([free]) == 1
    assert check([lawful, free]) == 1
    out = capsys.readouterr().out
    assert "VIOLATED" in out
    assert "holds" in out


def test_json_has_every_finding(trained, vortex_file, tmp_path, capsys):
    free = trained("vortex", "none")
    capsys.readouterr()
    code = check([free, vortex_file, tmp_path / "none.hdf5"], as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert code == report["exit_code"] == 2
    model, flow, missing = report["paths"]
    assert len(model["findings"]) == 6
    assert not model["holds"]
    assert {f["law"] for f in flow["findings"]} == {"mass", "momentum_x", "momentum_y", "energy"}
    assert flow["holds"]
    assert "does not exist" in missing["error"]


def test_a_truncated_file_is_2_and_the_rest_is_still_judged(vortex_file, tmp_path, capsys):
    short = tmp_path / "short.hdf5"
    short.write_bytes(vortex_file.read_bytes()[:100_000])
    assert check([short, vortex_file]) == 2
    streams = capsys.readouterr()
    assert "cut short" in streams.err
    assert streams.out.count("holds") == 4


def test_a_leaking_flow_is_1(vortex_file, tmp_path):
    leaking = tmp_path / "leaking.hdf5"
    shutil.copy(vortex_file, leaking)
    with h5py.File(leaking, "r+") as file:
        file["t0_fields/density"][:, -1] *= 1.001
    assert check([leaking]) == 1


def test_a_flow_without_pressure_is_judged_by_what_it_has(vortex_file, tmp_path, capsys):
    bare = tmp_path / "bare.hdf5"
    shutil.copy(vortex_file, bare)
    with h5py.File(bare, "r+") as file:
        del file["t0_fields/pressure"]
        file["t0_fields"].attrs["field_names"] = ["density"]
    assert check([bare]) == 0
    assert "not judged energy: the flow has no E" in capsys.readouterr().out


def test_a_misspelt_density_is_2_and_the_fields_are_named(vortex_file, tmp_path, capsys):
    misspelt = tmp_path / "misspelt.hdf5"
    shutil.copy(vortex_file, misspelt)
    with h5py.File(misspelt, "r+") as file:
        file["t0_fields"].move("density", "densty")
        file["t0_fields"].attrs["field_names"] = ["densty", "pressure"]
    assert check([misspelt]) == 2
    assert "need density, velocity and pressure, and the fields are densty" in capsys.readouterr().err


LAWS = {
    "good": ("laws: {mass: 'integral(rho) = const'}", 0, ""),
    "false": (
        "laws: {false: 'integral(pressure - 2*density*1) = const', p2: 'integral(velocity_x) = const'}",
        1,
        "",
    ),
    "unknown": ("laws: {odd: 'integral(temperature) = const'}", 2, "'temperature', but the fields are"),
    "unreadable": ("laws: {odd: 'integral(rho = const'}", 2, "column 14"),
    "no total": ("laws: {div: 'dx(velocity_x) + dy(velocity_y) = 0'}", 2, "do not tell its derivatives"),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws_from_a_file(name, vortex_file, tmp_path, capsys):
    text, code, message = LAWS[name]
    (tmp_path / "laws.yaml").write_text(text)
    assert check([vortex_file], tmp_path / "laws.yaml") == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "laws: {}", "laws: 3", "laws: {a: 1}", "{", "!!python/object/apply:os.system [ls]"]
)
def test_a_file_without_laws_is_refused(text, vortex_file, tmp_path):
    (tmp_path / "laws.yaml").write_text(text)
    with pytest.raises(SettingsError, match="the laws"):
        check([vortex_file], tmp_path / "laws.yaml")


def test_laws_of_another_model_are_named(trained, tmp_path, capsys):
    (tmp_path / "laws.yaml").write_text("laws: {energy: 'dt(E) = 0'}")
    assert check([trained("vortex", "mass_momentum")], tmp_path / "laws.yaml") == 2
    assert "'E', but the fields are rho, mx, my" in capsys.readouterr().err


def test_a_file_of_the_library_judges_a_model(trained, capsys):
    folder, library = trained("vortex", "mass_momentum"), configurations() / "law"
    assert check([folder], library / "mass_momentum.yaml") == 0
    assert "holds    momentum_y" in capsys.readouterr().out
    assert check([folder], Path("mass_momentum")) == 0
    with pytest.raises(SettingsError, match=r"masss cannot be read.*or one of charge"):
        check([folder], Path("masss"))
    assert check([trained("vortex", "none")], library / "mass.yaml") == 1
    assert check([folder], library / "mass_momentum_3d.yaml") == 2
    assert "written in t, x, y, z, and the fields depend on t, x, y" in capsys.readouterr().err


def corrupt(change):
    def apply(folder):
        file = folder / "checkpoint" / "model.json"
        description = json.loads(file.read_text())
        change(description)
        file.write_text(json.dumps(description))

    return apply


CORRUPT = {
    "weights cut": lambda f: (f / "checkpoint/model.safetensors").write_bytes(b"123"),
    "no weights": lambda f: (f / "checkpoint/model.safetensors").unlink(),
    "other law": corrupt(lambda d: d["laws"]["laws"].update(mass="dt(rho) - dx(mx) + dy(my) = 0")),
    "unknown kind": corrupt(lambda d: d["model"].update(name="os.system")),
    "no fields": corrupt(lambda d: d.pop("fields")),
    "wrong types": corrupt(lambda d: d.update(box=3, size=[])),
    "hidden text": corrupt(lambda d: d["model"].update(hidden="many")),
    "law in a notation that is none": corrupt(lambda d: d["laws"].update(vectors=["u v"])),
    "law with a huge constant": corrupt(lambda d: d["laws"].update(constants={"c": "1e99999999"})),
    "judged with an odd key": corrupt(lambda d: d["judged"].update(fields=[1])),
    "judged is a list": corrupt(lambda d: d.update(judged=[1])),
    "no judged": corrupt(lambda d: d.pop("judged")),
    "huge number": corrupt(lambda d: d["mean"].update(rho=10**400)),
    "no time in the box": corrupt(lambda d: d["box"].pop("t")),
    "negative": corrupt(lambda d: d["model"].update(potentials=-1)),
    "huge": corrupt(lambda d: d["model"].update(hidden=[10**9])),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_checkpoint_is_2_with_a_sentence(name, run, capsys):
    folder = run("vortex", "mass_momentum")
    capsys.readouterr()
    CORRUPT[name](folder)
    assert check([folder]) == 2
    assert "physmix: checkpoint" in capsys.readouterr().err


def test_weights_of_zero_are_not_said_to_hold(run, capsys):
    from safetensors.torch import load_file, save_file

    file = run("vortex", "mass_momentum") / "checkpoint" / "model.safetensors"
    tensors = load_file(file)
    save_file({name: t * ("weight" not in name or "mixing" not in name) for name, t in tensors.items()}, file)
    assert check([file.parent]) == 2
    assert "nothing was tested" in capsys.readouterr().out


def test_the_script_sets_the_exit_code(root, vortex_file, tmp_path):
    script = [sys.executable, str(root / "scripts" / "check_constraints.py")]
    good = subprocess.run([*script, str(vortex_file), "--json"], capture_output=True, text=True, check=False)
    assert good.returncode == 0
    assert json.loads(good.stdout)["exit_code"] == 0
    bad = subprocess.run([*script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert bad.stderr.startswith("physmix: checkpoint")
