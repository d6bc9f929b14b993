"""Staggered grids: laws hold in differences written here anew, with potentials at their places."""

import pytest
import torch

from physmix.errors import NoFreedomError, SettingsError, ShapeError, UnsupportedLawError
from physmix.flows.gas import SPACE_TIME
from physmix.grids import StaggeredGrid, allowed_entries
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import StaggeredLayer, staggered_classes
from physmix.operators import Operators
from physmix.optimization import project_weights

FACES = {
    "xy": {"ux": (1, 0), "uy": (0, 1)},
    "xyz": {"ux": (1, 0, 0), "uy": (0, 1, 0), "uz": (0, 0, 1)},
}
TENSOR = {
    "rho": (0, 0, 0),
    "mx": (1, 1, 0),
    "my": (1, 0, 1),
    "sxx": (0, 0, 0),
    "sxy": (0, 1, 1),
    "syy": (0, 0, 0),
}
POINTS, LENGTHS = (6, 5, 4), (1.0, 2.5, 0.7)


def divergence_free(names):
    return parse_laws({"div": "div(u) = 0"}, names, vectors=["u"])


def grid_of(names):
    return StaggeredGrid(tuple(names), POINTS[: len(names)], LENGTHS[: len(names)])


def forward(field, axis):
    return (torch.roll(field, -1, axis + 1) - field) * POINTS[axis] / LENGTHS[axis]


def backward(field, axis):
    return (field - torch.roll(field, 1, axis + 1)) * POINTS[axis] / LENGTHS[axis]


def relative(*terms):
    """What is left of a sum, of the size of its terms."""
    return float(sum(terms).abs().max() / sum(term.abs() for term in terms).max())


def layer_of(names, laws, fields, order, generator, potentials=9):
    operators = Operators.derivatives(names, order)
    layer = StaggeredLayer(grid_of(names), laws, fields, operators, potentials, generator=generator)
    with torch.no_grad():  # far from the first weights, where an optimiser would lead
        layer.mixing.weight.add_(torch.randn(layer.mixing.weight.shape, generator=generator))
        layer.mixing.bias.copy_(torch.arange(len(fields)) + 1.0)
    project_weights(layer)
    return layer


def flow_of(layer, generator):
    noise = torch.randn(2, *layer.grid.points, len(layer.places), generator=generator, dtype=torch.float64)
    return layer(noise).detach()


@pytest.mark.parametrize(("names", "places"), [("xy", 1), ("xyz", 3)])
def test_the_places_of_stream_function_and_vector_potential(names, places):
    classes = staggered_classes(divergence_free(names), FACES[names], Operators.derivatives(names, 1))
    assert [one.weights.nullity for one in classes] == [1] * places
    edges = {"xy": {(1, 1)}, "xyz": {(0, 1, 1), (1, 0, 1), (1, 1, 0)}}
    assert {one.place for one in classes} == edges[names]


def test_the_classes_of_the_space_time_tensor_have_all_its_potentials(mass_momentum):
    operators = Operators.derivatives("txy", 2)
    classes = staggered_classes(mass_momentum, TENSOR, operators)
    assert sum(one.weights.nullity for one in classes) == 6
    assert compile_laws(mass_momentum, SPACE_TIME, operators).weights.nullity == 6
    assert len({one.place for one in classes}) == len(classes) > 1


@pytest.mark.parametrize("names", ["xy", "xyz"])
@pytest.mark.parametrize("lawful", [True, False])
def test_the_divergence_vanishes_in_cells_and_the_mean_stays(names, lawful, generator):
    laws = divergence_free(names) if lawful else ()
    layer = layer_of(names, laws, FACES[names], 1, generator)
    flow = flow_of(layer, generator)
    violation = relative(*(backward(flow[..., i], i) for i in range(len(names))))
    assert violation < 1e-14 if lawful else violation > 1e-2
    mean = flow.mean(tuple(range(flow.ndim - 1)))
    torch.testing.assert_close(mean, layer.mixing.bias, rtol=0, atol=1e-12)
    assert flow.std() > 0.1


@pytest.mark.parametrize("lawful", [True, False])
def test_mass_and_momentum_hold_where_each_lives(lawful, mass_momentum, generator):
    layer = layer_of("txy", mass_momentum if lawful else (), TENSOR, 2, generator, 12)
    flow = flow_of(layer, generator)
    rho, mx, my, sxx, sxy, syy = flow.unbind(-1)
    left = [
        relative(forward(rho, 0), backward(mx, 1), backward(my, 2)),
        relative(backward(mx, 0), forward(sxx, 1), backward(sxy, 2)),
        relative(backward(my, 0), backward(sxy, 1), forward(syy, 2)),
    ]
    assert max(left) < 1e-14 if lawful else min(left) > 1e-2
    torch.testing.assert_close(flow.mean((0, 1, 2, 3)), layer.mixing.bias, rtol=0, atol=1e-11)
    assert flow.std((0, 1, 2, 3)).min() > 0.1


def test_potentials_at_wrong_places_break_the_law(generator):
    layer = layer_of("xy", divergence_free("xy"), FACES["xy"], 1, generator)
    layer.places = ((0, 0),) * len(layer.places)
    flow = flow_of(layer, generator)
    assert relative(backward(flow[..., 0], 0), backward(flow[..., 1], 1)) > 1e-2


def test_differences_commute_and_return_to_their_place(generator):
    grid, places = grid_of("xy"), [(0, 1), (1, 0)]
    field = torch.randn(1, 6, 5, 2, generator=generator, dtype=torch.float64)
    one = grid.differentiate(grid.differentiate(field, 0, places), 1, [(1, 1), (0, 0)])
    two = grid.differentiate(grid.differentiate(field, 1, places), 0, [(0, 0), (1, 1)])
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    torch.testing.assert_close(one, grid.apply(field, (1, 1), places))
    second = forward(backward(field, 0), 0)
    torch.testing.assert_close(grid.apply(field, (2, 0), places), second, rtol=0, atol=1e-11)


def test_differences_are_of_second_order_at_their_place():
    errors = []
    for n in (16, 32):
        grid = StaggeredGrid(("x",), (n,), (2 * torch.pi,))
        x = 2 * torch.pi / n * torch.arange(n, dtype=torch.float64)
        out = grid.differentiate(x.sin()[None, :, None], 0, [(0,)]).flatten()
        errors.append((out - (x + torch.pi / n).cos()).abs().max())
    assert 3.9 < errors[0] / errors[1] < 4.1


def test_allowed_entries_lead_to_the_place_of_the_field():
    operators = Operators.derivatives("xy", 1)
    assert allowed_entries((1, 1), FACES["xy"], operators) == (("ux", (0, 1)), ("uy", (1, 0)))


def test_what_does_not_fit_is_refused(generator):
    laws, first = divergence_free("xy"), Operators.derivatives("xy", 1)
    with pytest.raises(UnsupportedLawError, match="live at the places"):
        staggered_classes(laws, {"ux": (1, 0), "uy": (1, 0), "p": (0, 0)}, first)
    with pytest.raises(SettingsError, match="places of uy"):
        staggered_classes(laws, {"ux": (1, 0), "uy": (0, 2)}, first)
    with pytest.raises(NoFreedomError, match="staggered"):
        staggered_classes(laws, FACES["xy"], Operators.derivatives("xy", 0))
    faces = FACES["xyz"]
    with pytest.raises(SettingsError, match="give 3 up"):
        layer_of("xyz", divergence_free("xyz"), faces, 1, generator, 2)
    grid = grid_of("xy")
    with pytest.raises(ShapeError, match="the potentials"):
        grid.channels(torch.zeros(1, 6, 5, 2), first, [(0, 0)])
    with pytest.raises(ShapeError, match="a field"):
        grid.differentiate(torch.zeros(1, 6, 4, 1), 0, [(0, 0)])
    with pytest.raises(SettingsError, match="is no place"):
        grid.differentiate(torch.zeros(1, 6, 5, 1), 0, [(0, 2)])
    with pytest.raises(SettingsError, match="coordinates are x, y"):
        grid.channels(torch.zeros(1, 6, 5, 1), Operators.derivatives("yx", 1), [(0, 0)])
    with pytest.raises(SettingsError, match="positive"):
        StaggeredGrid(("x",), (0,), (1.0,))
