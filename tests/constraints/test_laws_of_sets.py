"""The laws that every constraint set obeys, each for every set in both precisions."""

import copy
import math
import pickle

import pytest
import torch
from set_cases import CASES

from physmix.constraints import Kind
from physmix.errors import ShapeError, UnsupportedSetError

EACH = [
    pytest.param(case, dtype, id=f"{case.name}-{str(dtype)[6:]}") for case in CASES for dtype in case.dtypes
]
DOUBLE = [pytest.param(case, id=case.name) for case in CASES]
CONVEX = [pytest.param(c, id=c.name) for c in CASES if c.beyond is not None]
AFFINE = [(c, dtype) for c in CASES if c.freedom is not None for dtype in c.dtypes]
AFFINE = [pytest.param(case, dtype, id=f"{case.name}-{str(dtype)[6:]}") for case, dtype in AFFINE]
CURVED = [pytest.param(c, id=c.name) for c in CASES if c.freedom is None]

each = pytest.mark.parametrize(("case", "dtype"), EACH)
each_in_double = pytest.mark.parametrize("case", DOUBLE)
each_convex = pytest.mark.parametrize("case", CONVEX)
each_affine = pytest.mark.parametrize(("case", "dtype"), AFFINE)
each_that_is_not_affine = pytest.mark.parametrize("case", CURVED)


def tolerance(case, dtype, factor=10):
    """factor eps sqrt(n) for closed forms, else what the set allows itself."""
    size = math.prod(case.shape[len(case.shape) - case.axes :])
    return max(factor * torch.finfo(dtype).eps * size**0.5, factor * case.members.tolerance)


def precise(weight):
    return weight.to(torch.complex128 if weight.is_complex() else torch.float64)


def assert_close(one, other, tolerance):
    assert float((one - other).abs().max()) <= tolerance * (1 + float(other.abs().max()))


@each
def test_projecting_twice_is_projecting_once(case, dtype):
    once = case.members.project(case.weight(dtype))
    assert_close(case.members.project(once), once, tolerance(case, dtype))


@each
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_a_projection_is_a_member_by_its_own_word_and_by_the_definition(case, dtype, size):
    if case.slow_oracle:
        size = min(size, 3.0)  # its sweeps grow with the distance
    members, weight = case.members, case.weight(dtype, size=size)
    member = members.project(weight)
    assert members.contains(member)
    assert members.violation(member) <= max(tolerance(case, dtype), members.tolerance)
    # How well a number in this dtype can obey the definition depends on its size.
    scale = 1 + float(member.abs().max())
    assert float(case.missed(precise(member)).max()) <= 3 * tolerance(case, dtype) * scale


@each
def test_members_stay_where_they_are(case, dtype):
    member = case.members.sample(*case.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    assert_close(case.members.project(member), member, tolerance(case, dtype))


@each
def test_samples_are_members_and_differ(case, dtype):
    generator = torch.Generator().manual_seed(2)
    one, other = (case.members.sample(*case.shape, generator=generator, dtype=dtype) for _ in range(2))
    assert one.shape == case.shape
    assert one.dtype == dtype
    assert case.members.contains(one)
    assert case.freedom == 0 or not torch.equal(one, other)


@each_in_double
def test_a_sample_is_in_double_precision_unless_asked(case):
    expected = torch.complex128 if case.members.is_complex else torch.float64
    assert case.members.sample(*case.shape).dtype == expected


@each
def test_a_stranger_is_no_member(case, dtype):
    stranger = 3 * case.weight(dtype, seed=3) + 0.5
    assert case.members.contains(stranger) is case.everything
    assert (float(case.missed(precise(stranger)).max()) < 0.1) is case.everything


@each_in_double
def test_one_stranger_among_members_is_found(case):
    dtype = case.dtypes[0]
    weight = case.members.sample(2, *case.shape, dtype=dtype)
    weight[-1] = 3 * case.weight(dtype, seed=3) + 0.5
    assert case.members.contains(weight) is case.everything


@each
def test_what_is_given_is_kept(case, dtype):
    """Shape, dtype and the weight itself; leading axes are independent members."""
    weight = case.weight(dtype, lead=(2, 3)) if case.name != "linear-side-each" else case.weight(dtype)
    before = weight.clone()
    member = case.members.project(weight)
    assert (member.shape, member.dtype, member.device) == (weight.shape, dtype, weight.device)
    assert torch.equal(weight, before)
    assert member.is_contiguous()
    again = torch.stack([case.members.project(part) for part in weight])
    assert_close(again, member, tolerance(case, dtype))


@each_convex
def test_a_projection_brings_no_two_weights_further_apart(case):
    dtype = case.dtypes[0]
    for size in (0.1, 1.0, 5.0):
        one, other = case.weight(dtype, seed=4, size=size), case.weight(dtype, seed=5, size=size)
        axes = tuple(range(-case.axes, 0))
        near, far = case.members.project(one) - case.members.project(other), one - other
        near, far = (each.abs().square().sum(axes).sqrt() if axes else each.abs() for each in (near, far))
        assert bool((near <= far + tolerance(case, dtype) * (1 + size) + case.solver).all())


# The constraints of a convex set are a function, which pickle takes by name: see test_convex.py.
@pytest.mark.parametrize("case", [case for case in DOUBLE if case.id != "convex"])
def test_a_set_is_shared_by_copies_and_survives_pickling(case):
    members, weight = case.members, case.weight(case.dtypes[0])
    assert copy.deepcopy(members) is members
    again = pickle.loads(pickle.dumps(members))
    assert torch.equal(again.project(weight), members.project(weight))
    assert repr(again) == repr(members)


@pytest.mark.parametrize(
    ("case", "shape"),
    [pytest.param(case, shape, id=f"{case.name}-{shape}") for case in CASES for shape in case.wrong],
)
def test_a_wrong_shape_is_refused_in_a_sentence(case, shape):
    weight = torch.zeros(shape, dtype=case.dtypes[0])
    for refused in (
        lambda: case.members.check_shape(shape),
        lambda: case.members.project(weight),
        lambda: case.members.residual(weight),
        lambda: case.members.sample(*shape),
    ):
        with pytest.raises(ShapeError, match="expected"):
            refused()


@each_convex
@pytest.mark.parametrize("step", [0.3, 1.0, 4.0])
def test_the_gradient_mapping_is_its_definition(case, step):
    dtype = case.dtypes[0]
    member, slope = case.members.project(case.weight(dtype)), case.weight(dtype, seed=6)
    definition = (member - case.members.project(member - step * slope)) / step
    # The definition takes the difference of numbers that are near each other.
    slack = tolerance(case, dtype) * (1 + float(member.abs().max()) / step) + case.solver
    assert_close(case.members.map_gradient(member, slope, step), definition, slack)


@each_convex
def test_the_gradient_mapping_vanishes_at_the_minimiser_of_a_quadratic_and_nowhere_else(case):
    """sum h |w - c|^2 / 2, by projected gradients that leave a fifth of the distance; in one if h = 1."""
    dtype = case.dtypes[0]
    target = case.weight(dtype, seed=7, size=2.0)
    curvature = torch.ones_like(target).abs()
    if not case.slow_oracle:
        curvature += 0.5 * torch.rand(
            target.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64
        )
    slope = lambda w: curvature * (w - target)
    weight = case.members.project(torch.zeros_like(target))
    start = weight
    for _ in range(1 if case.slow_oracle else 24):
        weight = case.members.project(weight - (1.0 if case.slow_oracle else 0.8) * slope(weight))
    slack = max(case.solver, 30 * tolerance(case, dtype))
    for step in (0.1, 1.0):
        assert float(case.members.map_gradient(weight, slope(weight), step).abs().max()) <= slack / step
        assert (
            case.freedom == 0
            or float(case.members.map_gradient(start, slope(start), step).abs().max()) > 0.05
        )


@each_affine
def test_coordinates_and_points_are_inverse_isometries(case, dtype):
    members, shape = case.members, case.shape
    one, other = (members.project(case.weight(dtype, seed=seed)) for seed in (9, 10))
    here, there = members.coordinates(one), members.coordinates(other)
    slack = tolerance(case, dtype)
    assert here.numel() == case.freedom
    assert here.dtype == dtype
    back = members.point(here)
    assert back.shape == shape
    assert_close(back, one, slack)
    assert_close(torch.linalg.vector_norm(here - there), torch.linalg.vector_norm(one - other), slack)
    anywhere = torch.randn(here.shape, generator=torch.Generator().manual_seed(11), dtype=dtype)
    assert members.contains(members.point(anywhere))
    if case.freedom:
        assert_close(members.coordinates(members.point(anywhere)), anywhere, slack)


@each_affine
def test_freedom_counts_the_coordinates(case, dtype):
    assert case.members.kind is Kind.AFFINE
    assert case.members.freedom(case.shape) == case.freedom
    if dtype is case.dtypes[0]:  # and the dimension of the span of differences is that
        drawn = case.members.sample(*case.shape, dtype=dtype), case.members.sample(*case.shape, dtype=dtype)
        assert (case.freedom == 0) is bool(torch.allclose(*drawn))


@each_that_is_not_affine
def test_a_set_that_is_not_affine_has_no_coordinates(case):
    weight = case.members.project(case.weight(case.dtypes[0]))
    assert case.members.freedom(case.shape) is None
    with pytest.raises(UnsupportedSetError, match="project its weights"):
        case.members.coordinates(weight)
    with pytest.raises(UnsupportedSetError, match="project its weights"):
        case.members.point(weight)


@each_in_double
def test_the_kind_is_that_of_the_oracle(case):
    expected = (
        Kind.AFFINE if case.freedom is not None else Kind.MANIFOLD if case.beyond is None else Kind.CONVEX
    )
    assert case.members.kind is expected
