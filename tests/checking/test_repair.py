"""Flows repaired as files: lawful afterwards, near, and nothing overwritten."""

from dataclasses import replace

import numpy as np
import pytest

from physmix.checking import judge_flow, repair_flow
from physmix.commands.check import check, repair
from physmix.errors import FlowFileError, SettingsError, UnsupportedLawError
from physmix.flows import Flow, read_flow, write_flow
from physmix.laws import parse_laws

DIVERGENCE = "laws: {div: dx(velocity_x) + dy(velocity_y) = 0}"


@pytest.fixture
def noisy(vortex_file, tmp_path):
    """The vortex with one part in a hundred of noise, which violates every law."""
    flow, draw = read_flow(vortex_file), np.random.default_rng(0)

    def with_noise(fields):
        return {
            name: v + 0.01 * np.abs(v).mean() * draw.standard_normal(v.shape) for name, v in fields.items()
        }

    path = tmp_path / "noisy.hdf5"
    write_flow(replace(flow, scalars=with_noise(flow.scalars), vectors=with_noise(flow.vectors)), path)
    return path


def test_totals_are_repaired_in_conserved_variables(noisy, tmp_path, capsys):
    out = tmp_path / "out.hdf5"
    assert check([noisy]) == 1
    assert repair([noisy], out) == 0
    assert "before" in capsys.readouterr().out
    assert check([out]) == 0
    before, after = read_flow(noisy), read_flow(out)
    assert after.scalars["density"].dtype == np.float64
    assert 0 < float(np.abs(after.scalars["density"] - before.scalars["density"]).max()) < 0.01
    assert "mass" in after.provenance["repaired"]


@pytest.mark.parametrize("scheme", ["spectral", "compact6"])
def test_derivatives_hold_in_the_scheme_they_were_repaired_in(scheme, noisy, tmp_path):
    laws, out = tmp_path / "laws.yaml", tmp_path / "out.hdf5"
    laws.write_text(DIVERGENCE)
    assert check([noisy], laws, scheme=scheme) == 1
    assert repair([noisy], out, laws, scheme) == 0
    assert check([out], laws, scheme=scheme) == 0
    assert check([out], laws, scheme="central2") == 1  # of another operator nothing was asked


def test_density_keeps_its_bounds(noisy):
    flow = read_flow(noisy)
    laws = parse_laws({"mass": "integral(rho) = const"}, ("t", "x", "y"))
    lowest = float(flow.scalars["density"].min()) + 0.02
    done = repair_flow(flow, laws, bounds={"rho": (lowest, np.inf)})
    assert done.flow.scalars["density"].min() >= lowest * (1 - 1e-15)
    assert done.after["mass"] <= 1e-13 < done.before["mass"]
    assert all(finding.holds for finding in judge_flow(done.flow, laws))


def test_an_existing_file_is_left_as_it_is(noisy, tmp_path):
    out = tmp_path / "out.hdf5"
    out.write_text("mine")
    with pytest.raises(FlowFileError, match="left as it is"):
        repair([noisy], out)
    assert out.read_text() == "mine"
    with pytest.raises(SettingsError, match="one HDF5 flow"):
        repair([noisy, noisy], tmp_path / "other.hdf5")


REFUSED = {
    "dt(density) = 0": "derivatives in time",
    "integral(rho + density) = const": "mix stored components",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_repaired_is_refused(text, noisy):
    flow = read_flow(noisy)
    with pytest.raises(UnsupportedLawError, match=REFUSED[text]):
        repair_flow(flow, parse_laws({"law": text}, ("t", "x", "y")))
    with pytest.raises(SettingsError, match="no law"):
        repair_flow(flow, ())


def flow_of(boundary, generator):
    """A flow of noise on unequal points, of as many dimensions as there are boundaries."""
    names = "xyz"[: len(boundary)]
    axes = {name: np.cumsum(generator.uniform(0.5, 2.0, 7 + i)) for i, name in enumerate(names)}
    shape = (2, 3, *(len(axis) for axis in axes.values()))
    return Flow(
        name="walls",
        time=np.arange(3.0),
        axes=axes,
        scalars={"density": 2 + generator.random(shape)},
        vectors={"velocity": generator.standard_normal((*shape, len(names)))},
        boundary=dict(zip(names, boundary, strict=True)),
    )


def slope(values, axis, points):
    """numpy's derivative of second order on unequal points, one-sided at the ends as well."""
    return np.gradient(values, points, axis=axis, edge_order=2)


@pytest.mark.parametrize("boundary", [("WALL", "OPEN"), ("OPEN", "WALL", "WALL"), ("PERIODIC", "WALL")])
def test_flows_with_ends_and_unequal_spacing_are_repaired(boundary, tmp_path):
    names = "xyz"[: len(boundary)]
    laws, path, out = tmp_path / "laws.yaml", tmp_path / "in.hdf5", tmp_path / "out.hdf5"
    laws.write_text(f"laws: {{div: {' + '.join(f'd{c}(velocity_{c})' for c in names)} = 0}}")
    write_flow(flow_of(boundary, np.random.default_rng(0)), path)
    assert check([path], laws, scheme="central2") == 1
    assert repair([path], out, laws, "central2") == 0
    assert check([out], laws, scheme="central2") == 0
    before, after = read_flow(path), read_flow(out)
    change = after.vectors["velocity"] - before.vectors["velocity"]
    assert 0 < np.square(change).sum() < np.square(before.vectors["velocity"]).sum()
    if "PERIODIC" not in boundary:
        terms = [slope(after.component(f"velocity_{c}"), i + 2, after.axes[c]) for i, c in enumerate(names)]
        assert np.abs(sum(terms)).max() < 1e-12 * np.abs(terms).max()
    with pytest.raises(UnsupportedLawError, match="give the scheme central2"):
        repair([path], tmp_path / "no.hdf5", laws, "spectral")
    assert check([path], laws, scheme="compact6") == 2


def test_the_totals_of_a_flow_with_walls_are_refused():
    flow = flow_of(("WALL", "PERIODIC"), np.random.default_rng(0))
    with pytest.raises(UnsupportedLawError, match="what flows through the boundary"):
        repair_flow(flow, parse_laws({"mass": "integral(rho) = const"}, ("t", "x", "y")))
