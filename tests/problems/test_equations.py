"""Equations on exact solutions: residuals vanish, and do not where the solution is another one."""

import math

import pytest
import torch

from physmix.errors import SettingsError
from physmix.problems import (
    AdvectionDiffusion,
    Boussinesq,
    Burgers,
    CompressibleFlow,
    NavierStokes,
    State,
    VorticityTransport,
)
from physmix.problems.state import entries_of


def state(equations, functions, points, unknowns=None):
    """The state of given functions of the coordinates, by nested autograd."""
    at = points.clone().requires_grad_()
    columns = dict(zip(equations.coordinates, at.unbind(1), strict=True))

    def lookup(entry):
        field, orders = entry
        value = functions[field](**columns) + 0 * at.exp().sum(1)  # so that constants have derivatives
        for axis, n in enumerate(orders):
            for _ in range(n):
                value = torch.autograd.grad(value.sum(), at, create_graph=True)[0][:, axis]
        return value

    known = columns | {k: torch.full_like(at[:, 0], v) for k, v in (unknowns or {}).items()}
    return State(equations.coordinates, equations.fields, known, lookup)


def points(dimensions, count=20):
    return 0.2 + torch.rand(
        count, dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def worst(equations, functions, **unknowns):
    found = equations.residual(state(equations, functions, points(len(equations.coordinates)), unknowns))
    return max(float(value.detach().abs().max()) for value in found.values())


NU = 0.02


def taylor_green(x, y, t=None):
    decay = torch.exp(-2 * NU * t) if t is not None else 1.0
    return {
        "ux": torch.cos(x) * torch.sin(y) * decay,
        "uy": -torch.sin(x) * torch.cos(y) * decay,
        "p": -(torch.cos(2 * x) + torch.cos(2 * y)) / 4 * decay**2,
    }


def taylor_green_fields(*names):
    return {name: lambda t, x, y, name=name: taylor_green(x, y, t)[name] for name in names}


def with_fluxes(flow, pairs):
    """Momentum fluxes s by their definition, with derivatives by hand of the Taylor-Green vortex."""

    def flux(a, b):
        def value(t, x, y):
            u = taylor_green(x, y, t)
            decay = torch.exp(-2 * NU * t)
            strain = {
                "xx": -2 * torch.sin(x) * torch.sin(y),
                "xy": torch.cos(x) * torch.cos(y) - torch.cos(x) * torch.cos(y),
                "yy": 2 * torch.sin(x) * torch.sin(y),
            }[a + b] * decay
            return u[f"u{a}"] * u[f"u{b}"] + (u["p"] if a == b else 0.0) - NU * strain

        return value

    return flow | {f"s{a}{b}": flux(a, b) for a, b in pairs}


def test_navier_stokes_with_exact_mass():
    flow = taylor_green_fields("ux", "uy", "p")
    assert worst(NavierStokes("txy", NU), flow) < 1e-12
    assert worst(NavierStokes("txy", 2 * NU), flow) > 1e-3
    assert worst(NavierStokes("txy", "nu"), flow, nu=NU) < 1e-12


def test_navier_stokes_without_pressure():
    """The curl of the momentum equations, in the plane and for the flow of Ethier and Steinman in space."""
    flow = taylor_green_fields("ux", "uy")
    assert worst(NavierStokes("txy", NU, pressure=False), flow) < 1e-12
    assert worst(NavierStokes("txy", 2 * NU, pressure=False), flow) > 1e-3

    def beltrami(r, s, q, t):
        return -torch.exp(-t) * (torch.exp(r) * torch.sin(s + q) + torch.exp(q) * torch.cos(r + s))

    space = {
        "ux": lambda t, x, y, z: beltrami(x, y, z, t),
        "uy": lambda t, x, y, z: beltrami(y, z, x, t),
        "uz": lambda t, x, y, z: beltrami(z, x, y, t),
    }
    assert worst(NavierStokes("txyz", 1.0, pressure=False), space) < 1e-11
    bent = space | {"uz": lambda t, x, y, z: beltrami(z, x, y, t) + 0.1 * y**2}  # still without divergence
    assert worst(NavierStokes("txyz", 1.0, pressure=False), bent) > 1e-2


def test_navier_stokes_with_exact_mass_and_momentum():
    equations = NavierStokes("txy", NU, exact="mass and momentum")
    flow = with_fluxes(taylor_green_fields("ux", "uy", "p"), ["xx", "xy", "yy"])
    assert worst(equations, flow) < 1e-12
    at = state(equations, flow, points(3))
    t, x, y = points(3).unbind(1)
    torch.testing.assert_close(equations.derived["p"](at).detach(), taylor_green(x, y, t)["p"])
    wrong = flow | {"sxy": lambda t, x, y: 0.1 * x}
    assert worst(equations, wrong) > 1e-3


def test_a_steady_flow_in_three_dimensions():
    """Rigid rotation about z: p = r^2 / 2."""
    flow = {
        "ux": lambda x, y, z: -y,
        "uy": lambda x, y, z: x,
        "uz": lambda x, y, z: 0 * z,
        "p": lambda x, y, z: (x**2 + y**2) / 2,
    }
    assert worst(NavierStokes("xyz", 0.3), flow) < 1e-13
    assert worst(NavierStokes("xyz", 0.3), flow | {"p": lambda x, y, z: 0 * x}) > 0.1


def test_a_force_balances():
    flow = {"ux": lambda x, y: y * (1 - y), "uy": lambda x, y: 0 * x, "p": lambda x, y: 0 * x}
    pull = NavierStokes("xy", NU, force=lambda y: {"x": torch.full_like(y["x"], 2 * NU)})
    assert worst(pull, flow) < 1e-13
    assert worst(NavierStokes("xy", NU), flow) > 1e-2


def test_burgers():
    """A viscous shock that stands: u = -tanh(x / 2 nu)."""
    nu = 0.3
    flow = {"u": lambda t, x: -torch.tanh(x / (2 * nu)), "f": lambda t, x: 0 * x + 0.5}
    assert worst(Burgers(nu), flow) < 1e-13
    assert worst(Burgers(2 * nu), flow) > 0.1


def test_advection_and_diffusion_of_a_wave():
    speed, kappa = 0.7, 0.05

    def wave(t, x):
        return torch.exp(-kappa * t) * torch.sin(x - speed * t)

    def flux(t, x):
        return speed * wave(t, x) - kappa * torch.exp(-kappa * t) * torch.cos(x - speed * t)

    equations = AdvectionDiffusion("tx", kappa, lambda y: [speed])
    assert equations.laws == {"scalar": "dt(c) + dx(fx) = 0"}
    assert worst(equations, {"c": wave, "fx": flux}) < 1e-13
    assert worst(equations, {"c": wave, "fx": lambda t, x: 0 * x}) > 0.01


def test_boussinesq_at_rest_when_heated_from_above():
    rest = {
        "ux": lambda x, y: 0 * x,
        "uy": lambda x, y: 0 * x,
        "p": lambda x, y: 2 * y**2 / 2,
        "T": lambda x, y: y,
        "fx": lambda x, y: 0 * x,
        "fy": lambda x, y: -0.1 + 0 * x,
    }
    equations = Boussinesq("xy", 0.2, 0.1, {"y": 2.0})
    assert worst(equations, rest) < 1e-13
    assert worst(equations, rest | {"p": lambda x, y: 0 * x}) > 0.1


def gas(t, x):
    """An entropy wave: density carried by a uniform flow at a uniform pressure."""
    rho = 2 + torch.sin(x - 0.5 * t)
    energy = 1 / 0.4 + rho * 0.5**2 / 2
    return {
        "rho": rho,
        "mx": 0.5 * rho,
        "sxx": 0.25 * rho + 1,
        "E": energy,
        "Fx": (energy + 1) * 0.5,
        "p": 1 + 0 * x,
    }


def test_compressible_flow_of_an_entropy_wave():
    fields = {name: lambda t, x, name=name: gas(t, x)[name] for name in ("rho", "mx", "sxx", "E", "Fx", "p")}
    fields["qx"] = fields["mx"]
    for exact in ("all", "apart", "mass"):
        equations = CompressibleFlow("tx", exact=exact)
        assert worst(equations, fields) < 1e-12
        wrong = {"mx": lambda t, x: 0.6 * torch.ones_like(x), "p": lambda t, x: torch.sin(x)}
        assert worst(equations, fields | wrong) > 1e-2
    other = fields | {"qx": lambda t, x: 0.6 * torch.ones_like(x)}
    assert worst(CompressibleFlow("tx", exact="apart"), other) > 1e-2
    assert worst(CompressibleFlow("tx", viscosity=0.1), fields) > 1e-3  # heat conduction


@pytest.mark.parametrize("viscosity", [0.1, lambda y: 0.1 * y["rho"]], ids=["a number", "a function"])
def test_a_viscous_stress_is_that_of_stokes(viscosity):
    """A uniform gas that shears, u = y: tau_xy = mu; the heating by F_x = -tau_xy u_y is none, as u_y = 0."""
    equations = CompressibleFlow("xy", viscosity=viscosity)
    shear = {
        "rho": lambda x, y: 1 + 0 * x,
        "mx": lambda x, y: y,
        "my": lambda x, y: 0 * x,
        "sxx": lambda x, y: y**2 + 1,
        "sxy": lambda x, y: -0.1 + 0 * x,
        "syy": lambda x, y: 1 + 0 * x,
        "E": lambda x, y: 2.5 + y**2 / 2,
        "Fx": lambda x, y: (3.5 + y**2 / 2) * y,
        "Fy": lambda x, y: -0.1 * y,
    }
    assert worst(equations, shear) < 1e-12
    assert worst(equations, shear | {"sxy": lambda x, y: 0 * x}) > 0.05


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: NavierStokes("tx", 0.1), "its space"),
        (lambda: NavierStokes("xy", 0.1, exact="mass and momentum", force=lambda y: {}), "a force"),
        (lambda: NavierStokes("xy", 0.1, pressure=False, force=lambda y: {}), "left out"),
        (lambda: CompressibleFlow("tx", 0.9), "gamma"),
        (lambda: CompressibleFlow("tx", viscosity=0.1, exact="mass"), "fluxes"),
        (lambda: AdvectionDiffusion("t", 0.1, lambda y: []), "no coordinate of space"),
        (lambda: Boussinesq("xy", 0.1, 0.1, {"z": 1.0}), "buoyancy along"),
        (lambda: NavierStokes("xy", -0.02), "viscosity is -0.02"),
        (lambda: NavierStokes("xy", math.nan, exact="mass and momentum"), "viscosity is nan"),
        (lambda: VorticityTransport("xy", -1.0), "viscosity is -1.0"),
        (lambda: Burgers(math.inf), "viscosity is inf"),
        (lambda: AdvectionDiffusion("tx", -0.1, lambda y: [1.0]), "diffusivity is -0.1"),
        (lambda: Boussinesq("xy", 0.1, -0.1, {"y": 1.0}), "diffusivity is -0.1"),
        (lambda: CompressibleFlow("tx", viscosity=-0.1), "viscosity is -0.1"),
    ],
)
def test_what_makes_no_sense_is_refused(make, match):
    with pytest.raises(SettingsError, match=match):
        make()


def test_a_residual_says_what_it_needs():
    equations = NavierStokes("xy", "nu")
    entries, names = entries_of(equations.residual, "xy", equations.fields, ["x", "y", "nu"])
    assert names == ("momentum_x", "momentum_y")
    assert ("ux", (2, 0)) in entries
    assert ("p", (0, 0)) not in entries


@pytest.mark.parametrize(
    ("residual", "match"),
    [
        (lambda y: y["u"], "return a dict"),
        (lambda y: {"a": y["u"].sum()}, "one number for each point"),
        (lambda y: {"a": y["v"]}, "there is no 'v'"),
        (lambda y: {"a": y.d("u", "z")}, "no derivative along z"),
        (lambda y: {}, "return a dict"),
    ],
)
def test_wrong_residuals_are_refused_with_what_to_do(residual, match):
    with pytest.raises(SettingsError, match=match):
        entries_of(residual, "xy", ["u"], ["x", "y"])


def test_vorticity_is_carried_and_spreads_without_a_pressure():
    shear = {"ux": lambda t, x, y: torch.sin(2 * y) + 0 * x * t, "uy": lambda t, x, y: 0 * (t + x + y)}
    fields = taylor_green_fields("ux", "uy")
    assert worst(VorticityTransport("txy", NU), fields) < 1e-12
    assert worst(VorticityTransport("txy", 2 * NU), fields) > 1e-2
    assert worst(VorticityTransport("txy", NU), shear) > 1e-2  # it does not decay as it must
    with pytest.raises(SettingsError, match="give xy or txy"):
        VorticityTransport("xyz", NU)


def test_weighed_residuals_are_multiplied():
    plain = VorticityTransport("txy", 2 * NU)
    doubled = plain.weighed(lambda y: 2.0 + 0 * y["x"])
    fields = taylor_green_fields("ux", "uy")
    assert worst(doubled, fields) == pytest.approx(2 * worst(plain, fields))
