"""Every constraint set as a case, beside an oracle that is slow and obvious.

An oracle is written in numpy's terms from the definition of the set, not from its code:
`missed` says how far a weight is from the definition, and `beyond` is the optimality certificate,
sup { Re <x - p, z - p> : z in the set }, which is zero exactly where p is the projection of x.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cvxpy
import torch
from scipy.optimize import linear_sum_assignment, linprog

from physmix.constraints import (
    Ball,
    Box,
    Columns,
    Convex,
    DoublyStochastic,
    Groups,
    Kernel,
    LinearSet,
    Nonnegative,
    Orthonormal,
    Rotation,
    Rows,
    Simplex,
    Sparsity,
    SpectralBall,
    Whole,
    intersect,
    on_inputs,
    on_outputs,
    on_weight,
)

REAL, COMPLEX = (torch.float64, torch.float32), (torch.complex128, torch.complex64)


@dataclass(frozen=True)
class Case:
    """A set, the shape of some weights for it, and its oracles.

    Attributes:
        make: the set; made once.
        shape: of a weight with leading axes.
        axes: of one member.
        missed: by how much a weight in double precision misses the definition, one number a member.
        beyond: the certificate from x - p and p, one number a member.
        wrong: shapes that no weight has.
        freedom: free coordinates of the weight of this shape; None for sets that are not affine.
        solver: how far a projection may be from the nearest member where a solver finds it.
    """

    name: str
    make: Callable
    shape: tuple[int, ...]
    axes: int
    missed: Callable
    beyond: Callable | None
    wrong: tuple[tuple[int, ...], ...]
    freedom: int | None = None
    dtypes: tuple[torch.dtype, ...] = REAL
    everything: bool = False
    solver: float = 0.0
    slow_oracle: bool = False

    @property
    def members(self):
        return made(self.make)

    def weight(self, dtype, seed=0, size=1.0, lead=None):
        shape = self.shape if lead is None else (*lead, *self.shape[len(self.shape) - self.axes :])
        generator = torch.Generator().manual_seed(seed)
        double = torch.complex128 if dtype.is_complex else torch.float64
        return (size * torch.randn(*shape, generator=generator, dtype=double)).to(dtype)


@cache
def made(make):
    return make()


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def inner(a, b, axes=1):
    """Re <a, b> of each member."""
    return (a.conj() * b).real.flatten(-axes).sum(-1)


def largest(missed, axes=1):
    return missed.abs().flatten(-axes).amax(-1)


# --- oracles, one a definition ---------------------------------------------------------------------


def linear(matrix, side, seen=lambda w: w):
    """A w = b: the part of x - p in the null space of A must be nothing."""
    full = torch.linalg.svd(matrix, full_matrices=True)
    null = full.Vh[int((full.S > 1e-9).sum()) :].mH

    def missed(w):
        missing = seen(w) @ matrix.mT - side
        return missing.abs().amax(-1) if len(matrix) else missing.sum(-1).abs()

    def beyond(gradient, point):
        return torch.linalg.vector_norm(seen(gradient) @ null.conj(), dim=-1)

    return missed, beyond


def simplex(total=1.0):
    def missed(w):
        return torch.maximum((-w).amax(-1).clamp_min(0), (w.sum(-1) - total).abs())

    return missed, lambda g, p: total * g.amax(-1) - inner(g, p)


def box(lower, upper, axes=0):
    def out(value):
        return value.flatten(-axes).amax(-1) if axes else value

    def missed(w):
        return out(torch.maximum(lower - w, w - upper).clamp_min(0))

    def beyond(g, p):
        rise = torch.maximum(g * (upper - p), g * (lower - p)).nan_to_num(nan=0.0, posinf=math.inf)
        return rise.flatten(-axes).sum(-1) if axes else rise

    return missed, beyond


def ball(radius, norm):
    """The support function of a ball is its radius times the dual norm."""
    dual = {1: math.inf, 2: 2, math.inf: 1}[norm]

    def missed(w):
        return (torch.linalg.vector_norm(w, ord=norm, dim=-1) - radius).clamp_min(0)

    return missed, lambda g, p: radius * torch.linalg.vector_norm(g, ord=dual, dim=-1) - inner(g, p)


def spectral(radius):
    def missed(w):
        return (torch.linalg.svdvals(w).amax(-1) - radius).clamp_min(0)

    return missed, lambda g, p: radius * torch.linalg.svdvals(g).sum(-1) - inner(g, p, 2)


def stochastic_missed(w):
    sums = torch.cat([w.sum(-1) - 1, w.sum(-2) - 1], -1).abs().amax(-1)
    return torch.maximum(sums, (-w).flatten(-2).amax(-1).clamp_min(0))


def stochastic_beyond(gradient, point):
    """A linear function on the doubly stochastic matrices is largest at a permutation."""
    best = []
    for cost in gradient.reshape(-1, *gradient.shape[-2:]):
        rows, columns = linear_sum_assignment(cost.numpy(), maximize=True)
        best.append(cost[rows, columns].sum())
    return torch.stack(best).reshape(gradient.shape[:-2]) - inner(gradient, point, 2)


def sparsity(mask):
    return (
        lambda w: largest(w.masked_fill(mask, 0), mask.ndim),
        lambda g, p: largest(g.masked_fill(~mask, 0), mask.ndim),
    )


def orthonormal(w, of="columns", turned=False):
    tall = w if of == "columns" else w.mH
    defect = largest(tall.mH @ tall - torch.eye(tall.shape[-1]).to(tall), 2)
    return defect + (torch.linalg.det(w) < 0) if turned else defect


def polyhedron(matrix, side, lower, upper, axes):
    """sup over A z = b with bounds, by linear programming."""

    def missed(w):
        flat = w.flatten(-axes)
        equations = (flat @ matrix.T - side).abs().amax(-1) if len(matrix) else flat.sum(-1) * 0
        return torch.maximum(equations, torch.maximum(lower - flat, flat - upper).clamp_min(0).amax(-1))

    def beyond(gradient, point):
        flat, at = gradient.flatten(-axes), point.flatten(-axes)
        size = flat.shape[-1]
        bounds = torch.stack([lower.expand(size), upper.expand(size)], 1).numpy()
        equations = {"A_eq": matrix.numpy(), "b_eq": side.numpy()} if len(matrix) else {}
        best = []
        for g in flat.reshape(-1, size):
            # Small gradients would fall below the tolerance of the solver.
            scale = float(g.abs().max()) or 1.0
            found = linprog(-(g / scale).numpy(), bounds=bounds, **equations)
            best.append(-found.fun * scale if found.status == 0 else math.inf)
        return torch.tensor(best, dtype=torch.float64).reshape(flat.shape[:-1]) - inner(flat, at)

    return missed, beyond


def conic(constraints, shape, is_complex=False):
    """The certificate by cvxpy, for what has no formula."""

    @cache
    def problem():
        z = cvxpy.Variable(shape, complex=is_complex)
        parts = [cvxpy.Parameter(shape) for _ in range(1 + is_complex)]
        value = cvxpy.sum(cvxpy.multiply(parts[0], cvxpy.real(z) if is_complex else z))
        if is_complex:
            value = value + cvxpy.sum(cvxpy.multiply(parts[1], cvxpy.imag(z)))
        return cvxpy.Problem(cvxpy.Maximize(value), constraints(z)), parts

    def beyond(gradient, point):
        written, parts = problem()
        best = []
        for g in gradient.reshape(-1, *shape):
            scale = float(g.abs().max()) or 1.0
            parts[0].value = (g.real / scale).numpy()
            if is_complex:
                parts[1].value = (g.imag / scale).numpy()
            written.solve(solver=cvxpy.CLARABEL)
            best.append(written.value * scale)
        lead = gradient.shape[: gradient.ndim - len(shape)]
        return torch.tensor(best, dtype=torch.float64).reshape(lead) - inner(gradient, point, len(shape))

    return beyond


def both(*parts):
    return lambda w: torch.stack([torch.as_tensor(part(w)) for part in parts]).amax(0)


# --- the numbers of the cases ----------------------------------------------------------------------

A, WEIGHT = normal(3, 8), normal(4, 8, seed=1)
SIDE, SIDES = A @ WEIGHT[0], WEIGHT @ A.T  # (3,) and (4, 3): a right side of each leading member
AC, SIDEC = normal(3, 8, dtype=torch.complex128), normal(3, seed=2, dtype=torch.complex128)
WIDE_FEW, WIDE_MANY = normal(5, 200, seed=3), normal(150, 200, seed=4)
OUT, OUTB = normal(2, 5, seed=5), normal(2, 4, seed=6)  # A W = B for W (5, 4)
INC, INF = normal(4, 2, seed=7), normal(5, 2, seed=8)  # W C = F
FLAT, FLATB = normal(6, 20, seed=9), normal(6, seed=10)
LOW, HIGH = -torch.rand(5, generator=torch.Generator().manual_seed(1)).double(), torch.ones(5).double()
HIGH[1], LOW[2], HIGH[3] = LOW[1], -math.inf, math.inf  # fixed, and open on either side
MASK = normal(5, 4, seed=11) > 0
SUM = torch.ones(1, 3).double()  # and of two groups of eight:
SUMS = torch.tensor([[1.0, 0, 1, 0, 0, 1, 0, 0], [0, 1, 0, 1, 1, 0, 0, 0]]).double()
INFINITE = torch.tensor(math.inf, dtype=torch.float64)
ZERO = torch.tensor(0.0, dtype=torch.float64)
FULL = torch.kron(OUT.contiguous(), torch.eye(4).double()), (OUT @ normal(5, 4, seed=12).abs()).reshape(-1)


def transposed(oracles):
    return tuple(lambda *w, oracle=oracle: oracle(*(one.mT for one in w)) for oracle in oracles)


def over(oracles):
    """The worst of the vectors that make a matrix."""
    missed, beyond = oracles
    return (lambda w: missed(w).amax(-1)), (lambda g, p: beyond(g, p).sum(-1))


def flattened(oracles, axes=2):
    return tuple(lambda *w, oracle=oracle: oracle(*(one.flatten(-axes) for one in w)) for oracle in oracles)


def kernel(oracles):
    """A matrix as the kernel of a convolution in two dimensions."""
    return tuple(
        None if oracle is None else lambda *w, oracle=oracle: oracle(*(one[..., 0, 0] for one in w))
        for oracle in oracles
    )


def grouped():
    parts = [([0, 3], simplex()), ([1, 2, 6], box(ZERO - 1, ZERO + 0.5, 1)), ([4, 5], ball(1.5, 2))]

    def missed(w):
        return torch.stack([one[0](w[..., g]) for g, one in parts]).amax(0)

    def beyond(g, p):
        held = sum(one[1](g[..., place], p[..., place]) for place, one in parts)
        return held + g[..., 7].abs()  # in no group, so free

    return missed, beyond


def norm_and_order(w):
    return [cvxpy.norm(w, 1) <= 3, w[0] >= w[1] + 0.5, cvxpy.sum(w) == 1]


def norm_and_order_missed(w):
    return (
        torch.stack([w.abs().sum(-1) - 3, w[..., 1] + 0.5 - w[..., 0], (w.sum(-1) - 1).abs()])
        .amax(0)
        .clamp_min(0)
    )


def gentle_outputs(w):
    return [OUT.numpy() @ w == 0.1 * OUTB.numpy(), cvxpy.norm(w, 2) <= 1]


def gentle_shares(w):
    return [w >= 0, cvxpy.sum(w) == 1, cvxpy.norm(w) <= 0.6]


def complex_meeting(w):
    return [AC.numpy() @ w == 0.1 * SIDEC.numpy(), cvxpy.norm(w, 1) <= 2]


def wide(matrix):
    side = matrix @ normal(200, seed=13)
    return linear(matrix, side), lambda: LinearSet(matrix, side)


CASES = [
    Case("linear", lambda: LinearSet(A, SIDE), (6, 8), 1, *linear(A, SIDE), ((), (7,), (8, 3)), 6 * 5),
    Case(
        "linear-side-each",
        lambda: LinearSet(A, SIDES),
        (3, 4, 8),
        2,
        *over(linear(A, SIDES)),
        ((8,), (3, 8), (4, 7)),
        12 * 5,
    ),
    Case(
        "linear-redundant",
        lambda: LinearSet(torch.cat([A, A[:1] - 2 * A[1:2]]), torch.cat([SIDE, SIDE[:1] - 2 * SIDE[1:2]])),
        (6, 8),
        1,
        *linear(A, SIDE),
        ((7,),),
        6 * 5,
    ),
    Case(
        "linear-no-rows",
        lambda: LinearSet(A[:0]),
        (6, 8),
        1,
        *linear(A[:0], SIDE[:0]),
        ((7,),),
        48,
        everything=True,
    ),
    Case(
        "linear-one-point",
        lambda: LinearSet(torch.eye(3).double(), SIDE),
        (6, 3),
        1,
        *linear(torch.eye(3).double(), SIDE),
        ((7,),),
        0,
    ),
    Case("linear-wide-few", wide(WIDE_FEW)[1], (6, 200), 1, *wide(WIDE_FEW)[0], ((7,),), 6 * 195),
    Case("linear-wide-many", wide(WIDE_MANY)[1], (6, 200), 1, *wide(WIDE_MANY)[0], ((7,),), 6 * 50),
    Case(
        "linear-complex", lambda: LinearSet(AC, SIDEC), (6, 8), 1, *linear(AC, SIDEC), ((7,),), 6 * 5, COMPLEX
    ),
    Case(
        "linear-real-of-complex",
        lambda: LinearSet(A, SIDE),
        (6, 8),
        1,
        *linear(A.to(AC), SIDE.to(AC)),
        ((7,),),
        6 * 5,
        COMPLEX,
    ),
    Case(
        "on-outputs",
        lambda: on_outputs(OUT, OUTB),
        (3, 5, 4),
        2,
        *over(transposed(linear(OUT, OUTB.T))),
        ((5,), (4, 5), (5, 3)),
        3 * 12,
    ),
    Case(
        "on-inputs",
        lambda: on_inputs(INC, INF),
        (3, 5, 4),
        2,
        *over(linear(INC.T, INF)),
        ((4,), (4, 5)),
        3 * 10,
    ),
    Case(
        "on-weight",
        lambda: on_weight(FLAT, FLATB, shape=(5, 4)),
        (3, 5, 4),
        2,
        *flattened(linear(FLAT, FLATB)),
        ((20,), (4, 5)),
        3 * 14,
    ),
    Case("columns-simplex", lambda: Columns(Simplex()), (3, 5, 4), 2, *over(transposed(simplex())), ((5,),)),
    Case(
        "groups-mixed",
        lambda: Groups([Simplex(), Box(-1, 0.5), Ball(1.5)], [[0, 3], [1, 2, 6], [4, 5]]),
        (6, 8),
        1,
        *grouped(),
        ((), (6,)),
    ),
    Case(
        "groups-linear",
        lambda: Groups(LinearSet(SUM, ZERO[None] + 1), [[5, 0, 2], [1, 3, 4]]),
        (6, 8),
        1,
        *linear(SUMS, torch.ones(2).double()),
        ((5,),),
        6 * 6,
    ),
    Case(
        "rows-of-two-kinds",
        lambda: Rows([(LinearSet(A, SIDE), 3), (LinearSet(torch.eye(8).double(), A[0]), 2)]),
        (3, 5, 8),
        2,
        *linear(
            torch.block_diag(A, A, A, torch.eye(16).double()),
            torch.cat([SIDE, SIDE, SIDE, A[0], A[0]]),
            lambda w: w.flatten(-2),
        ),
        ((8,), (4, 8), (5, 7)),
        3 * 3 * 5,
    ),
    Case(
        "whole-ball",
        lambda: Whole(Ball(1.5), (5, 4)),
        (3, 5, 4),
        2,
        *flattened(ball(1.5, 2)),
        ((20,), (4, 5)),
    ),
    Case(
        "whole-simplex",
        lambda: Whole(Simplex(2.0), (5, 4)),
        (3, 5, 4),
        2,
        *flattened(simplex(2.0)),
        ((4, 5),),
    ),
    Case(
        "kernel-outputs",
        lambda: Kernel(on_outputs(OUT, OUTB), 2),
        (5, 4, 1, 1),
        4,
        *kernel(over(transposed(linear(OUT, OUTB.T)))),
        ((5, 4), (5, 4, 1, 2), (4, 5, 1, 1), (1,)),
        12,
    ),
    Case(
        "kernel-spectral",
        lambda: Kernel(SpectralBall(), 2),
        (5, 4, 1, 1),
        4,
        *kernel(spectral(1.0)),
        ((5, 4, 3, 3), (5, 1, 1)),
    ),
    Case(
        "kernel-orthonormal",
        lambda: Kernel(Orthonormal(), 2),
        (5, 4, 1, 1),
        4,
        *kernel((orthonormal, None)),
        ((4, 5, 1, 1), (5, 4, 1, 2)),
    ),
    Case("nonnegative", Nonnegative, (6, 5), 0, *box(ZERO, INFINITE), ()),
    Case("box", lambda: Box(-0.5, 2), (6, 5), 0, *box(ZERO - 0.5, ZERO + 2), ()),
    Case("box-of-bounds", lambda: Box(LOW, HIGH), (6, 5), 1, *box(LOW, HIGH, 1), ((), (4,), (5, 1))),
    Case("simplex", Simplex, (6, 7), 1, *simplex(), ((),)),
    Case("simplex-of-total", lambda: Simplex(30.0), (6, 7), 1, *simplex(30.0), ((),)),
    *(
        Case(
            f"ball-{norm}{'-complex' * (dtypes is COMPLEX)}",
            lambda norm=norm: Ball(1.5, norm),
            (6, 7),
            1,
            *ball(1.5, norm),
            ((),),
            dtypes=dtypes,
        )
        for norm in (1, 2, math.inf)
        for dtypes in (REAL, COMPLEX)
    ),
    Case("spectral", SpectralBall, (3, 5, 4), 2, *spectral(1.0), ((4,),)),
    Case(
        "spectral-wide-complex",
        lambda: SpectralBall(2.0),
        (3, 4, 6),
        2,
        *spectral(2.0),
        ((4,),),
        dtypes=COMPLEX,
    ),
    *(
        Case(
            f"orthonormal-{of}{'-complex' * (dtypes is COMPLEX)}",
            lambda of=of: Orthonormal(of),
            shape,
            2,
            lambda w, of=of: orthonormal(w, of),
            None,
            (shape[:0:-1], (4,)),
            dtypes=dtypes,
        )
        for of, shape in (("columns", (3, 6, 4)), ("rows", (3, 4, 6)))
        for dtypes in (REAL, COMPLEX)
    ),
    Case("orthonormal-square", Orthonormal, (3, 4, 4), 2, orthonormal, None, ((4,),)),
    Case("rotation", Rotation, (5, 4, 4), 2, lambda w: orthonormal(w, turned=True), None, ((5, 4), (4,))),
    Case("rotation-odd", Rotation, (5, 3, 3), 2, lambda w: orthonormal(w, turned=True), None, ((5, 4), (4,))),
    Case("stochastic", DoublyStochastic, (3, 5, 5), 2, stochastic_missed, stochastic_beyond, ((5,), (5, 4))),
    Case(
        "sparsity",
        lambda: Sparsity(MASK),
        (3, 5, 4),
        2,
        *sparsity(MASK),
        ((20,), (4, 5)),
        3 * int(MASK.sum()),
    ),
    Case(
        "sparsity-complex",
        lambda: Sparsity(MASK),
        (3, 5, 4),
        2,
        *sparsity(MASK),
        ((4, 5),),
        3 * int(MASK.sum()),
        COMPLEX,
    ),
    Case(
        "polyhedron",
        lambda: intersect(on_outputs(OUT, FULL[1].reshape(2, 4)), Nonnegative(), shape=(5, 4)),
        (3, 5, 4),
        2,
        *polyhedron(*FULL, ZERO, INFINITE, 2),
        ((20,), (4, 5)),
    ),
    Case(
        "polyhedron-of-bounds",
        lambda: intersect(Nonnegative(), Box(-1, 0.5), shape=(5,)),
        (6, 5),
        1,
        *polyhedron(FULL[0][:0, :5], FULL[1][:0], ZERO, ZERO + 0.5, 1),
        ((4,),),
    ),
    Case(
        "polyhedron-shares",
        lambda: intersect(Simplex(), Box(0.05, 0.4), shape=(7,)),
        (6, 7),
        1,
        *polyhedron(torch.ones(1, 7).double(), torch.ones(1).double(), ZERO + 0.05, ZERO + 0.4, 1),
        ((6,),),
    ),
    Case(
        "meeting",
        lambda: intersect(on_outputs(OUT, 0.1 * OUTB), SpectralBall(), shape=(5, 4)),
        (3, 5, 4),
        2,
        both(over(transposed(linear(OUT, 0.1 * OUTB.T)))[0], spectral(1.0)[0]),
        conic(gentle_outputs, (5, 4)),
        ((4, 5),),
        solver=1e-7,
        slow_oracle=True,
    ),
    Case(
        "meeting-shares",
        lambda: intersect(Simplex(), Ball(0.6), shape=(5,)),
        (4, 5),
        1,
        both(simplex()[0], ball(0.6, 2)[0]),
        conic(gentle_shares, (5,)),
        ((4,),),
        solver=1e-7,
        slow_oracle=True,
    ),
    Case(
        "meeting-complex",
        lambda: intersect(LinearSet(AC, 0.1 * SIDEC), Ball(2.0, 1), shape=(8,)),
        (3, 8),
        1,
        both(linear(AC, 0.1 * SIDEC)[0], ball(2.0, 1)[0]),
        conic(complex_meeting, (8,), True),
        ((4, 5),),
        dtypes=COMPLEX,
        solver=1e-7,
        slow_oracle=True,
    ),
    Case(
        "convex",
        lambda: Convex(norm_and_order, (6,)),
        (3, 6),
        1,
        norm_and_order_missed,
        conic(norm_and_order, (6,)),
        ((5,), ()),
        solver=1e-6,
        slow_oracle=True,
    ),
]
