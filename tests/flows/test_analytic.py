"""Analytic flows: they solve their equations, by nested automatic differentiation at random points."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from physmix.errors import SettingsError, ShapeError
from physmix.flows import (
    Beltrami,
    Burgers,
    IsentropicVortex,
    Kovasznay,
    Riemann,
    TaylorGreen,
    gas,
    read_flow,
    write_flow,
)

TOLERANCE = 1e-10


def gradient(field, points):
    (slope,) = torch.autograd.grad(field.sum(), points, create_graph=True, allow_unused=True)
    return torch.zeros_like(points) if slope is None else slope


def relative(terms):
    return (sum(terms).abs().max() / max(term.abs().max() for term in terms)).item()


def navier_stokes(flow, points):
    """The residual of each equation over its largest term."""
    fields = flow.fields(points)
    axes = {axis: flow.coordinates.index(axis) for axis in flow.coordinates if axis != "t"}
    slopes = {name: gradient(field, points) for name, field in fields.items()}
    found = {"mass": relative([slopes[f"velocity_{a}"][:, i] for a, i in axes.items()])}
    for axis, index in axes.items():
        slope = slopes[f"velocity_{axis}"]
        terms = [fields[f"velocity_{a}"] * slope[:, i] for a, i in axes.items()]
        terms += [-gradient(slope[:, i], points)[:, i] / flow.reynolds for i in axes.values()]
        terms.append(slopes["pressure"][:, index])
        if "t" in flow.coordinates:
            terms.append(slope[:, 0])
        found[f"momentum_{axis}"] = relative(terms)
    return found


def box(count, low, high, seed=0):
    random = torch.rand(200, count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (low + (high - low) * random).requires_grad_()


INCOMPRESSIBLE = {
    "Kovasznay, Re 40": (Kovasznay(), -0.5, 1.5),
    "Kovasznay, Re 5": (Kovasznay(5.0), -0.5, 1.5),
    "Taylor-Green, Re 100": (TaylorGreen(), 0.0, 6.0),
    "Taylor-Green, Re 3": (TaylorGreen(3.0), 0.0, 6.0),
    "Beltrami, a = d = 1": (Beltrami(), -1.0, 1.0),
    "Beltrami, of the paper": (Beltrami(math.pi / 4, math.pi / 2, 10.0), -1.0, 1.0),
}


@pytest.mark.parametrize("name", INCOMPRESSIBLE)
def test_incompressible_flows_obey_navier_stokes(name):
    flow, low, high = INCOMPRESSIBLE[name]
    found = navier_stokes(flow, box(len(flow.coordinates), low, high))
    assert max(found.values()) < TOLERANCE


@pytest.mark.parametrize("flow", [Kovasznay(), TaylorGreen(), Beltrami()], ids=str)
def test_another_viscosity_does_not(flow):
    """The twin that must fail: the fields of one Reynolds number in the equations of another."""
    points = box(len(flow.coordinates), -0.5, 1.0)
    other = dataclasses.replace(flow, reynolds=2 * flow.reynolds)
    object.__setattr__(flow := dataclasses.replace(flow), "fields", other.fields)
    found = navier_stokes(flow, points)
    assert found.pop("mass") < TOLERANCE
    assert max(found.values()) > 1e-3


def test_the_vorticity_of_the_beltrami_flow_is_along_its_velocity():
    points = box(4, -1.0, 1.0)
    fields = Beltrami(0.7, 1.3).fields(points)
    u, v, w = (fields[f"velocity_{a}"] for a in "xyz")
    gu, gv, gw = (gradient(f, points)[:, 1:] for f in (u, v, w))
    curl = torch.stack([gw[:, 1] - gv[:, 2], gu[:, 2] - gw[:, 0], gv[:, 0] - gu[:, 1]], 1)
    assert torch.linalg.cross(curl, torch.stack([u, v, w], 1)).abs().max() < 1e-12 * curl.abs().max()


def test_kovasznay_has_its_exponent():
    assert Kovasznay().decay == pytest.approx(-0.96374054419576697, rel=1e-14)
    assert Kovasznay(1e9).decay == pytest.approx(-4 * math.pi**2 / 1e9, rel=1e-14)


def euler(flow, points):
    """Mass, momentum and energy of a gas in one dimension: residuals over their largest terms."""
    rho, u, p = flow.fields(points).values()
    energy = p / (flow.gamma - 1) + rho * u**2 / 2
    fluxes = {
        "mass": (rho, rho * u),
        "momentum": (rho * u, rho * u**2 + p),
        "energy": (energy, (energy + p) * u),
    }
    return {
        name: relative([gradient(a, points)[:, 0], gradient(b, points)[:, 1]])
        for name, (a, b) in fluxes.items()
    }


def test_the_vortex_obeys_the_euler_equations():
    flow, points = IsentropicVortex(), box(3, -2.0, 2.0)
    rho, u, v, p = flow.fields(points).values()
    _, mx, my, energy = gas.conserved(rho, u, v, p, gamma=flow.gamma)
    for density, fx, fy in (
        (rho, mx, my),
        (mx, mx * u + p, mx * v),
        (my, my * u, my * v + p),
        (energy, (energy + p) * u, (energy + p) * v),
    ):
        terms = [gradient(f, points)[:, i] for i, f in enumerate((density, fx, fy))]
        assert relative(terms) < TOLERANCE


RIEMANN = {
    "Sod": Riemann(),
    "two fans": Riemann((1.0, -2.0, 0.4), (1.0, 2.0, 0.4)),
    "strong shock to the right": Riemann((1.0, 0.0, 1000.0), (1.0, 0.0, 0.01)),
    "strong shock to the left": Riemann((1.0, 0.0, 0.01), (1.0, 0.0, 100.0)),
    "two shocks": Riemann((5.99924, 19.5975, 460.894), (5.99242, -6.19633, 46.0950)),
}
"""The five tests of Toro, table 4.1, with the pressures and velocities between the waves of table 4.2."""
STARS = {
    "Sod": (0.30313, 0.92745),
    "two fans": (0.00189, 0.0),
    "strong shock to the right": (460.894, 19.5975),
    "strong shock to the left": (46.0950, -6.19633),
    "two shocks": (1691.64, 8.68975),
}


@pytest.mark.parametrize("name", RIEMANN)
def test_riemann_problems_have_the_states_of_the_book(name):
    pressure, velocity = RIEMANN[name].star
    assert pressure == pytest.approx(STARS[name][0], rel=5e-6, abs=5e-6)
    assert velocity == pytest.approx(STARS[name][1], rel=5e-6, abs=5e-6)


def test_the_tube_of_sod_has_its_densities():
    points = torch.tensor([[0.2, 0.1], [0.2, 0.6], [0.2, 0.75], [0.2, 0.95]], dtype=torch.float64)
    density = Riemann().fields(points)["density"]
    np.testing.assert_allclose(density, [1.0, 0.42632, 0.26557, 0.125], atol=5e-6)


@pytest.mark.parametrize("name", [name for name in RIEMANN if name != "two shocks"])
def test_fans_obey_the_euler_equations(name):
    """Elsewhere all terms are zero."""
    flow, points = RIEMANN[name], box(2, 0.05, 0.25)
    with torch.no_grad():
        across = points[:, 1].sub_(0.15).mul_(6 * (1 + abs(flow.star[1]))).add_(0.5)
        assert across.min() < 0
    assert max(euler(flow, points).values()) < TOLERANCE


@pytest.mark.parametrize("name", RIEMANN)
def test_what_is_conserved_balances_across_all_waves(name):
    """Rankine and Hugoniot for shocks, contacts and fans at once: totals change by the end fluxes."""
    flow, t = RIEMANN[name], 0.01
    edge = 0.5 + 40 * t * torch.linspace(-1, 1, 400_001, dtype=torch.float64)
    x = (edge[1:] + edge[:-1]) / 2
    rho, u, p = flow.fields(torch.stack([torch.full_like(x, t), x], 1)).values()
    energy = p / (flow.gamma - 1) + rho * u**2 / 2
    totals = [(q * (edge[1] - edge[0])).sum() for q in (rho, rho * u, energy)]
    for total, index in zip(totals, range(3), strict=True):
        terms = []
        for sign, (r, w, q) in ((1, flow.left), (-1, flow.right)):
            e = q / (flow.gamma - 1) + r * w**2 / 2
            terms += [40 * t * (r, r * w, e)[index], sign * t * (r * w, r * w**2 + q, (e + q) * w)[index]]
        assert abs(total - sum(terms)) < 1e-4 * sum(map(abs, terms))


def test_at_the_start_a_riemann_problem_is_its_two_states():
    points = torch.tensor([[0.0, 0.4], [0.0, 0.5], [0.0, 0.6]], dtype=torch.float64)
    for name, values in Riemann().fields(points).items():
        sides = [
            dict(zip(Riemann.names, state, strict=True))[name] for state in (Riemann().left, Riemann().right)
        ]
        assert values.tolist() == [sides[0], sides[1], sides[1]]


@pytest.mark.parametrize("viscosity", [0.01 / math.pi, 0.1 / math.pi], ids=str)
def test_burgers_obeys_its_equation(viscosity):
    flow, points = Burgers(viscosity), box(2, 0.05, 1.0)
    u = flow.fields(points)["u"]
    slope = gradient(u, points)
    curvature = gradient(slope[:, 1], points)[:, 1]
    assert relative([slope[:, 0], u * slope[:, 1], -viscosity * curvature]) < TOLERANCE


def test_burgers_has_its_start_and_its_largest_slope():
    """152.00516 at t = 1.6037 / pi: Basdevant et al. 1986, table of the exact solution."""
    x = torch.linspace(-1, 1, 41, dtype=torch.float64)
    start = Burgers().fields(torch.stack([torch.zeros_like(x), x], 1))["u"]
    np.testing.assert_allclose(start, -np.sin(np.pi * x.numpy()), atol=1e-14)
    point = torch.tensor([[1.6037 / math.pi, 0.0]], dtype=torch.float64).requires_grad_()
    assert gradient(Burgers().fields(point)["u"], point)[0, 1].item() == pytest.approx(-152.00516, abs=5e-6)


@pytest.mark.parametrize("x", [-0.7, -0.01, 0.003, 0.2])
def test_burgers_agrees_with_adaptive_quadrature(x):
    from scipy.integrate import quad

    nu, t = 0.01 / math.pi, 0.4
    height = 1 / (2 * math.pi * nu)

    def kernel(eta):
        return math.exp(-height * (math.cos(math.pi * (x - eta)) + 1) - eta**2 / (4 * nu * t))

    settings = {"epsabs": 0, "epsrel": 1e-12, "limit": 500, "points": [-0.6, -0.3, 0.0, 0.3, 0.6]}
    top = quad(lambda eta: math.sin(math.pi * (x - eta)) * kernel(eta), -1.2, 1.2, **settings)[0]
    expected = -top / quad(kernel, -1.2, 1.2, **settings)[0]
    point = torch.tensor([[t, x]], dtype=torch.float64)
    assert Burgers().fields(point)["u"].item() == pytest.approx(expected, rel=1e-10)


WRONG = {
    "Kovasznay": lambda: Kovasznay(0.0),
    "Taylor-Green": lambda: TaylorGreen(-1.0),
    "Beltrami": lambda: Beltrami(a=math.inf),
    "Burgers": lambda: Burgers(0.0),
    "no pressure": lambda: Riemann(left=(1.0, 0.0, 0.0)),
    "no heat": lambda: Riemann(gamma=1.0),
    "vacuum": lambda: Riemann((1.0, -20.0, 0.4), (1.0, 20.0, 0.4)),
    "velocity": lambda: Riemann(left=(1.0, math.nan, 1.0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_numbers_that_make_no_flow_are_refused(name):
    with pytest.raises(SettingsError, match=r"give|lower"):
        WRONG[name]()


def test_points_of_another_dimension_are_refused():
    with pytest.raises(ShapeError, match=r"\(point, t, x, y\)"):
        TaylorGreen().fields(torch.zeros(3, 2, dtype=torch.float64))


@pytest.mark.parametrize("flow", [Kovasznay(), TaylorGreen(), Beltrami(), Riemann()], ids=str)
def test_a_flow_is_written_and_read_on_a_grid(flow, tmp_path):
    space = flow.coordinates.replace("t", "")
    axes = {name: np.linspace(0.1, 1, 4 + i) for i, name in enumerate(space)}
    time = np.array([0.1, 0.2, 0.4]) if "t" in flow.coordinates else None
    write_flow(
        flow.on_grid("exact", axes, time=time, boundary=dict.fromkeys(space, "OPEN")), tmp_path / "f.hdf5"
    )
    back = read_flow(tmp_path / "f.hdf5")
    index = (-1, *range(1, len(space) + 1))
    place = [axes[name][i] for name, i in zip(space, index[1:], strict=True)]
    point = torch.tensor([([back.time[-1]] if time is not None else []) + place], dtype=torch.float64)
    for name, value in flow.fields(point).items():
        assert back.component(name)[(0, *index)] == pytest.approx(value.item(), rel=1e-14)
