"""Problems of a configuration are solved from the command line, and their runs are judged as others are."""

import json

import meshio
import numpy as np
import pytest
import yaml
from commands.conftest import compose_settings

from physmix.commands.check import check
from physmix.commands.notation import Notation
from physmix.commands.problems import read_problem
from physmix.commands.solve import solve_problem
from physmix.commands.solving import other_features, read_way
from physmix.errors import PhysmixError, RunExistsError, SettingsError
from physmix.files import configurations
from physmix.flows import read_flow, read_mesh
from physmix.problems import Problem
from physmix.training import marching

CORNER = "{corner: {x: 0, y: 1}, start: '-pi/2', opening: 'pi/2', powers: [2, 3], angles: 6, radius: 0.2}"
EDDIES = "{eddies: {x: 0, y: 0}, start: 0, opening: 'pi/2', angles: 4, radius: 0.2}"
SMALL = {
    "bump": [
        "problem.model.features=60",
        "problem.model.subdomains=[2,1]",
        "problem.points=400",
        "problem.boundary_points=40",
        "grid=24",
    ],
    "cavity": [
        "problem.model.features=150",
        "problem.model.subdomains=null",
        "problem.points=800",
        "problem.boundary_points=60",
        f"problem.model.enrichments=[{CORNER}, {EDDIES}]",
        "grid=12",
    ],
    "taylor_green": [
        "problem.model.features=24",
        "problem.model.slope=[0.7,2,2]",
        "problem.points=300",
        "grid=12",
        "times=3",
    ],
}
HEAT = {
    "name": "heat",
    "region": {"box": {"t": [0, 1], "x": [0, 1]}},
    "equations": {
        "name": "own",
        "fields": ["T", "q"],
        "laws": {"energy": "dt(T) + dx(q) = 0"},
        "residuals": {"Fourier": "q + k*dx(T)"},
    },
    "constants": {"k": 0.1},
    "conditions": [
        {"where": ["start"], "values": {"T": "sin(pi*x)"}},
        {"where": ["x=low", "x=high"], "values": {"T": 0}},
    ],
    "points": 300,
    "boundary_points": 60,
    "model": {"features": 60},
    "quantities": {
        "heat": {"integral": "region", "of": "T", "at": 1.0},
        "out": {"flux": "x=high", "of": "q", "at": 0.5},
    },
}


@pytest.fixture
def solved(root, tmp_path, monkeypatch):
    """Solve a problem of the library, or of keys written to a file, in a folder of its own."""
    (tmp_path / "data").symlink_to(root / "data")
    monkeypatch.chdir(tmp_path)

    def run(what, *more):
        if not isinstance(what, str):
            (tmp_path / "own.yaml").write_text(yaml.safe_dump(what))
        chosen = [f"problem={what}", *SMALL[what]] if isinstance(what, str) else ["file=own.yaml"]
        return solve_problem(compose_settings(*chosen, "progress=false", *more, name="solve"))

    run.folder = tmp_path / "runs"
    return run


def test_the_channel_with_a_bump_leaves_a_run_like_others(solved, capsys):
    assert solved("bump") == 0
    folder = solved.folder / "bump" / "mass" / "0"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"seconds", "steps", "errors", "violations", "seed", "versions"} <= set(metrics)
    assert set(metrics["errors"]) == {"ux", "uy", "p"}
    assert metrics["quantities"]["flux"]["value"] == pytest.approx(2 / 3, abs=1e-9)
    drag = metrics["quantities"]["drag"]
    assert drag["value"] == pytest.approx(0.463, abs=0.1)  # so few features are not accurate,
    assert 0.01 < drag["error"] < 0.2  # and it is told
    assert any("balanced" in told for told in metrics["told"])
    assert check([folder]) == 0
    report = (folder / "report.html").read_text()
    assert "drag" in report
    assert "counts: " in report
    flow = read_flow(folder / "fields.hdf5")
    assert flow.components == ("pressure", "velocity_x", "velocity_y")
    assert flow.solid.any()
    mesh = read_mesh(folder / "fields.vtu")
    assert set(mesh.fields) == {"ux", "uy", "p"}
    assert len(mesh.points) == (~flow.solid).sum()
    with pytest.raises(RunExistsError):
        solved("bump")
    capsys.readouterr()
    assert solved("bump", "resume=true") == 0
    assert "holds" in capsys.readouterr().out
    with pytest.raises(SettingsError, match="other settings"):
        solved("bump", "resume=true", "steps=3")


def test_equations_of_a_file_are_solved(solved):
    assert solved(HEAT) == 0
    folder = solved.folder / "heat" / "energy" / "0"
    metrics = json.loads((folder / "metrics.json").read_text())
    left = np.exp(-0.1 * np.pi**2)
    assert metrics["quantities"]["heat"]["value"] == pytest.approx(2 / np.pi * left, rel=1e-3)
    assert metrics["quantities"]["out"]["value"] == pytest.approx(0.1 * np.pi * left**0.5, rel=1e-2)
    assert check([folder]) == 0
    assert read_flow(folder / "fields.hdf5").components == ("T", "q")


def test_a_run_that_was_stopped_in_its_twin_keeps_its_solution(solved, monkeypatch):
    steady = {**HEAT, "unknowns": {"k": 0.1}, "constants": {}, "quantities": {}}  # at once
    whole = solved(steady, "runs=whole", "times=2", "grid=10", "twin=false")
    assert whole == 0
    elsewhere = Problem.elsewhere
    calls = []

    def stopped(problem):
        calls.append(problem)
        if len(calls) == 2:  # of fresh points, and then of the twin
            raise KeyboardInterrupt
        return elsewhere(problem)

    monkeypatch.setattr(Problem, "elsewhere", stopped)
    with pytest.raises(KeyboardInterrupt):
        solved(steady, "times=2", "grid=10")
    monkeypatch.setattr(Problem, "elsewhere", elsewhere)
    assert (solved.folder / "heat/energy/0/state/first/model.json").is_file()
    assert solved(steady, "times=2", "grid=10", "resume=true") == 0
    first, again = (
        json.loads((folder / "heat/energy/0/metrics.json").read_text())
        for folder in (solved.folder.parent / "whole", solved.folder)
    )
    assert again["residuals"] == first["residuals"]
    assert again["unknowns"] == first["unknowns"]
    assert again["errors"]


MARCH = {**HEAT, "windows": [0.4], "quantities": {"heat": {"integral": "region", "of": "T", "at": "times"}}}


def test_an_unsteady_problem_goes_through_windows_of_time(solved, monkeypatch, capsys):
    """Stopped in its second window it goes on, and all ends as without an interruption."""
    assert solved(MARCH, "runs=whole", "times=3", "grid=20", "twin=false") == 0
    whole = json.loads((solved.folder.parent / "whole/heat/energy/0/metrics.json").read_text())
    carried = marching.carry_totals

    def stopped(solution, given):
        if solution.problem.region.box["t"][0] == 0.4:
            raise KeyboardInterrupt
        carried(solution, given)

    monkeypatch.setattr(marching, "carry_totals", stopped)
    with pytest.raises(KeyboardInterrupt):
        solved(MARCH, "times=3", "grid=20", "twin=false")
    monkeypatch.setattr(marching, "carry_totals", carried)
    folder = solved.folder / "heat" / "energy" / "0"
    assert (folder / "state" / "first" / "window-1" / "model.json").is_file()
    assert solved(MARCH, "times=3", "grid=20", "twin=false", "resume=true") == 0
    assert not (folder / "state").exists()
    metrics = json.loads((folder / "metrics.json").read_text())
    for key in ("residuals", "fresh", "series", "imbalances", "violations"):
        assert metrics[key] == whole[key]
    assert metrics["windows"] == 2
    assert metrics["imbalances"]["energy"] < 1e-13
    heat = metrics["series"]["heat"]
    assert heat["times"] == [0, 0.5, 1]
    left = 2 / np.pi * np.exp(-0.1 * np.pi**2 * np.array(heat["times"]))
    assert heat["value"] == pytest.approx(left, rel=1e-3)
    capsys.readouterr()
    assert check([folder]) == 0  # both windows
    assert capsys.readouterr().out.count("nested autograd") == 2
    assert check([folder / "checkpoint" / "window-2"]) == 0
    film = (folder / "fields.pvd").read_text()
    assert film.count("<DataSet") == 3
    assert 'timestep="0.5"' in film
    assert 'file="fields/0001.vtu"' in film
    assert set(read_mesh(folder / "fields" / "0001.vtu").fields) == {"T", "q"}
    report = (folder / "report.html").read_text()
    assert "Totals" in report
    assert "Over time" in report


def test_a_periodic_flow_with_symmetries_is_held_against_what_is_known(solved):
    assert solved("taylor_green") == 0
    folder = solved.folder / "taylor_green" / "mass" / "0"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["known"]) == {"ux", "uy", "p"}
    assert max(metrics["known"].values()) < 1e-8
    energy = metrics["series"]["energy"]
    decay = np.pi**2 * np.exp(-0.04 * np.array(energy["times"]))
    assert energy["value"] == pytest.approx(decay, rel=1e-8)
    assert len(metrics["errors_over_time"]["ux"]) == 3
    assert check([folder]) == 0


def test_what_cannot_march_is_solved_at_once_unless_windows_are_asked_for():
    def read(at_start, way):
        settings = {key: HEAT[key] for key in ("region", "equations", "constants")}
        problem, notation = read_problem({**settings, "conditions": [{"where": "start", **at_start}]})
        return read_way(way, problem, notation)

    assert read({"values": {"T": 0}}, {}).ends == [(0, 1)]
    assert read({"values": {"T": 0}}, {"windows": [0.3]}).ends == [(0, 0.3), (0.3, 1)]
    assert read({"residuals": {"heat": "T - dx(q)"}}, {}).ends == ()
    with pytest.raises(SettingsError, match="a residual holds at the start"):
        read({"residuals": {"heat": "T - dx(q)"}}, {"windows": 1})


def test_a_twin_in_a_periodic_region_has_fewer_waves():
    """There a seed draws nothing, so that a twin with as many waves would be the solution again."""
    settings = {
        "region": {"box": {"t": [0, 1], "x": [0, 1]}, "periodic": ["x"]},
        "equations": {"name": "burgers", "viscosity": 0.1},
    }
    problem, _ = read_problem(settings)
    features = {"features": 100, "slope": [1.0, 8.0], "seed": 0}
    assert other_features(features, problem, 1) == {"features": 81, "slope": [0.9, 7.2], "seed": 1}
    ends, _ = read_problem({**settings, "region": {"box": {"t": [0, 1], "x": [0, 1]}}})
    assert other_features(features, ends, 1) == {**features, "seed": 1}


def test_singular_corners_are_written_as_places_and_powers(solved):
    assert solved("cavity", "twin=false") == 0
    folder = solved.folder / "cavity" / "mass" / "0"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["quantities"]["energy"]["value"] == pytest.approx(0.034, abs=0.002)
    assert check([folder]) == 0  # rebuilt with its corners from the checkpoint


def test_a_gas_starts_from_its_guess(solved):
    rest = {"rho": "1 + 0.2*sin(3*x)", "mx": 0, "E": 2.5}
    gas = {
        "name": "gas",
        "region": {"box": {"t": [0, 0.1], "x": [0, 1]}},
        "equations": {"name": "compressible"},
        "conditions": [
            {"where": "start", "values": rest},
            {"where": "boundary", "values": {"mx": 0, "Fx": 0}},
        ],
        "points": 200,
        "boundary_points": 40,
        "model": {"features": 40, "slope": [0.3, 2.0]},
    }
    with pytest.raises(SettingsError, match="not finite"):
        solved(gas, "twin=false", "grid=8", "times=2", "runs=none")
    assert solved({**gas, "guess": rest}, "twin=false", "grid=8", "times=2") == 0
    (file,) = solved.folder.rglob("metrics.json")
    metrics = json.loads(file.read_text())
    assert max(metrics["imbalances"].values()) < 1e-13
    assert set(metrics["imbalances"]) == {"mass", "momentum_x", "energy"}


def test_a_mesh_measurements_and_an_unknown(solved, tmp_path):
    axis = np.linspace(0, 1, 7)
    x, y = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    index = np.arange(49).reshape(7, 7)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    meshio.write(tmp_path / "square.vtu", meshio.Mesh(np.stack([x, y], 1), [("quad", quads)]))
    rows = "\n".join(f"{a},{b},{np.exp(a) * np.sin(b)}" for a, b in zip(x[::3], y[::3], strict=True))
    (tmp_path / "seen.csv").write_text(f"x,y,c\n{rows}\n")
    found = {
        "name": "mesh",
        "region": {"mesh": "square.vtu"},
        "equations": {"name": "advection_diffusion", "diffusivity": "kappa", "velocity": ["wind", "0"]},
        "let": {"wind": "0.2*w"},
        "constants": {"w": 0},
        "unknowns": {"kappa": 0.5},
        "conditions": [
            {"where": "boundary", "values": {"c": "exp(x)*sin(y)"}},
            {"where": ["boundary"], "residuals": {"flux": "fx + 0.7*dx(c)"}},
            {"measured": "seen.csv", "fields": ["c"], "deviation": 1e-3},
        ],
        "points": 300,
        "boundary_points": 60,
        "model": {"features": 60},
    }
    problem, _ = read_problem({k: v for k, v in found.items() if k not in ("name", "model")})
    assert [term.name for term in problem.terms()][-1] == "measured c"
    assert solved(found, "twin=false") == 0
    folder = solved.folder / "mesh" / "scalar" / "0"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["errors"] == {}
    kappa = metrics["unknowns"]["kappa"]
    assert 0 < kappa["error"] < 0.1
    assert abs(kappa["value"] - 0.7) < 3 * kappa["error"]
    assert any("misfit" in told for told in metrics["told"])
    assert check([folder]) == 0
    assert len(read_mesh(folder / "fields.vtu").points) == 49


@pytest.mark.parametrize(
    ("equations", "laws"),
    [
        ({"name": "compressible", "exact": "mass"}, {"mass"}),
        ({"name": "compressible", "viscosity": "nu*rho"}, {"mass", "momentum_x", "momentum_y", "energy"}),
        ({"name": "vorticity_transport", "viscosity": "nu"}, {"mass"}),
        (
            {"name": "boussinesq", "viscosity": "nu", "diffusivity": 0.01, "buoyancy": {"y": "pull"}},
            {"mass", "heat"},
        ),
    ],
)
def test_equations_have_short_names(equations, laws):
    region = {"box": {"x": [0, 1], "y": [0, 1]}}
    settings = {"region": region, "equations": equations, "constants": {"nu": 0.02, "pull": 0.1}}
    problem, _ = read_problem(settings)
    assert set(problem.equations.laws) == laws
    assert problem.terms()
    with pytest.raises(SettingsError, match="choose from"):
        read_problem({**settings, "equations": {"name": "compressible", "exact": "none"}})


def test_names_of_formulas_are_written_out():
    notation = Notation.of({"nu": 0.5}, {"a": "x + b", "b": "y^2"})
    assert notation.spelled("2*a") == "2*(x + (y^2))"
    assert notation.written("nu*b") == "(0.5)*(y^2)"
    with pytest.raises(SettingsError, match="without end"):
        Notation.of({}, {"a": "a + 1"}).spelled("a")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"region": {"box": {"x": [0]}}}, "lowest and highest"),
        ({"region": {"bax": {"x": [0, 1]}}}, "unknown key 'bax'.*did you mean box"),
        ({"equations": {"name": "stokes"}}, "there is no 'stokes'"),
        ({"conditions": [{"wear": ["start"]}]}, "give one of where, pin, measured"),
        (
            {"conditions": [{"where": ["start"], "values": {"T": "__import__('os')"}}]},
            "is not known|no '__imp",
        ),
        ({"conditions": [{"where": ["start"], "values": {"T": "sin(z)"}}]}, "no 'z'"),
        ({"conditions": [{"where": ["left"], "values": {"T": 0}}]}, "no part 'left'"),
        (
            {"conditions": [{"where": ["start"], "table": "none.csv", "along": "x", "fields": ["T"]}]},
            "not exist",
        ),
        ({"points": "none.csv"}, "not exist"),
        ({"quantities": {"drag": {"force": "x=low", "along": "x"}}}, "no momentum flux"),
        ({"quantities": {"drag": {"pull": "x=low"}}}, "give one of force"),
        ({"let": {"a": "a + 1"}, "conditions": [{"where": ["start"], "values": {"T": "a"}}]}, "without end"),
        ({"model": {"features": 0}}, "features=0"),
        ({"model": 3}, "model=3; write keys and values under it"),
        ({"conditions": [{"where": "start", "values": {"T": n}} for n in (0, 1)]}, "T is given twice"),
        ({"windows": [0.7, 0.3]}, "give increasing times between 0 and 1"),
        ({"windows": 0}, "windows=0.*from 1 up"),
        ({"windows": "four"}, "windows='four' is not of type"),
        ({"window": 2}, "unknown key 'window'"),
        ({"windows": 2, "conditions": HEAT["conditions"][1:]}, "add a condition at the start"),
        ({"windows": 2, "unknowns": {"k": 0.1}, "constants": {}}, "use solve, or infer"),
        ({"guess": {"S": 1}}, "no field S.*fields are T, q"),
        ({"known": {"S": 1}}, "no field S.*fields are T, q"),
        ({"quantities": {"out": {"flux": "x=high", "of": "q", "at": [0.5, 2]}}}, "times from 0 to 1"),
        ({"quantities": {"out": {"flux": "x=high", "of": "q", "at": "noon"}}}, "the word times"),
        ({"model": {"symmetries": [{"mirrors": {"x": 0.5}}]}}, "not periodic"),
        ({"model": {"symmetries": [{"mirror": {"x": 0.5}}]}}, "unknown key 'mirror'.*mirrors"),
        ({"model": {"enrichments": [{"edge": {"x": 0}}]}}, "give corner, or eddies"),
        (
            {"model": {"enrichments": [{"corner": {"x": 0, "t": 0}, "start": 0, "opening": "pi/2"}]}},
            "give powers",
        ),
        ({"model": {"carried": {"y": 1}}}, "there is no y"),
        ({"region": {"box": {"t": [0, 1], "x": [0, "z"]}}}, "names z"),
        ({"conditions": [{"where": "start", "values": {"T": 0}, "grid": [2, 2]}]}, "give 1 numbers"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(solved, change, match):
    with pytest.raises(PhysmixError, match=match):
        solved({**HEAT, **change})


@pytest.mark.parametrize(
    ("symmetry", "match"),
    [
        ({"mirrors": {"x": 0}, "odd": ["T"]}, "T at t=low is not odd under a mirror at x=0"),
        ({"shifts": {"x": 0.25}}, "T at t=low is not even under a shift of x by 0.25"),
        ({"mirrors": {"x": 0}, "odd": ["T", "q"]}, "do not leave the laws as they are"),
    ],
)
def test_a_symmetry_that_contradicts_is_named(solved, symmetry, match):
    region = {"box": {"t": [0, 1], "x": [0, 1]}, "periodic": ["x"]}
    conditions = [{"where": "start", "values": {"T": "cos(2*pi*x)"}}]
    content = {**HEAT, "region": region, "conditions": conditions, "quantities": {}}
    with pytest.raises(SettingsError, match=match):
        solved({**content, "model": {"features": 60, "symmetries": [symmetry]}})


def test_a_run_needs_one_problem(solved, tmp_path):
    for more in ([], ["problem=bump", "file=x.yaml"]):
        with pytest.raises(SettingsError, match="problem and file"):
            solve_problem(compose_settings(*more, name="solve"))
    (tmp_path / "own.yaml").write_text("- 1")
    with pytest.raises(SettingsError, match="holds no keys"):
        solve_problem(compose_settings("file=own.yaml", name="solve"))


def test_the_unsteady_problem_of_the_readme_is_solved(solved, root):
    blocks = (root / "README.md").read_text().split("```yaml\n")
    (wave,) = [block.split("```")[0] for block in blocks if block.startswith("name: wave")]
    few = {"points": 200, "boundary_points": 30, "model": {"features": 40, "slope": [1.0, 4.0]}}
    assert solved({**yaml.safe_load(wave), **few}, "twin=false", "times=2", "grid=10", "steps=4") == 0
    (file,) = solved.folder.rglob("metrics.json")
    metrics = json.loads(file.read_text())
    assert metrics["windows"] == 4
    assert metrics["imbalances"]["momentum"] < 1e-13


def test_every_problem_of_the_library_is_read(root, monkeypatch):
    monkeypatch.chdir(root)
    for file in sorted((configurations() / "problem").glob("*.yaml")):
        content = yaml.safe_load(file.read_text())
        assert content.pop("name") == file.stem
        rest = ("model", "quantities", "known", "windows", "guess", "balance")
        problem, _ = read_problem({k: v for k, v in content.items() if k not in rest})
        assert problem.terms()
        assert file.stem in SMALL
