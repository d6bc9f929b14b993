"""Lower sets of monomials: what they carry, and that they lose nothing."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from physmix.errors import SettingsError
from physmix.jets import JetSpace, push, seed

MONOMIALS = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=4)


@given(MONOMIALS)
def test_a_closure_is_the_smallest_lower_set(needed):
    space = JetSpace.closure(needed)
    carried = set(space.indices)
    assert carried >= set(needed)
    for index in carried:
        assert any(all(e <= top for e, top in zip(index, one, strict=True)) for one in needed)
        below = itertools.product(*(range(e + 1) for e in index))
        assert carried.issuperset(below)
    assert space.order == max(map(sum, needed))
    degrees = [space.degree(place) for place in range(len(space.indices))]
    assert degrees == sorted(degrees)


@pytest.mark.parametrize("coordinates", [1, 2, 3, 4])
def test_the_closure_of_all_is_the_whole_space(coordinates):
    whole = JetSpace(coordinates, 3)
    assert JetSpace.closure(reversed(whole.indices)) == whole


@pytest.mark.parametrize(
    "needed",
    [
        [(1, 0, 0), (0, 3, 0), (0, 0, 3)],
        [(1, 1, 0), (0, 2, 1), (0, 0, 2)],
        [(0, 0, 4)],
        [(2, 2, 0)],
        [(0, 0, 0)],
    ],
)
@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU])
def test_a_closure_has_the_coefficients_of_the_full_space(needed, activation):
    torch.manual_seed(0)
    layers = [nn.Linear(3, 8), activation(), nn.Linear(8, 8), activation(), nn.Linear(8, 2)]
    net = nn.Sequential(*layers).double()
    points = torch.randn(6, 3, dtype=torch.float64)
    space = JetSpace.closure(needed)
    found, full = push(net, seed(points, space)), push(net, seed(points, JetSpace(3, space.order)))
    weights = torch.randn(len(space.indices), 1, 1, dtype=torch.float64)
    expected = full.coefficients[[full.space.position[index] for index in space.indices]]
    torch.testing.assert_close(found.coefficients, expected, rtol=1e-13, atol=1e-14)
    gradients = [
        torch.autograd.grad((weights * c.square()).sum(), list(net.parameters()), materialize_grads=True)
        for c in (found.coefficients, expected)
    ]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("needed", [[], [(1, 0), (1, 0, 0)]])
def test_what_spans_no_space_is_refused(needed):
    with pytest.raises(SettingsError, match="jet space"):
        JetSpace.closure(needed)
