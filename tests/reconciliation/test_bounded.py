"""The nearest lawful fields between walls, around obstacles, on unequal cells, with weights by point."""

import cvxpy
import numpy as np
import pytest
import torch

from physmix.errors import ProjectionError, SettingsError, ShapeError, UnsupportedLawError
from physmix.grids import BoundedAxis, PeriodicAxis, PeriodicGrid, PointAxis, PointGrid, StaggeredGrid
from physmix.laws import parse_laws
from physmix.reconciliation import LawfulFields, nearest_lawful

FACES = {
    "xy": {"ux": (1, 0), "uy": (0, 1)},
    "xyz": {"ux": (1, 0, 0), "uy": (0, 1, 0), "uz": (0, 0, 1)},
}
KINDS = ["bb", "pb", "bbb", "pbb"]
CASES = ["plain", "walls", "volumes", "points", "obstacle", "all"]


def solenoidal(names="xy", source=0):
    return parse_laws({"div": f"div(u) = {source}"}, names, vectors="u")


def nodes_of(n, seed):
    widths = np.random.default_rng(seed).uniform(0.5, 2.0, n)
    return np.concatenate([[0.0], np.cumsum(widths)]) / widths.sum()


def grid_of(kind, points=(8, 7, 6)):
    return StaggeredGrid(
        {
            name: PeriodicAxis(n, 1.5) if one == "p" else BoundedAxis(nodes_of(n, i))
            for i, (name, one, n) in enumerate(zip("xyz", kind, points, strict=False))
        }
    )


def body_of(grid):
    solid = torch.zeros(grid.shape((0,) * len(grid.axes)), dtype=torch.bool)
    solid[(slice(2, 5), *(slice(2, 4) for _ in solid.shape[1:]))] = True
    return solid


def walls_of(grid, names, *, ends=None, solid=None):
    return {name: grid.walls(place, ends, solid) for name, place in FACES[names].items()}


def outflow(grid, flow):
    places = FACES["xyz"[: len(grid.axes)]]
    terms = [grid.differentiate(flow[name], place, i) for i, (name, place) in enumerate(places.items())]
    return float(sum(terms).abs().max() / sum(term.abs() for term in terms).max())


def truth_of(grid, held, generator):
    """Smooth, without an outflow by its potentials, and without a flux through what is held."""
    names = "xyz"[: len(grid.axes)]
    flow = {name: torch.zeros(1, *grid.shape(place)).double() for name, place in FACES[names].items()}
    for i, first in enumerate(names):
        for j in range(i + 1, len(names)):
            place = tuple(int(k in (i, j)) for k in range(len(names)))
            psi = torch.randn(1, *grid.shape(place), generator=generator, dtype=torch.float64)
            zero = torch.zeros_like(psi, dtype=torch.bool)[0]
            for name, d in ((f"u{first}", j), (f"u{names[j]}", i)):
                step = tuple(int(k == d) for k in range(len(names)))
                for corner in grid.stencil(torch.arange(psi.numel()).view(psi.shape[1:]), place, step):
                    zero.view(-1)[corner[held[name]]] = True
            psi = psi.masked_fill(zero, 0.0)
            flow[f"u{first}"] += grid.differentiate(psi, place, j)
            flow[f"u{names[j]}"] -= grid.differentiate(psi, place, i)
    return flow


def case_of(case, grid, names, generator):
    """Weights by point, and what is held."""
    solid = body_of(grid) if case in ("obstacle", "all") else None
    ends = () if case in ("plain", "points") else None
    held = walls_of(grid, names, ends=ends, solid=solid)
    weights = {}
    for name, place in FACES[names].items():
        weight = torch.ones(grid.shape(place), dtype=torch.float64)
        if case == "volumes":
            weight = grid.volumes(place)
        if case in ("points", "all"):
            weight = 10 ** (3 * torch.rand(weight.shape, generator=generator, dtype=torch.float64))
        weights[name] = weight.masked_fill(held[name], torch.inf)
    return weights, held


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_a_lawful_flow_stays_and_a_noisy_one_comes_nearer(kind, case, generator):
    names, grid = "xyz"[: len(kind)], grid_of(kind)
    weights, held = case_of(case, grid, names, generator)
    lawful = LawfulFields(solenoidal(names), FACES[names], grid, weights)
    truth = truth_of(grid, held, generator)
    assert outflow(grid, truth) < 1e-14
    for name, field in lawful.project(truth).items():
        assert float((field - truth[name]).abs().max()) <= 1e-13 * float(truth[name].abs().max())
    noisy = {
        # noise as large as the weights say, and none where values are held
        name: field
        + weights[name].rsqrt() * torch.randn(field.shape, generator=generator, dtype=torch.float64)
        for name, field in truth.items()
    }
    found = lawful.project(noisy)
    assert outflow(grid, noisy) > 1e-3
    assert outflow(grid, found) < 1e-13
    assert lawful.violation(found)["div"] == pytest.approx(outflow(grid, found))

    def distance(flow):
        inside = {name: weight.masked_fill(weight.isinf(), 0.0) for name, weight in weights.items()}
        return sum(float((inside[n] * (flow[n] - truth[n]).square()).sum()) for n in truth)

    assert distance(found) < 0.9 * distance(noisy)
    for name, mask in held.items():
        assert torch.equal(found[name][:, mask], noisy[name][:, mask])
    again = lawful.project(found)
    assert all(float((again[n] - found[n]).abs().max()) <= 1e-12 * float(found[n].abs().max()) for n in found)


def test_walls_and_products_of_weights_are_solved_in_one_step(generator):
    grid = grid_of("bbb")
    for case in ("plain", "walls", "volumes"):
        weights, _ = case_of(case, grid, "xyz", generator)
        lawful = LawfulFields(solenoidal("xyz"), FACES["xyz"], grid, weights)
        fields = truth_of(grid, walls_of(grid, "xyz"), generator)
        fields["ux"][:, 1:-1] += torch.randn(fields["ux"][:, 1:-1].shape, generator=generator)
        lawful.solver.correction(lawful.pack(fields))
        assert lawful.solver.steps <= 2


def law_matrix(lawful, states):
    """Rows of the laws over all numbers of one state, from their terms for unit states."""
    size = states.shape[1]
    units = lawful.unpack(torch.eye(size, dtype=torch.float64))
    rows = [
        sum(lawful.grid.terms(units, lawful.places, law.terms)).reshape(size, -1).T for law in lawful.laws
    ]
    return torch.cat(rows).numpy()


@pytest.mark.parametrize("case", ["walls", "all"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("bounded", [False, True])
def test_it_is_what_cvxpy_finds(case, several, bounded, generator):
    grid, places, laws = grid_of("pb", (6, 5)), dict(FACES["xy"]), solenoidal()
    weights, held = case_of(case, grid, "xy", generator)
    weights = {name: weight.sqrt() for name, weight in weights.items()}
    if several:  # laws of several terms, which nothing inverts directly
        places |= {"p": (0, 0), "q": (0, 0)}
        text = {"sum": "2*p + q = 1", "slope": "dx(dx(p)) + dy(uy) = 0"}
        laws = [*laws, *parse_laws(text, "xy")]
        weights["p"] = 1 + torch.rand(grid.shape((0, 0)), generator=generator, dtype=torch.float64)
    lawful = LawfulFields(laws, places, grid, weights)
    fields = {
        name: 0.3 * torch.randn(1, *grid.shape(place), generator=generator, dtype=torch.float64)
        for name, place in places.items()
    }
    for name, mask in held.items():
        fields[name][:, mask] = 0.0
    bounds = {"ux": (-0.35, 0.4)} if bounded else None
    found = lawful.pack(nearest_lawful(fields, places, laws, grid, weights=weights, bounds=bounds))
    start = lawful.pack(fields)
    free = lawful.weight.isfinite().numpy()
    variable = cvxpy.Variable(start.shape[1])
    each = np.where(free, lawful.weight.numpy(), 0.0)
    distance = cvxpy.sum(cvxpy.multiply(each, cvxpy.square(variable - start[0].numpy())))
    matrix = law_matrix(lawful, start)
    source = np.repeat([float(law.source) for law in laws], len(matrix) // len(laws))
    left, values, right = np.linalg.svd(matrix[:, free])
    kept = values > 1e-9 * values[0]
    side = (left.T @ (source - matrix[:, ~free] @ start[0].numpy()[~free]))[: len(values)][kept] / values[
        kept
    ]
    equations = [right[: len(values)][kept] @ variable[free] == side]
    if (~free).any():
        equations.append(variable[~free] == start[0].numpy()[~free])
    if bounds:
        first = int(np.prod(grid.shape(places["ux"])))
        equations += [variable[:first] >= -0.35, variable[:first] <= 0.4]
    problem = cvxpy.Problem(cvxpy.Minimize(distance), equations)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    best = torch.from_numpy(variable.value)[None]
    torch.testing.assert_close(found, best, rtol=0, atol=1e-8)
    assert max(lawful.violation(lawful.unpack(found)).values()) < 1e-12
    if bounds:
        ux = lawful.unpack(found)["ux"]
        assert float(ux.min()) >= -0.35
        assert float(ux.max()) <= 0.4
        plain = lawful.pack(nearest_lawful(fields, places, laws, grid, weights=weights))
        assert float((plain - found).abs().max()) > 1e-3


@pytest.mark.parametrize("case", ["points", "held"])
def test_weights_by_point_on_a_periodic_grid(case, generator):
    grid, laws = PeriodicGrid(("x", "y"), (6, 5), (1.0, 2.5), "central2"), solenoidal()
    weights = {name: 10 ** (2 * torch.rand(6, 5, generator=generator).double()) for name in ("ux", "uy")}
    if case == "held":
        weights["ux"][2:4, 1] = torch.inf
    lawful = LawfulFields(laws, ["ux", "uy"], grid, weights)
    start = torch.randn(1, 1, 6, 5, 2, generator=generator, dtype=torch.float64)
    found = lawful.project(start)
    assert lawful.violation(found)["div"] < 1e-13
    held = lawful.weight.isinf()
    assert torch.equal(found[0, 0][held], start[0, 0][held])
    # Optimal: the change times the weights is orthogonal to every lawful direction that is free.
    units = torch.eye(60, dtype=torch.float64).view(60, 1, 6, 5, 2)
    free = units[:, 0].flatten(1)[~held.flatten()].view(-1, 1, 6, 5, 2)
    terms = grid.differentiate(free[:, 0], 0)[..., 0] + grid.differentiate(free[:, 0], 1)[..., 1]
    _, values, right = torch.linalg.svd(terms.flatten(1).T)
    null = right[int((values > 1e-10).sum()) :]
    pull = (lawful.weight * (found - start)[0, 0])[~held]
    torch.testing.assert_close(null @ pull, torch.zeros(len(null)).double(), rtol=0, atol=1e-10)
    assert null.shape[0] > 10


def test_an_inflow_is_kept_and_becomes_a_lifting(generator):
    """Held values on the boundary alone: the nearest flow to none, around a body."""
    grid = grid_of("bb")
    held = walls_of(grid, "xy", solid=body_of(grid))
    zero = {name: torch.zeros(1, *grid.shape(place)).double() for name, place in FACES["xy"].items()}
    widths = torch.diff(torch.as_tensor(nodes_of(7, 1)))
    zero["ux"][0, 0] = torch.randn(7, generator=generator, dtype=torch.float64)
    zero["ux"][0, -1] = (zero["ux"][0, 0] * widths).sum()  # uniform, over a height of 1
    weights = {
        name: torch.ones(mask.shape).double().masked_fill(mask, torch.inf) for name, mask in held.items()
    }
    found = nearest_lawful(zero, FACES["xy"], solenoidal(), grid, weights=weights)
    assert outflow(grid, found) < 1e-13
    assert all(torch.equal(found[name][:, mask], zero[name][:, mask]) for name, mask in held.items())
    zero["ux"][0, -1] += 1e-6
    with pytest.raises(SettingsError, match="in and out of it balance"):
        nearest_lawful(zero, FACES["xy"], solenoidal(), grid, weights=weights)
    zero["ux"][0, -1] -= 1e-6
    zero["ux"][0, 3, 2] = 1.0
    with pytest.raises(SettingsError, match="in and out of it balance"):  # a flux into the body
        nearest_lawful(zero, FACES["xy"], solenoidal(), grid, weights=weights)


def test_a_source_needs_an_opening(generator):
    grid = grid_of("pb")
    fields = truth_of(grid, walls_of(grid, "xy"), generator)
    found = nearest_lawful(fields, FACES["xy"], solenoidal(source=2), grid)
    lawful = LawfulFields(solenoidal(source=2), FACES["xy"], grid)
    assert lawful.violation(found)["div"] < 1e-13
    weights, _ = case_of("walls", grid, "xy", generator)
    with pytest.raises(SettingsError, match="balance"):
        nearest_lawful(fields, FACES["xy"], solenoidal(source=2), grid, weights=weights)


@pytest.mark.parametrize("names", ["x", "xy", "xyz"])
@pytest.mark.parametrize("by_point", [False, True])
def test_stored_points_with_ends(names, by_point, generator):
    axes = {
        "x": PointAxis(nodes_of(9, 0)),
        "y": PointAxis(nodes_of(7, 1)),
        "z": PointAxis(nodes_of(7, 2), 1.2),
    }
    grid = PointGrid({name: axes[name] for name in names})
    fields = ["ux", "uy", "uz"][: len(names)]
    law = parse_laws({"div": " + ".join(f"d{c}(u{c})" for c in names) + " = 0"}, names)
    psi = 0.3 * torch.randn(2, *grid.points, 1, generator=generator, dtype=torch.float64)
    truth = torch.zeros(2, *grid.points, len(names), dtype=torch.float64)
    if len(names) > 1:
        truth[..., 0], truth[..., 1] = grid.differentiate(psi, 1)[..., 0], -grid.differentiate(psi, 0)[..., 0]
    truth = (truth + 3.0)[None]
    weights = {"ux": 1 + 9 * torch.rand(grid.points, generator=generator).double()} if by_point else None
    lawful = LawfulFields(law, fields, grid, weights)
    torch.testing.assert_close(lawful.project(truth), truth, rtol=0, atol=1e-13 * float(truth.abs().max()))
    noise = torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    noisy = truth + noise
    found = lawful.project(noisy)
    assert lawful.violation(noisy)["div"] > 1e-2
    if names == "x":  # only constants are lawful
        torch.testing.assert_close(found, found[:, :, :1].expand_as(found), rtol=0, atol=1e-13)
    else:
        assert lawful.violation(found)["div"] < 1e-13
    weight = lawful.weight
    assert float((weight * (found - truth) ** 2).sum()) < 0.9 * float((weight * noise**2).sum())
    torch.testing.assert_close(lawful.project(found), found, rtol=0, atol=1e-12)
    if names != "xy" or by_point:
        return
    bounded = nearest_lawful(noisy, fields, law, grid, weights=weights, bounds={"ux": (1.0, 5.0)})
    assert lawful.violation(bounded)["div"] < 1e-11
    assert 1.0 <= float(bounded[..., 0].min()) < float(bounded[..., 0].max()) <= 5.0


def test_laws_of_other_units_hold_as_well(generator):
    """A pressure of 1e5 beside velocities of one."""
    grid, places = grid_of("bb"), FACES["xy"] | {"p": (0, 0), "q": (0, 0)}
    laws = [*solenoidal(), *parse_laws({"sum": "p - q = 100000"}, "xy")]
    fields = {n: torch.randn(1, *grid.shape(p), generator=generator).double() for n, p in places.items()}
    fields["p"] = 1e5 * (1 + fields["p"])
    lawful = LawfulFields(laws, places, grid, {"p": 1e-10, "q": 1e-10})
    assert max(lawful.violation(lawful.project(fields)).values()) < 1e-13


def test_what_does_not_fit_is_refused(generator):
    grid, faces, laws = grid_of("bb"), FACES["xy"], solenoidal()
    fields = truth_of(grid, walls_of(grid, "xy"), generator)
    with pytest.raises(UnsupportedLawError, match="flows through the boundary"):
        LawfulFields(parse_laws({"total": "integral(ux) = const"}, "xy"), faces, grid)
    with pytest.raises(UnsupportedLawError, match="live at the places"):
        LawfulFields(parse_laws({"law": "dx(ux) + dx(uy) = 0"}, "xy"), faces, grid)
    with pytest.raises(SettingsError, match="do not fit the grid"):
        LawfulFields(laws, ["ux", "uy"], grid)
    with pytest.raises(SettingsError, match=r"weights: there is no field 'u_x'.*did you mean ux"):
        nearest_lawful(fields, faces, laws, grid, weights={"u_x": torch.inf})
    with pytest.raises(SettingsError, match=r"bounds: there is no field 'u_x'.*did you mean ux"):
        nearest_lawful(fields, faces, laws, grid, bounds={"u_x": (0.0, 1.0)})
    with pytest.raises(ShapeError, match="what is given for ux"):
        LawfulFields(laws, faces, grid, {"ux": torch.ones(8, 7)})
    with pytest.raises(ShapeError, match="a field"):
        nearest_lawful({**fields, "uy": fields["ux"]}, faces, laws, grid)
    with pytest.raises(ShapeError, match="the fields"):
        nearest_lawful({"ux": fields["ux"]}, faces, laws, grid)
    noise = {n: torch.randn(f.shape, generator=generator).double() for n, f in fields.items()}
    held = {"ux": torch.inf, "uy": torch.inf}
    with pytest.raises(SettingsError, match="balance"):
        nearest_lawful(noise, faces, laws, grid, weights=held)
    contradiction = parse_laws({"a": "p = 1", "b": "p = 2"}, "xy")
    with pytest.raises(ProjectionError, match="steps of conjugate gradients"):
        nearest_lawful({"p": noise["ux"]}, {"p": (1, 0)}, contradiction, grid)
    periodic = PeriodicGrid(("x", "y"), (6, 5), (1.0, 1.0), "central2")
    with pytest.raises(ProjectionError, match="hold fewer values"):
        nearest_lawful(
            torch.randn(1, 1, 6, 5, 2, generator=generator).double(),
            list(faces),
            laws,
            periodic,
            weights=held,
        )


def test_states_of_one_batch_do_not_disturb_each_other(generator):
    """One lawful, one large, one small: each as by itself."""
    grid = grid_of("bb")
    weights, held = case_of("all", grid, "xy", generator)
    truth = truth_of(grid, held, generator)
    noise = {
        name: torch.where(held[name], 0.0, torch.randn(f.shape, generator=generator).double())
        for name, f in truth.items()
    }
    batch = {name: torch.cat([f, f + 1e6 * noise[name], 1e-6 * noise[name]]) for name, f in truth.items()}
    lawful = LawfulFields(solenoidal(), FACES["xy"], grid, weights)
    found = lawful.project(batch)
    for name, field in truth.items():
        assert torch.equal(found[name][:1], field)
    for state in range(3):
        own = {name: field[state : state + 1] for name, field in batch.items()}
        for name, field in lawful.project(own).items():
            size = float(field.abs().max())
            torch.testing.assert_close(found[name][state : state + 1], field, rtol=0, atol=1e-12 * size)
        assert outflow(grid, {name: field[state : state + 1] for name, field in found.items()}) < 1e-13
