"""The nearest lawful field: lawful, near, unchanged if lawful, and what a general solver finds."""

import cvxpy
import numpy as np
import pytest
import torch

from physmix.errors import (
    ContradictionError,
    ProjectionError,
    SettingsError,
    ShapeError,
    UnknownFieldError,
    UnsupportedLawError,
)
from physmix.grids import PeriodicAxis, PeriodicGrid, StaggeredGrid
from physmix.laws import parse_laws
from physmix.reconciliation import LawfulFields, law_terms, nearest_lawful

SCHEMES = ["spectral", "central2", "central4", "compact4", "compact6"]
VELOCITY = ["ux", "uy"]


def solenoidal():
    return parse_laws({"div": "div(u) = 0"}, "xy", vectors="u")


def small(scheme="spectral", points=(6, 5)):
    return PeriodicGrid(("x", "y"), points, (1.0, 2.5), scheme)


def noise(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def vortices(grid):
    """A lawful field with a mean flow, from a stream function under the grid's own derivatives."""
    x, y = (torch.arange(n, dtype=torch.float64) * (2 * torch.pi / n) for n in grid.points)
    stream = (x[:, None].sin() * y.cos() + 0.3 * (2 * x[:, None] + y).cos())[None, ..., None]
    u, v = grid.differentiate(stream, 1), -grid.differentiate(stream, 0)
    mean = torch.tensor([3.0, -2.0], dtype=torch.float64)
    return (torch.cat([u, v], -1) + mean)[None]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("points", [(16, 12), (9, 14)])
def test_a_lawful_field_stays_and_a_noisy_one_comes_nearer(scheme, points, generator):
    grid = PeriodicGrid(("x", "y"), points, (1.0, 2.5), scheme)
    truth = vortices(grid)
    lawful = LawfulFields(solenoidal(), VELOCITY, grid)
    assert float((lawful.project(truth) - truth).abs().max()) <= 1e-14 * float(truth.abs().max())
    noisy = truth + 0.1 * noise(generator, *truth.shape)
    found = lawful.project(noisy)
    assert lawful.violation(noisy)["div"] > 1e-3
    assert lawful.violation(found)["div"] <= 1e-13
    assert float((found - truth).square().sum()) < 0.8 * float((noisy - truth).square().sum())
    torch.testing.assert_close(found.mean((2, 3)), noisy.mean((2, 3)), rtol=0, atol=1e-14)


def test_central_differences_are_those_of_shifts(generator):
    """The law in the operators written out by hand."""
    grid = small("central2", (8, 7))
    found = LawfulFields(solenoidal(), VELOCITY, grid).project(noise(generator, 1, 1, 8, 7, 2))[0, 0]
    u, v = found.unbind(-1)
    slopes = [
        (torch.roll(f, -1, axis) - torch.roll(f, 1, axis)) * (n / length / 2)
        for f, axis, n, length in ((u, 0, 8, 1.0), (v, 1, 7, 2.5))
    ]
    assert float(sum(slopes).abs().max()) <= 1e-13 * float(slopes[0].abs().max())


def law_matrix(laws, names, grid):
    """Rows of the laws over all numbers of one state, from their action on unit fields."""
    size = int(np.prod(grid.points)) * len(names)
    units = torch.eye(size, dtype=torch.float64).reshape(size, 1, *grid.points, len(names))
    rows = [law_terms(units, names, law, grid).sum(0).reshape(size, -1).T for law in laws]
    return torch.cat(rows).numpy()


@pytest.mark.parametrize("scheme", ["spectral", "central2", "compact4"])
@pytest.mark.parametrize("bounded", [False, True])
def test_it_is_what_cvxpy_finds(scheme, bounded, generator):
    grid, names = small(scheme), ["ux", "uy", "a", "b"]
    laws = [*solenoidal(), *parse_laws({"sum": "2*a + b = 1", "slope": "dx(a) - dy(ux) = 0"}, "xy")]
    start = 0.6 * noise(generator, 1, 1, *grid.points, 4)
    weights = {"ux": 2.0, "a": 0.5}
    bounds = {"a": (-0.05, 0.55), "ux": (-0.2, torch.inf)} if bounded else None
    found = nearest_lawful(start, names, laws, grid, weights=weights, bounds=bounds)
    matrix = law_matrix(laws, names, grid)
    source = np.repeat([0.0, 1.0, 0.0], len(matrix) // 3)
    each = np.tile([2.0, 1.0, 0.5, 1.0], len(start.flatten()) // 4)
    variable = cvxpy.Variable(start.numel())
    distance = cvxpy.sum(cvxpy.multiply(each, cvxpy.square(variable - start.flatten().numpy())))
    # The rows of a periodic grid depend on each other; a basis of them keeps the solver well.
    left, values, right = np.linalg.svd(matrix)
    kept = values > 1e-9 * values[0]
    side = (left.T @ source)[: len(values)][kept] / values[kept]
    equations = right[: len(values)][kept] @ variable == side
    limits = []
    if bounds:
        field = cvxpy.reshape(variable, (start.numel() // 4, 4), order="C")
        limits = [field[:, 2] >= -0.05, field[:, 2] <= 0.55, field[:, 0] >= -0.2]
    problem = cvxpy.Problem(cvxpy.Minimize(distance), [equations, *limits])
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    best = torch.from_numpy(variable.value).reshape(start.shape)
    torch.testing.assert_close(found, best, rtol=0, atol=1e-8)
    lawful = LawfulFields(laws, names, grid, weights)
    assert max(lawful.violation(found).values()) <= 1e-12
    if bounds:
        assert float(found[..., 2].min()) >= -0.05 - 1e-15
        assert float(found[..., 2].max()) <= 0.55 + 1e-15
        assert float(found[..., 0].min()) >= -0.2 - 1e-15
        assert float((nearest_lawful(start, names, laws, grid, weights=weights) - found).abs().max()) > 1e-3


def test_bounds_meet_the_conditions_of_optimality(generator):
    """y = clip(y0 - v) with v orthogonal to every lawful direction: no solver's tolerance in between."""
    grid = small("spectral", (12, 10))
    start = noise(generator, 1, 1, 12, 10, 2)
    found = nearest_lawful(start, VELOCITY, solenoidal(), grid, bounds={"ux": (-0.5, 0.5)})
    lawful = LawfulFields(solenoidal(), VELOCITY, grid)
    assert lawful.violation(found)["div"] <= 1e-12
    # The projection onto the intersection is a fixed point of alternating corrections (Dykstra).
    member, memory = start.clone(), torch.zeros_like(start)
    low, high = torch.tensor([-0.5, -torch.inf]), torch.tensor([0.5, torch.inf])
    for _ in range(500):
        inside = (member + memory).clamp(low, high)
        memory = member + memory - inside
        member = lawful.project(inside)
    torch.testing.assert_close(found, member, rtol=0, atol=1e-8)


def test_totals_of_nothing_are_judged_by_what_they_are_the_sums_of(generator):
    laws = parse_laws({"momentum": "integral(m) = const"}, "xy")
    start = noise(generator, 1, 5, 6, 5, 1)
    start = start - start.mean((1, 2, 3), keepdim=True)
    lawful = LawfulFields(laws, ["m"], small())
    assert lawful.violation(start)["momentum"] > 1e-2
    assert lawful.violation(lawful.project(start))["momentum"] < 1e-14


def test_totals_stay_in_time_what_they_are_on_average(generator):
    laws = parse_laws({"mass": "integral(rho) = const", "both": "integral(rho + 2*e) = const"}, "xy")
    start = noise(generator, 2, 5, 6, 5, 2) + 3
    found = nearest_lawful(start, ["rho", "e"], laws, small())
    totals = found.sum((2, 3))
    assert float((totals - totals[:, :1]).abs().max()) <= 1e-12
    torch.testing.assert_close(totals[:, 0], start.sum((2, 3)).mean(1), rtol=1e-14, atol=0)
    steps = found - start  # a shift of each state as a whole is the smallest change
    torch.testing.assert_close(steps, steps[:, :, :1, :1].expand_as(steps), rtol=0, atol=1e-14)


REFUSED = [
    (lambda f, g: nearest_lawful(f, ["u", "v"], solenoidal(), g), UnknownFieldError, "ux"),
    (
        lambda f, g: nearest_lawful(f, VELOCITY, parse_laws({"m": "dt(ux) + dx(uy) = 0"}, "txy"), g),
        UnsupportedLawError,
        "without time",
    ),
    (lambda f, g: nearest_lawful(f[..., :1, :], VELOCITY, solenoidal(), g), ShapeError, "trajectory"),
    (lambda f, g: nearest_lawful(f * torch.nan, VELOCITY, solenoidal(), g), SettingsError, "not finite"),
    (
        lambda f, g: nearest_lawful(f, VELOCITY, solenoidal(), g, weights={"ux": 0.0}),
        SettingsError,
        "positive",
    ),
    (
        lambda f, g: nearest_lawful(f, VELOCITY, solenoidal(), g, bounds={"ux": (2, 1)}),
        SettingsError,
        "bounds",
    ),
    (
        lambda f, g: nearest_lawful(f, VELOCITY, solenoidal(), g, bounds={"w": (0, 1)}),
        SettingsError,
        "no field .w.",
    ),
    (
        lambda f, g: nearest_lawful(f, VELOCITY, parse_laws({"source": "div(u) = 1"}, "xy", vectors="u"), g),
        ContradictionError,
        "source",
    ),
    (
        lambda f, g: nearest_lawful(
            f, VELOCITY, parse_laws({"a": "ux + uy = 1"}, "xy"), g, bounds={"ux": (2, 3), "uy": (2, 3)}
        ),
        ProjectionError,
        "widen the bounds",
    ),
]


@pytest.mark.parametrize(("run", "error", "message"), REFUSED)
def test_what_cannot_be_reconciled_is_refused(run, error, message, generator):
    with pytest.raises(error, match=message):
        run(noise(generator, 1, 1, 6, 5, 2), small())


def test_arrays_of_numpy_serve_as_tensors_do(generator):
    grid, fields = small(), noise(generator, 1, 2, 6, 5, 2)
    weights = {"ux": noise(generator, 6, 5).exp()}
    array, by_point = fields.numpy().copy(), {"ux": weights["ux"].numpy()}
    array.flags.writeable = False  # as of a file that is mapped into memory
    found = nearest_lawful(array, VELOCITY, solenoidal(), grid, weights=by_point)
    assert torch.equal(found, nearest_lawful(fields, VELOCITY, solenoidal(), grid, weights=weights))
    assert LawfulFields(solenoidal(), VELOCITY, grid).violation(found.numpy())["div"] < 1e-13
    single = nearest_lawful(array.astype(">f4"), VELOCITY, solenoidal(), grid)
    assert torch.equal(single, nearest_lawful(fields.float(), VELOCITY, solenoidal(), grid))


def test_arrays_of_numpy_serve_on_a_staggered_grid(generator):
    grid = StaggeredGrid({"x": PeriodicAxis(6, 1.0), "y": PeriodicAxis(5, 2.5)})
    places = {"ux": (1, 0), "uy": (0, 1)}
    fields = {name: noise(generator, 2, *grid.shape(place)) for name, place in places.items()}
    found = nearest_lawful({name: f.numpy() for name, f in fields.items()}, places, solenoidal(), grid)
    expected = nearest_lawful(fields, places, solenoidal(), grid)
    assert all(torch.equal(found[name], expected[name]) for name in places)


@pytest.mark.parametrize("scheme", ["central4", "compact4"])
def test_bounds_that_leave_a_lawful_field_are_met_from_any_start(scheme):
    """ux = uy = a = 0 and b = 1 is lawful and within them; most of the start is clipped."""
    texts = {"div": "div(u) = 0", "slope": "dx(a) - dy(ux) = 0", "sum": "2*a + b = 1"}
    laws, names = parse_laws(texts, "xy", vectors=["u"]), ["ux", "uy", "a", "b"]
    grid = PeriodicGrid(("x", "y"), (6, 5), (1.0, 2.5), scheme)
    generator = torch.Generator().manual_seed(8)
    bounds = {"a": (-0.05, 0.55), "ux": (-0.2, torch.inf)}
    for _ in range(12):
        start = 0.6 * torch.randn(1, 1, 6, 5, 4, generator=generator, dtype=torch.float64)
        found = nearest_lawful(start, names, laws, grid, weights={"ux": 2.0, "a": 0.5}, bounds=bounds)
        assert max(LawfulFields(laws, names, grid).violation(found).values()) < 1e-11
        assert float(found[..., 2].min()) >= -0.05
        assert float(found[..., 2].max()) <= 0.55
