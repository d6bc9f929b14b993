"""Quadratic problems solved outright, against slow oracles that share no code with them."""

import pickle
from functools import reduce

import cvxpy
import numpy as np
import pytest
import torch
from quadratic import Quadratic
from torch import nn

import physmix
from physmix import Moments, least_power, least_squares
from physmix.errors import SamplesError, SettingsError, ShapeError, UnsupportedSetError

OUTPUTS, INPUTS, SAMPLES = 3, 5, 40
DTYPES = [torch.float64, torch.complex128]


def random(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def samples(dtype, count=SAMPLES, seed=1):
    return random(count, INPUTS, dtype=dtype, seed=seed), random(count, OUTPUTS, dtype=dtype, seed=seed + 1)


def gathered(x, y=None, dtype=None):
    outputs = 0 if y is None else y.shape[-1]
    return Moments(x.shape[-1], outputs, dtype or x.dtype).add(x, y)


def by_rows(dtype):
    """W C = F, with a right side for each row."""
    c, f = random(INPUTS, 2, dtype=dtype, seed=5), random(OUTPUTS, 2, dtype=dtype, seed=6)
    return physmix.on_inputs(c, f), torch.kron(torch.eye(OUTPUTS).to(dtype), c.mT.contiguous()), f.reshape(-1)


def by_columns(dtype):
    """A W = B."""
    a, b = random(1, OUTPUTS, dtype=dtype, seed=5), random(1, INPUTS, dtype=dtype, seed=6)
    return physmix.on_outputs(a, b), torch.kron(a, torch.eye(INPUTS).to(dtype)), b.reshape(-1)


def whole(dtype):
    a, b = random(4, OUTPUTS * INPUTS, dtype=dtype, seed=5), random(4, dtype=dtype, seed=6)
    return physmix.on_weight(a, b, shape=(OUTPUTS, INPUTS)), a, b


def sparse(dtype):
    mask = torch.ones(OUTPUTS, INPUTS, dtype=torch.bool)
    mask[0, 1:3] = mask[2, 4] = False
    rows = torch.eye(OUTPUTS * INPUTS).to(dtype)[~mask.reshape(-1)]
    return physmix.Sparsity(mask), rows, rows.new_zeros(3)


def grouped(dtype):
    a, b = random(1, 2, dtype=dtype, seed=5), random(1, dtype=dtype, seed=6)
    row = torch.zeros(1, INPUTS, dtype=dtype)
    row[:, [3, 0]] = a
    members = physmix.Groups(physmix.LinearSet(a, b), [[3, 0]])
    return members, torch.kron(torch.eye(OUTPUTS).to(dtype), row), b.expand(OUTPUTS)


def grouped_columns(dtype):
    a, b = random(1, 2, dtype=dtype, seed=5), random(1, dtype=dtype, seed=6)
    row = torch.zeros(1, OUTPUTS, dtype=dtype)
    row[:, [2, 0]] = a
    members = physmix.Columns(physmix.Groups(physmix.LinearSet(a, b), [[2, 0]]))
    return members, torch.kron(row, torch.eye(INPUTS).to(dtype)), b.expand(INPUTS)


def intersection(dtype):
    one, a, _ = by_rows(dtype)
    other, b, _ = sparse(dtype)
    one = physmix.on_inputs(one.matrix.mT)  # homogeneous: it meets the zeros
    return physmix.intersect(one, other, shape=(OUTPUTS, INPUTS)), torch.cat([a, b]), a.new_zeros(len(a) + 3)


def one_member(dtype):
    weight = random(OUTPUTS, INPUTS, dtype=dtype, seed=7)
    eye = torch.eye(INPUTS, dtype=dtype)
    return physmix.on_inputs(eye, weight), torch.eye(OUTPUTS * INPUTS).to(dtype), weight.reshape(-1)


SETS = [by_rows, by_columns, whole, sparse, grouped, grouped_columns, intersection, one_member]
each_set = pytest.mark.parametrize("make", SETS, ids=lambda make: make.__name__)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def kkt(x, y, matrix, side):
    """min sum |W x - y|^2 with A vec(W) = b, from the dense system of its optimality conditions."""
    eye = torch.eye(y.shape[1], dtype=x.dtype)
    hessian, slope = torch.kron(eye, x.mH @ x), (x.mH @ y).mT.reshape(-1)
    zero = torch.zeros(len(matrix), len(matrix), dtype=x.dtype)
    system = torch.cat([torch.cat([hessian, matrix.mH], 1), torch.cat([matrix, zero], 1)])
    solution = torch.linalg.lstsq(system, torch.cat([slope, side])[:, None], driver="gelsd").solution
    return solution[: len(slope), 0].reshape(y.shape[1], x.shape[1])


@each_dtype
@each_set
def test_least_squares_solves_the_optimality_system(make, dtype):
    members, matrix, side = make(dtype)
    x, y = samples(dtype)
    moments = gathered(x, y)
    weight = least_squares(moments, members, (OUTPUTS, INPUTS))
    torch.testing.assert_close(weight, kkt(x, y, matrix, side), rtol=1e-11, atol=1e-11)
    assert members.contains(weight)
    assert moments.misfit(weight) == pytest.approx(float((x @ weight.mT - y).abs().square().sum()), rel=1e-12)


@each_dtype
@each_set
def test_least_power_solves_the_optimality_system(make, dtype):
    members, matrix, side = make(dtype)
    x, y = samples(dtype)
    weight = least_power(gathered(x, y), members, (OUTPUTS, INPUTS))
    torch.testing.assert_close(weight, kkt(x, 0 * y, matrix, side), rtol=1e-11, atol=1e-11)
    alone = least_power(gathered(x), members, (OUTPUTS, INPUTS))  # y is not looked at
    torch.testing.assert_close(alone, weight, rtol=1e-11, atol=1e-11)
    power = float((x @ weight.mT).abs().square().sum())
    assert gathered(x).power(weight) == pytest.approx(power, rel=1e-12, abs=1e-20)


@each_set
def test_too_few_samples_give_the_optimum_of_smallest_norm(make):
    members, matrix, side = make(torch.float64)
    x, y = samples(torch.float64, count=2)
    weight = least_squares(gathered(x, y), members)
    # The smallest among all minima is what vanishing loading leads to.
    vanishing = kkt(
        torch.cat([x, 1e-5 * torch.eye(INPUTS)]), torch.cat([y, y.new_zeros(INPUTS, OUTPUTS)]), matrix, side
    )
    torch.testing.assert_close(weight, vanishing, rtol=1e-5, atol=1e-5)
    assert members.contains(weight)


def test_frost_formula():
    """w = R^-1 C (C^H R^-1 C)^-1 f, for outputs w^H x: one row of W is w^H."""
    x = random(200, 6, dtype=torch.complex128) @ random(6, 6, dtype=torch.complex128, seed=1)
    c, f = random(6, 2, dtype=torch.complex128, seed=2), random(2, 1, dtype=torch.complex128, seed=3)
    r = x.mT @ x.conj() / len(x)
    frost = torch.linalg.solve(r, c) @ torch.linalg.solve(c.mH @ torch.linalg.solve(r, c), f)
    members = physmix.on_inputs(c, f.mH)
    for moments in (gathered(x), Moments.from_covariance(r)):
        weight = least_power(moments, members, (1, 6))
        torch.testing.assert_close(weight, frost.mH, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gathered(x).covariance, r)
    conjugate = least_power(Moments.from_covariance(r.conj().resolve_conj()), members, (1, 6))
    assert (conjugate - frost.mH).abs().max() > 1e-2  # the twin that must fail


def test_best_linear_unbiased_estimate():
    """S^-1 1 / (1^T S^-1 1)."""
    root = random(4, 4)
    covariance, ones = root @ root.T, torch.ones(4, 1).double()
    share = torch.linalg.solve(covariance, ones)
    members = physmix.on_inputs(ones, torch.ones(1, 1).double())
    weight = least_power(Moments.from_covariance(covariance), members, (1, 4))
    torch.testing.assert_close(weight, (share / share.sum()).T, rtol=1e-10, atol=1e-12)


def test_a_singular_covariance_needs_no_loading():
    """A signature outside the range of the noise is heard without any."""
    noise = random(5, 2)
    signature = random(5, 1, seed=1)
    members = physmix.on_inputs(signature, torch.ones(1, 1).double())
    moments = Moments.from_covariance(noise @ noise.T)
    weight = least_power(moments, members, (1, 5))
    assert moments.condition > 1e14
    assert moments.power(weight) < 1e-25
    torch.testing.assert_close(weight @ signature, torch.ones(1, 1).double())


@pytest.mark.parametrize("make", [by_rows, by_columns, sparse], ids=lambda make: make.__name__)
def test_cvxpy_finds_the_same(make):
    members, matrix, side = make(torch.float64)
    x, y = (part.numpy() for part in samples(torch.float64))
    weight = cvxpy.Variable((OUTPUTS, INPUTS))
    lawful = matrix.numpy() @ cvxpy.vec(weight, order="C") == side.numpy()
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(x @ weight.T - y)), [lawful]).solve()
    found = least_squares(gathered(*samples(torch.float64)), members)
    np.testing.assert_allclose(found.numpy(), weight.value, atol=1e-6)


def adam(model):
    optimizer = physmix.projected(torch.optim.Adam(model.parameters(), lr=0.05), model)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 600), 600


def lbfgs(model):
    settings = {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-12, "tolerance_change": 0.0}
    optimizer = physmix.projected(torch.optim.LBFGS(model.parameters(), **settings), model)
    return optimizer, None, 10


@pytest.mark.parametrize("optimise", [adam, lbfgs], ids=lambda make: make.__name__)
@pytest.mark.parametrize("make", [by_rows, by_columns, whole], ids=lambda make: make.__name__)
def test_projected_optimisation_ends_at_the_same_point(make, optimise):
    members, _, _ = make(torch.float64)
    x, y = samples(torch.float64)
    torch.manual_seed(0)
    model = physmix.constrain(nn.Linear(INPUTS, OUTPUTS, bias=False).double(), members)
    optimizer, decay, steps = optimise(model)

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - y).square().sum()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        if decay:
            decay.step()
    weight = least_squares(gathered(x, y), members)
    torch.testing.assert_close(model.weight.detach(), weight, rtol=1e-6, atol=1e-6)


def test_the_quadratic_of_the_other_tests():
    model = Quadratic()
    moments = Moments.from_covariance(model.hessian, model.target @ model.hessian)
    torch.testing.assert_close(least_squares(moments, model.members), model.optimum(), rtol=1e-10, atol=1e-10)


CHUNKS = {"one by one": [1] * SAMPLES, "uneven": [1, 27, 0, 2, 10], "one": [SAMPLES]}


@each_dtype
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_chunks_do_not_matter(chunks, dtype):
    x, y = samples(dtype)
    moments = Moments(INPUTS, OUTPUTS, dtype)
    for part in zip(x.split(chunks), y.split(chunks), strict=True):
        moments.add(*part)
    rows = torch.cat([x, y], 1)
    torch.testing.assert_close(moments.factor.mH @ moments.factor, rows.mH @ rows)
    assert moments.samples == SAMPLES
    members, _, _ = by_rows(dtype)
    torch.testing.assert_close(
        least_squares(moments, members), least_squares(gathered(x, y), members), rtol=1e-12, atol=1e-12
    )


def test_merged_processes_are_one():
    x, y = samples(torch.float64)
    parts = [gathered(*pair) for pair in zip(x.split(13), y.split(13), strict=True)]
    parts = [pickle.loads(pickle.dumps(part)) for part in parts]  # as they travel
    merged = reduce(Moments.merge, parts, Moments(INPUTS, OUTPUTS))
    members, _, _ = whole(torch.float64)
    torch.testing.assert_close(least_squares(merged, members), least_squares(gathered(x, y), members))
    assert (merged.samples, merged.total) == (SAMPLES, SAMPLES)


def test_a_weight_of_two_is_a_sample_twice():
    x, y = samples(torch.float64, count=8)
    weight = torch.tensor([0, 1, 2, 1, 3, 1, 1, 1])
    weighted = Moments(INPUTS, OUTPUTS).add(x.view(2, 4, -1), y.view(2, 4, -1), weight.view(2, 4))
    repeated = gathered(x.repeat_interleave(weight, 0), y.repeat_interleave(weight, 0))
    torch.testing.assert_close(weighted.covariance, repeated.covariance)
    members, _, _ = by_rows(torch.float64)
    torch.testing.assert_close(least_squares(weighted, members), least_squares(repeated, members))


def test_what_was_added_is_a_copy():
    x, y = samples(torch.float64, count=2)
    moments = gathered(x, y)
    before = moments.factor
    x.zero_()
    moments.factor.zero_()
    assert torch.equal(moments.factor, before)


def test_stale_memory_does_not_matter():
    """torch's gelsy takes integers left in memory for pivots: the same problem, two solutions."""
    members, _, _ = sparse(torch.float64)
    moments = gathered(*samples(torch.float64, count=2))
    first = least_squares(moments, members)
    for seed in range(50):
        stale = [torch.full((size,), seed % 3, dtype=torch.int32) for size in range(4, 17)]
        del stale
        torch.testing.assert_close(least_squares(moments, members), first, rtol=1e-12, atol=1e-12)


def test_loading_is_ridge_regression():
    x, y = samples(torch.float64)
    moments = gathered(x, y)
    amount = 0.3 * float(x.square().mean())
    loaded = moments.load(0.3)
    extra = amount * torch.eye(INPUTS).double()
    torch.testing.assert_close(loaded.covariance, moments.covariance + extra)
    ridge = torch.linalg.solve(x.T @ x + SAMPLES * extra, x.T @ y).T
    free = physmix.LinearSet(torch.zeros(0, INPUTS).double())
    torch.testing.assert_close(least_squares(loaded, free), ridge)
    assert moments.samples == loaded.samples == SAMPLES


@each_dtype
def test_a_covariance_stands_for_its_samples(dtype):
    x, y = samples(dtype)
    x = x * torch.logspace(-6, 6, INPUTS).double()  # units of channels
    covariance, cross = x.mT @ x.conj() / SAMPLES, y.mT @ x.conj() / SAMPLES
    moments = Moments.from_covariance(covariance, cross, samples=SAMPLES)
    torch.testing.assert_close(moments.covariance, covariance, rtol=1e-10, atol=0)
    free = physmix.LinearSet(torch.zeros(0, INPUTS).double())
    expected = least_squares(gathered(x, y), free)
    torch.testing.assert_close(least_squares(moments, free), expected, rtol=1e-8, atol=0)


def ill_conditioned(count=2000, size=30, condition=1e8):
    left = torch.linalg.qr(random(count, size)).Q
    right = torch.linalg.qr(random(size, size, seed=1)).Q
    return (left * torch.logspace(0, -np.log10(condition), size).double()) @ right.T


def test_ill_conditioned_features_survive():
    """At condition 1e8 the streamed factor has every digit that the data have; X^H X has none."""
    x = ill_conditioned()
    truth = random(2, 30, seed=2)
    c = random(30, 3, seed=3)
    members = physmix.on_inputs(c, truth @ c)
    moments = Moments(30, 2)
    for part in x.split(150):
        moments.add(part, part @ truth.T)
    assert moments.condition == pytest.approx(1e8, rel=1e-6)
    assert error(least_squares(moments, members), truth) < 1e-8
    basis, origin = members.basis(), members.origin()
    normal = basis.T @ (x.T @ x) @ basis
    free = torch.linalg.lstsq(normal, basis.T @ (x.T @ x) @ (truth - origin).T, driver="gelsd").solution
    squared = Moments.from_covariance(x.T @ x, truth @ (x.T @ x))
    for twin in (origin + (basis @ free).T, least_squares(squared, members)):
        assert members.contains(twin)
        assert error(twin, truth) > 1e-3  # the twins that must fail


def error(weight, truth):
    return float((weight - truth).norm() / truth.norm())


def test_float32_and_complex_sets():
    x, y = samples(torch.float32)
    members, matrix, side = by_rows(torch.float64)
    weight = least_squares(gathered(x, y), members)
    assert weight.dtype == torch.float32
    exact = kkt(x.double(), y.double(), matrix, side)
    torch.testing.assert_close(weight.double(), exact, rtol=1e-4, atol=1e-5)
    members, matrix, side = by_rows(torch.complex128)
    x, y = (part.to(torch.complex128) for part in samples(torch.float64))
    weight = least_squares(gathered(x.real, y.real), members)
    torch.testing.assert_close(weight, kkt(x, y, matrix, side), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "members",
    [physmix.Simplex(), physmix.Nonnegative(), physmix.Orthonormal(), physmix.Ball(1.0)],
    ids=lambda members: type(members).__name__,
)
def test_sets_that_are_not_affine_are_refused(members):
    with pytest.raises(UnsupportedSetError, match=r"physmix.SpectralProjectedGradient\(module\)"):
        least_squares(gathered(*samples(torch.float64)), members)


NAN, ROW = torch.tensor([[torch.nan] * INPUTS]), torch.ones(1, INPUTS)
OUT = torch.ones(1, OUTPUTS)
REFUSED = {
    "NaN": ((NAN, OUT), SamplesError, "not finite"),
    "infinite": ((ROW, OUT / 0), SamplesError, "not finite"),
    "too large for the dtype": ((ROW.double() * 1e300, OUT), SamplesError, "not finite"),
    "negative weight": ((ROW, OUT, -torch.ones(1)), SamplesError, "0 or more"),
    "complex": ((ROW + 0j, OUT), SamplesError, "dtype=torch.complex128"),
    "no outputs": ((ROW,), ShapeError, r"y of Moments has shape \(1, 0\), expected \(1, 3\)"),
    "inputs": ((OUT, OUT), ShapeError, "x of Moments"),
    "other samples": ((ROW, OUT.repeat(2, 1)), ShapeError, "y of Moments"),
    "weights": ((ROW, OUT, torch.ones(2)), ShapeError, "weight of samples"),
    "scalar": ((torch.tensor(1.0), OUT), ShapeError, "x of Moments"),
}


@pytest.mark.parametrize(("given", "failure", "words"), REFUSED.values(), ids=REFUSED)
def test_a_refused_chunk_changes_nothing(given, failure, words):
    moments = Moments(INPUTS, OUTPUTS, torch.float32).add(ROW, OUT)
    before = moments.factor
    with pytest.raises(failure, match=words):
        moments.add(*given)
    assert torch.equal(moments.factor, before)
    assert (moments.samples, moments.total) == (1, 1.0)


COVARIANCES = {
    "not square": (torch.ones(2, 3), None, ShapeError),
    "cross": (torch.eye(2), torch.ones(2, 3), ShapeError),
    "NaN": (torch.eye(2) * torch.nan, None, SamplesError),
    "not Hermitian": (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), None, SamplesError),
    "negative": (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), None, SamplesError),
    "cross beyond": (torch.ones(2, 2), torch.tensor([[1.0, 0.0]]), SamplesError),
}


@pytest.mark.parametrize(("covariance", "cross", "failure"), COVARIANCES.values(), ids=COVARIANCES)
def test_impossible_covariances_are_refused(covariance, cross, failure):
    with pytest.raises(failure):
        Moments.from_covariance(covariance, cross)


def test_what_does_not_fit_is_refused():
    moments, (members, _, _) = gathered(*samples(torch.float64)), by_rows(torch.float64)
    with pytest.raises(ShapeError, match="least squares"):
        least_squares(gathered(samples(torch.float64)[0]), members)
    with pytest.raises(ShapeError, match="least squares"):
        least_squares(moments, members, (INPUTS, OUTPUTS))
    with pytest.raises(ShapeError, match="least power"):
        least_power(moments, members, (OUTPUTS, INPUTS + 1))
    with pytest.raises(ShapeError, match="constrained weight"):
        least_power(moments, members, (OUTPUTS + 1, INPUTS))
    with pytest.raises(SamplesError, match="there are none"):
        least_squares(Moments(INPUTS, OUTPUTS), members)
    with pytest.raises(ShapeError, match="other Moments"):
        moments.merge(Moments(INPUTS))
    with pytest.raises(SamplesError, match="complex128"):
        moments.merge(Moments(INPUTS, OUTPUTS, torch.complex128))
    with pytest.raises(ShapeError, match="mixing layer"):
        moments.misfit(torch.zeros(INPUTS, OUTPUTS))
    for wrong in (lambda: Moments(0), lambda: Moments(2, dtype=torch.float16), lambda: moments.load(-1.0)):
        with pytest.raises(SettingsError):
            wrong()
