"""Staggered layers: laws hold in differences written here anew, between walls and around obstacles."""

import numpy as np
import pytest
import torch

from physmix.errors import NoFreedomError, SettingsError, ShapeError, UnsupportedLawError
from physmix.flows.gas import SPACE_TIME
from physmix.grids import BoundedAxis, PeriodicAxis, StaggeredGrid
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import StaggeredLayer, staggered_classes
from physmix.operators import Operators
from physmix.optimization import project_weights, projected
from physmix.reconciliation import nearest_lawful

FACES = {
    "xy": {"ux": (1, 0), "uy": (0, 1)},
    "xyz": {"ux": (1, 0, 0), "uy": (0, 1, 0), "uz": (0, 0, 1)},
}
TENSOR = {  # on a periodic grid, and on one with ends
    "p": {
        "rho": (0, 0, 0), "mx": (1, 1, 0), "my": (1, 0, 1),
        "sxx": (0, 0, 0), "sxy": (0, 1, 1), "syy": (0, 0, 0),
    },
    "b": {
        "rho": (2, 0, 0), "mx": (1, 1, 0), "my": (1, 0, 1),
        "sxx": (0, 2, 0), "sxy": (0, 1, 1), "syy": (0, 0, 2),
    },
}  # fmt: skip
POINTS, LENGTHS = (6, 5, 4), (1.0, 2.5, 0.7)
KINDS = ["pp", "bp", "bb", "ppp", "bbb", "pbb"]  # periodic and bounded axes


def divergence_free(names):
    return parse_laws({"div": "div(u) = 0"}, names, vectors=["u"])


def nodes_of(dimension):
    """Of cells whose widths differ by up to a factor of four."""
    widths = np.random.default_rng(dimension).uniform(0.5, 2.0, POINTS[dimension])
    return np.concatenate([[0.0], np.cumsum(widths)]) * LENGTHS[dimension] / widths.sum()


def grid_of(kind, names="xyz"):
    axes = {
        name: PeriodicAxis(POINTS[i], LENGTHS[i]) if one == "p" else BoundedAxis(nodes_of(i))
        for i, (name, one) in enumerate(zip(names, kind, strict=False))
    }
    return StaggeredGrid(axes)


def slope(field, axis, kind, level=1):
    """The difference of neighbours of a (batch, *grid) field along one axis, from a level of it."""
    if kind[axis] == "p":
        sign = -1 if level == 0 else 1
        return (field - torch.roll(field, sign, axis + 1)) * sign * POINTS[axis] / LENGTHS[axis]
    nodes = torch.as_tensor(nodes_of(axis))
    if level == 2:
        low, high = 2 * nodes[:1] - nodes[1:2], 2 * nodes[-1:] - nodes[-2:-1]
        nodes = torch.cat([low, nodes, high])
        nodes = (nodes[1:] + nodes[:-1]) / 2
    shape = [1] * field.ndim
    shape[axis + 1] = -1
    return field.diff(dim=axis + 1) / nodes.diff().view(shape)


def relative(*terms):
    """What is left of a sum, of the size of its terms."""
    return float(sum(terms).abs().max() / sum(term.abs() for term in terms).max())


def outflow(flow, kind):
    return relative(*(slope(field, i, kind) for i, field in enumerate(flow.values())))


def shaken(layer, generator):
    """Far from the first weights, where an optimiser would lead."""
    with torch.no_grad():
        layer.mixing.weight.add_(torch.randn(layer.mixing.weight.shape, generator=generator))
        layer.mixing.bias.copy_(torch.arange(len(layer.fields)) + 1.0)
    project_weights(layer)
    return layer


def layer_of(kind, laws, fields, order, generator, potentials=9, names="xyz", **walls):
    grid = grid_of(kind, names)
    operators = Operators.derivatives(grid.coordinates, order)
    return shaken(
        StaggeredLayer(grid, laws, fields, operators, potentials, generator=generator, **walls), generator
    )


def noise_of(layer, generator):
    return torch.randn(2, *layer.extent, len(layer.places), generator=generator, dtype=torch.float64)


def flow_of(layer, generator):
    return {name: field.detach() for name, field in layer(noise_of(layer, generator)).items()}


def mean_of(flow):
    return torch.stack([field.mean() for field in flow.values()])


@pytest.mark.parametrize("kind", KINDS)
def test_the_places_of_stream_function_and_vector_potential(kind):
    names = "xyz"[: len(kind)]
    operators = Operators.derivatives(names, 1)
    classes = staggered_classes(divergence_free(names), FACES[names], operators, grid_of(kind))
    edges = {"xy": {(1, 1)}, "xyz": {(0, 1, 1), (1, 0, 1), (1, 1, 0)}}
    assert {one.place for one in classes} == edges[names]
    assert {one.weights.nullity for one in classes} == {1}


@pytest.mark.parametrize("kind", ["ppp", "bpp", "bbb"])
def test_the_classes_of_the_space_time_tensor_have_all_its_potentials(kind, mass_momentum):
    operators = Operators.derivatives("txy", 2)
    mixed = zip(*(TENSOR[one].values() for one in kind), strict=True)
    places = {
        name: tuple(one[i] for i, one in enumerate(each))
        for name, each in zip(TENSOR["p"], mixed, strict=True)
    }
    classes = staggered_classes(mass_momentum, places, operators, grid_of(kind, "txy"))
    assert sum(one.weights.nullity for one in classes) == 6
    assert compile_laws(mass_momentum, SPACE_TIME, operators).weights.nullity == 6
    assert len({one.place for one in classes}) == len(classes) > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lawful", [True, False])
def test_nothing_leaves_a_cell_and_the_mean_stays(kind, lawful, generator):
    names = "xyz"[: len(kind)]
    layer = layer_of(kind, divergence_free(names) if lawful else (), FACES[names], 1, generator)
    flow = flow_of(layer, generator)
    for name, place in FACES[names].items():
        assert flow[name].shape == (2, *layer.grid.shape(place))
        assert flow[name].std() > 0.1
    violation = outflow(flow, kind)
    assert violation < 1e-13 if lawful else violation > 1e-2
    if "b" not in kind:
        torch.testing.assert_close(mean_of(flow), layer.mixing.bias, rtol=0, atol=1e-12)
    still = layer(torch.zeros(1, *layer.extent, 9, dtype=torch.float64))
    torch.testing.assert_close(mean_of(still), layer.mixing.bias)  # a mean flow that is free


@pytest.mark.parametrize("kind", ["p", "b"])
@pytest.mark.parametrize("lawful", [True, False])
def test_mass_and_momentum_hold_where_each_lives(kind, lawful, mass_momentum, generator):
    places, kinds = TENSOR[kind], kind * 3
    laws = mass_momentum if lawful else ()
    layer = layer_of(kinds, laws, places, 2, generator, 20, names="txy")
    flow = flow_of(layer, generator)

    def d(axis, name):
        return slope(flow[name], axis, kinds, places[name][axis])

    left = [
        relative(d(0, "rho"), d(1, "mx"), d(2, "my")),
        relative(d(0, "mx"), d(1, "sxx"), d(2, "sxy")),
        relative(d(0, "my"), d(1, "sxy"), d(2, "syy")),
    ]
    assert max(left) < 1e-13 if lawful else min(left) > 1e-2
    assert min(field.std() for field in flow.values()) > 0.1


@pytest.mark.parametrize("lawful", [True, False])
def test_a_stress_is_in_balance_at_every_face(lawful, generator):
    laws = parse_laws({"x": "dx(sxx) + dy(sxy) = 0", "y": "dx(sxy) + dy(syy) = 0"}, "xy")
    places = {"sxx": (2, 0), "sxy": (1, 1), "syy": (0, 2)}
    layer = layer_of("bb", laws if lawful else (), places, 2, generator)
    if lawful:
        assert set(layer.places) == {(2, 2)}  # that of the Airy function
    sxx, sxy, syy = flow_of(layer, generator).values()
    rows = [
        relative(slope(sxx, 0, "bb", 2), slope(sxy, 1, "bb")),
        relative(slope(sxy, 0, "bb"), slope(syy, 1, "bb", 2)),
    ]
    assert rows[0] < 1e-13 > rows[1] if lawful else min(rows) > 1e-2


def obstacle(grid):
    """Two bodies; around the second one, in three dimensions, a ring."""
    solid = torch.zeros(grid.shape((0,) * len(grid.axes)), dtype=torch.bool)
    if solid.ndim == 2:
        solid[1, 1] = solid[2, 1] = solid[4, 3] = True
    else:
        solid[1:4, 1:4, 1] = True
        solid[2, 2, 1] = False
    return solid


def held_of(grid, names, **where):
    return {name: grid.walls(place, **where) for name, place in FACES[names].items()}


@pytest.mark.parametrize("kind", ["bb", "bp", "bbb", "pbb"])
@pytest.mark.parametrize("bodies", [False, True])
def test_walls_and_obstacles_are_tight(kind, bodies, generator):
    names, grid = "xyz"[: len(kind)], grid_of(kind)
    held = held_of(grid, names, solid=obstacle(grid) if bodies else None)
    layer = layer_of(kind, divergence_free(names), FACES[names], 1, generator, held=held)
    flow = flow_of(layer, generator)
    for name, mask in held.items():
        assert (flow[name][:, mask] == 0).all()
        assert mask.any() or kind[names.index(name[-1])] == "p"
        assert flow[name].abs().max() > 0.1
    assert outflow(flow, kind) < 1e-13
    free = layer_of(kind, divergence_free(names), FACES[names], 1, generator)  # the twin
    assert all(
        flow_of(free, generator)[name][:, mask].abs().sum() > 0 for name, mask in held.items() if mask.any()
    )


def columns_of(layer):
    """Fluxes from each value of each potential, one column each."""
    size = int(np.prod((*layer.extent, len(layer.places))))
    units = torch.eye(size, dtype=torch.float64).view(size, *layer.extent, -1)
    with torch.no_grad():
        layer.mixing.bias.zero_()
    return torch.cat([field.detach().flatten(1) for field in layer(units).values()], 1)


@pytest.mark.parametrize("kind", ["bb", "bbb"])
@pytest.mark.parametrize("ends", ["all", "open"])
def test_potentials_reach_every_flow_around_bodies(kind, ends, generator):
    """With the flux past a body, through a ring and through a duct: nothing is missing."""
    names, grid = "xyz"[: len(kind)], grid_of(kind)
    where = names if ends == "all" else names[1:]  # a duct that is open along x
    held = held_of(grid, names, ends=where, solid=obstacle(grid))
    layer = layer_of(kind, divergence_free(names), FACES[names], 1, generator, len(kind), held=held)
    free = torch.cat([~mask.flatten() for mask in held.values()])
    units = torch.eye(len(free), dtype=torch.float64)[free].split([m.numel() for m in held.values()], 1)
    fields = [unit.view(-1, *mask.shape) for unit, mask in zip(units, held.values(), strict=True)]
    rows = sum(slope(field, i, kind) for i, field in enumerate(fields)).flatten(1)
    lawful = int(free.sum()) - int(torch.linalg.matrix_rank(rows))
    assert int(torch.linalg.matrix_rank(columns_of(layer))) == lawful


def test_a_given_flow_enters_and_leaves(generator):
    grid, laws = grid_of("bb"), divergence_free("xy")
    held = held_of(grid, "xy")
    psi = torch.randn(1, *grid.shape((1, 1)), generator=generator, dtype=torch.float64)
    given = {
        "ux": grid.differentiate(psi, (1, 1), 1)[0] + 3.0,  # with a net flux
        "uy": -grid.differentiate(psi, (1, 1), 0)[0],
    }
    layer = layer_of("bb", laws, FACES["xy"], 1, generator, held=held, lifting=given)
    flow = flow_of(layer, generator)
    for name, mask in held.items():
        assert torch.equal(flow[name][:, mask], given[name][mask].expand(2, -1))
        assert (flow[name] - given[name]).std() > 0.1  # inside it is learnt
    assert outflow(flow, "bb") < 1e-13
    with pytest.raises(SettingsError, match="make it lawful"):
        layer_of("bb", laws, FACES["xy"], 1, generator, lifting={"ux": given["ux"]})


def test_a_flow_past_a_body_from_reconcile_is_a_lifting(generator):
    grid, laws = grid_of("bb"), divergence_free("xy")
    held = held_of(grid, "xy", solid=obstacle(grid))
    given = {name: torch.zeros(1, *mask.shape).double() for name, mask in held.items()}
    given["ux"][:, [0, -1]] = 2.0
    weights = {name: torch.where(mask, torch.inf, 1.0) for name, mask in held.items()}
    lifting = {n: f[0] for n, f in nearest_lawful(given, FACES["xy"], laws, grid, weights=weights).items()}
    layer = layer_of("bb", laws, FACES["xy"], 1, generator, held=held, lifting=lifting)
    flow = flow_of(layer, generator)
    assert outflow(flow, "bb") < 1e-13
    for name, mask in held.items():
        assert torch.equal(flow[name][:, mask], given[name][0, mask].expand(2, -1))
    assert (flow["ux"][:, [0, -1]] == 2.0).all()


@pytest.mark.parametrize("kind", ["pp", "ppp"])
def test_the_mean_flow_past_bodies_without_walls_is_that_of_the_lifting(kind, generator):
    names, grid = "xyz"[: len(kind)], grid_of(kind)
    laws, held = divergence_free(names), held_of(grid, names, solid=obstacle(grid))
    stream = {name: torch.where(mask, 0.0, float(name == "ux"))[None].double() for name, mask in held.items()}
    weights = {name: torch.where(mask, torch.inf, 1.0) for name, mask in held.items()}
    found = nearest_lawful(stream, FACES[names], laws, grid, weights=weights)
    lifting = {name: field[0] for name, field in found.items()}
    flow = flow_of(layer_of(kind, laws, FACES[names], 1, generator, held=held, lifting=lifting), generator)
    assert outflow(flow, kind) < 1e-13
    assert all((flow[name][:, mask] == 0).all() for name, mask in held.items())
    through = flow["ux"].flatten(2).mean(2)  # the same through every section
    torch.testing.assert_close(through, lifting["ux"].mean().expand_as(through))
    assert lifting["ux"].mean() > 0.1
    assert (flow["ux"] - lifting["ux"]).std() > 0.1


def test_training_keeps_walls_and_laws_and_learns_the_flux_past_a_body(generator):
    grid, laws = grid_of("bb"), divergence_free("xy")
    held = held_of(grid, "xy", ends="y", solid=obstacle(grid))
    layer = layer_of("bb", laws, FACES["xy"], 1, generator, 4, held=held)
    network = torch.nn.Linear(3, int(np.prod(layer.extent)) * 4, dtype=torch.float64)
    optimizer = projected(torch.optim.Adam([*network.parameters(), *layer.parameters()], lr=0.02), layer)
    state = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    below, losses = slice(0, 1), []
    for _ in range(200):
        optimizer.zero_grad()
        flow = layer(network(state).view(2, *layer.extent, 4))
        widths = torch.as_tensor(np.diff(nodes_of(1)))
        passed = (flow["ux"][:, 1] * widths)[:, below].sum(1)  # between the wall and the first body
        loss = (passed - torch.tensor([0.7, -0.2])).square().mean()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-4 * losses[0]
    flow = {name: field.detach() for name, field in layer(network(state).view(2, *layer.extent, 4)).items()}
    assert outflow(flow, "bb") < 1e-13
    assert all((flow[name][:, mask] == 0).all() for name, mask in held.items())


def test_potentials_at_wrong_places_break_the_law(generator):
    layer = layer_of("pp", divergence_free("xy"), FACES["xy"], 1, generator)
    good = layer.classes
    layer.classes = tuple(type(one)((0, 0), one.weights, one.entries) for one in good)
    assert outflow(flow_of(layer, generator), "pp") > 1e-2


def test_what_does_not_fit_is_refused(generator):
    laws, first, grid = divergence_free("xy"), Operators.derivatives("xy", 1), grid_of("bb")
    with pytest.raises(UnsupportedLawError, match="live at the places"):
        staggered_classes(laws, {"ux": (1, 0), "uy": (1, 0), "p": (0, 0)}, first, grid)
    with pytest.raises(SettingsError, match="is no place"):
        staggered_classes(laws, {"ux": (1, 0), "uy": (0, 2)}, first, grid_of("pp"))
    with pytest.raises(SettingsError, match="coordinates are x, y"):
        staggered_classes(laws, FACES["xy"], Operators.derivatives("yx", 1), grid)
    with pytest.raises(NoFreedomError, match="staggered"):
        staggered_classes(laws, FACES["xy"], Operators.derivatives("xy", 0), grid)
    with pytest.raises(SettingsError, match="give 3 up"):
        layer_of("bbb", divergence_free("xyz"), FACES["xyz"], 1, generator, 2)
    with pytest.raises(ShapeError, match="what is given of ux"):
        layer_of("bb", laws, FACES["xy"], 1, generator, held={"ux": torch.zeros(6, 5, dtype=torch.bool)})
    with pytest.raises(SettingsError, match="it has no w"):
        layer_of("bb", laws, FACES["xy"], 1, generator, held={"w": torch.zeros(6, 5, dtype=torch.bool)})
    with pytest.raises(ShapeError, match="the potentials"):
        layer_of("bb", laws, FACES["xy"], 1, generator)(torch.zeros(1, 6, 5, 9, dtype=torch.float64))
