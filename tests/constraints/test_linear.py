"""The verbs of a linear set, and the laws they obey."""

import cvxpy
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from physmix.constraints import LinearSet, Sparsity, intersect, on_inputs
from physmix.errors import ContradictionError, SettingsError, ShapeError

SHAPES = [(0, 5), (2, 5), (4, 9), (30, 36)]


def random_set(rows, columns, seed=0, redundant=False):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    right = matrix @ torch.randn(columns, generator=generator, dtype=torch.float64)
    if redundant and rows:
        matrix, right = torch.cat([matrix, 3 * matrix[:1]]), torch.cat([right, 3 * right[:1]])
    return matrix, right, LinearSet(matrix, right)


@pytest.fixture(params=[torch.float64, torch.float32], ids=str)
def dtype(request):
    return request.param


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_projection_is_idempotent_and_lands_in_the_set(shape, dtype, generator):
    matrix, right, members = random_set(*shape)
    weight = torch.randn(7, shape[1], generator=generator, dtype=torch.float64).to(dtype)
    once = members.project(weight)
    assert once.dtype == dtype
    assert once.shape == weight.shape
    tolerance = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(members.project(once), once, rtol=tolerance, atol=tolerance)
    assert members.contains(once)
    torch.testing.assert_close(
        matrix.to(dtype) @ once.T, right.to(dtype)[:, None].expand(-1, 7), rtol=0, atol=100 * tolerance
    )


def test_a_stranger_is_not_contained(generator):
    _, _, members = random_set(2, 5)
    assert not members.contains(torch.randn(5, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_members_stay_and_samples_are_members(shape, generator):
    _, _, members = random_set(*shape)
    sample = members.sample(6, shape[1], generator=generator)
    assert sample.shape == (6, shape[1])
    assert members.contains(sample)
    torch.testing.assert_close(members.project(sample), sample, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_basis_is_orthonormal_and_tangent(shape):
    matrix, _, members = random_set(*shape)
    basis = members.basis()
    eye = torch.eye(members.nullity, dtype=torch.float64)
    torch.testing.assert_close(basis.T @ basis, eye, rtol=0, atol=1e-13)
    assert (matrix @ basis).abs().sum() < 1e-11
    assert members.rank.rank + members.nullity == shape[1]


def test_projection_is_the_nearest_member(generator):
    matrix, right, members = random_set(4, 9)
    weight = torch.randn(9, generator=generator, dtype=torch.float64)
    nearest = cvxpy.Variable(9)
    distance = cvxpy.sum_squares(nearest - weight.numpy())
    cvxpy.Problem(cvxpy.Minimize(distance), [matrix.numpy() @ nearest == right.numpy()]).solve()
    np.testing.assert_allclose(members.project(weight).numpy(), nearest.value, atol=1e-7)


def test_gradient_mapping_is_its_definition(generator):
    _, _, members = random_set(4, 9)
    weight = members.sample(3, 9, generator=generator)
    gradient = torch.randn(3, 9, generator=generator, dtype=torch.float64)
    for eta in (0.1, 1.0, 10.0):
        definition = (weight - members.project(weight - eta * gradient)) / eta
        torch.testing.assert_close(members.map_gradient(weight, gradient), definition, rtol=1e-12, atol=1e-12)


def test_redundant_rows_change_nothing(generator):
    _, _, plain = random_set(3, 8)
    _, _, redundant = random_set(3, 8, redundant=True)
    weight = torch.randn(8, generator=generator, dtype=torch.float64)
    assert redundant.rank.rank == plain.rank.rank
    torch.testing.assert_close(redundant.project(weight), plain.project(weight), rtol=1e-12, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-9, 1.0, 1e9]))
def test_rank_is_scale_free(seed, scale):
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    units = torch.tensor([scale, 1.0, 1 / scale], dtype=torch.float64)[:, None]
    assert LinearSet(rows * units).rank.rank == LinearSet(rows).rank.rank


@given(st.integers(0, 2**32 - 1))
def test_a_conflict_is_named_and_minimal(seed):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    right = torch.randn(4, generator=generator, dtype=torch.float64)
    # Row 4 contradicts rows 1 and 3 together, and no smaller subset.
    matrix = torch.cat([matrix, matrix[1:2] + matrix[3:4]])
    right = torch.cat([right, right[1:2] + right[3:4] + 1])
    with pytest.raises(ContradictionError) as failure:
        LinearSet(matrix, right, names=list("abcde"))
    assert failure.value.rows == ("b", "d", "e")


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match="expected"):
        LinearSet(torch.zeros(2, 3), torch.zeros(3))


@pytest.mark.parametrize(
    "matrix", [torch.zeros(2, 0), torch.tensor([[1.0, torch.nan]])], ids=["empty", "NaN"]
)
def test_a_matrix_that_says_nothing_is_refused(matrix):
    with pytest.raises(SettingsError, match="A or b has"):
        LinearSet(matrix)


def test_what_is_handed_out_is_a_copy():
    _, _, members = random_set(2, 5)
    before = members.project(torch.ones(5).double())
    members.origin().zero_()
    members.basis().zero_()
    assert torch.equal(members.project(torch.ones(5).double()), before)


def test_conditions_on_inputs_meet_other_sets(generator):
    """Their matrix is a transpose, which torch.kron does not take as it is."""
    given = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    mask = torch.rand(3, 5, generator=generator) < 0.9
    both = intersect(on_inputs(given), Sparsity(mask), shape=(3, 5))
    weight = both.sample(3, 5, generator=generator)
    assert (weight @ given).abs().max() < 1e-13
    assert weight[~mask].abs().sum() < 1e-13
