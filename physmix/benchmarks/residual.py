"""The Navier-Stokes residual of a stream function and a pressure, differentiated in several ways.

u = d psi/dy and v = -d psi/dx in u . grad u + grad p = nu laplacian u: third derivatives of psi, first ones
of p, and then the gradient with respect to the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacfwd, vmap

from physmix.jets import JetSpace, compilation, push, seed
from physmix.operators import Monomial, monomials

Derivatives = dict[Monomial, Tensor]
Way = Callable[[nn.Module, Tensor], tuple[Derivatives, Derivatives]]
"""(network, points) -> the derivatives of psi and those of p, each (point,)."""

Below = Callable[[Tensor], tuple[Tensor, tuple[Tensor, ...]]]
"""A point to the highest derivative so far, and all below it."""

VISCOSITY = 0.025
PSI = tuple(index for degree in (1, 2, 3) for index in monomials(2, degree))
PRESSURE = monomials(2, 1)


def momentum(psi: Derivatives, p: Derivatives) -> Tensor:
    """The mean square of both components of the residual."""
    u, v = psi[0, 1], -psi[1, 0]
    along = u * psi[1, 1] + v * psi[0, 2] + p[1, 0] - VISCOSITY * (psi[2, 1] + psi[0, 3])
    across = -u * psi[2, 0] - v * psi[1, 1] + p[0, 1] + VISCOSITY * (psi[3, 0] + psi[1, 2])
    return along.square().mean() + across.square().mean()


def jets(network: nn.Module, points: Tensor) -> tuple[Derivatives, Derivatives]:
    """Ours, pushed once for all derivatives of both."""
    jet = push(network, seed(points, JetSpace.closure(PSI)))
    found = {index: jet.derivative(index) for index in PSI}
    return {index: d[:, 0] for index, d in found.items()}, {index: found[index][:, 1] for index in PRESSURE}


def compiled_jets(network: nn.Module, points: Tensor) -> tuple[Derivatives, Derivatives]:
    """Ours, in compiled kernels."""
    with compilation():
        return jets(network, points)


def nested_autograd(network: nn.Module, points: Tensor) -> tuple[Derivatives, Derivatives]:
    """One call of autograd.grad for each function that is differentiated, as DeepXDE's jacobian and hessian.

    Like them it keeps the rows of Jacobians that it has.
    """
    points = points.detach().requires_grad_()
    found = []
    for column, wanted in zip(network(points).split(1, 1), (PSI, PRESSURE), strict=True):
        known: Derivatives = {(0, 0): column}
        for index in wanted:
            if index not in known:
                place = 0 if index[0] else 1
                lower = (index[0] - 1, index[1]) if place == 0 else (index[0], index[1] - 1)
                below = known[lower]
                (row,) = torch.autograd.grad(below, points, torch.ones_like(below), create_graph=True)
                known.setdefault((lower[0] + 1, lower[1]), row[:, :1])
                known.setdefault((lower[0], lower[1] + 1), row[:, 1:])
        found.append({index: known[index][:, 0] for index in wanted})
    return found[0], found[1]


def torch_func(network: nn.Module, points: Tensor) -> tuple[Derivatives, Derivatives]:
    """Nested jacfwd under vmap: every order from one evaluation, with mixed derivatives twice."""
    weights: dict[str, Tensor] = dict(network.named_parameters())

    def value(x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return functional_call(network, weights, (x,)), ()

    def differentiated(below: Below) -> Below:
        def function(x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            value, aux = below(x)
            return value, (*aux, value)

        return jacfwd(function, has_aux=True)

    third, (_, first, second) = vmap(differentiated(differentiated(differentiated(value))))(points)
    slopes = (first, second, third)

    def entry(index: Monomial, channel: int) -> Tensor:
        return slopes[sum(index) - 1][:, channel].flatten(1)[:, 2 ** index[1] - 1]

    return {index: entry(index, 0) for index in PSI}, {index: entry(index, 1) for index in PRESSURE}


def torch_jet(network: nn.Module, points: Tensor) -> tuple[Derivatives, Derivatives]:
    """jet-for-pytorch: third-order jets along four directions, which give all derivatives by polarisation.

    Raises:
        ImportError: where it is not installed; it needs Python 3.12.
    """
    taylor = _torch_jet(network, len(points), points.dtype)
    directions = points.new_tensor([[1, 0], [0, 1], [1, 1], [1, -1]]).repeat_interleave(len(points), 0)
    zero = torch.zeros_like(directions)
    _, *slopes = taylor(points.repeat(4, 1), directions, zero, zero)
    first, second, third = (slope.unflatten(0, (4, -1)) for slope in slopes)
    plus, minus = third[2] + third[3], third[2] - third[3]
    found: Derivatives = {
        (1, 0): first[0],
        (0, 1): first[1],
        (2, 0): second[0],
        (1, 1): (second[2] - second[3]) / 4,
        (0, 2): second[1],
        (3, 0): third[0],
        (2, 1): (minus - 2 * third[1]) / 6,
        (1, 2): (plus - 2 * third[0]) / 6,
        (0, 3): third[1],
    }
    return {index: d[:, 0] for index, d in found.items()}, {index: found[index][:, 1] for index in PRESSURE}


@cache
def _torch_jet(network: nn.Module, points: int, dtype: torch.dtype) -> Callable[..., tuple[Tensor, ...]]:
    import jet  # noqa: PLC0415  of the extra "bench"

    traced: Callable[..., tuple[Tensor, ...]] = jet.jet(network, 3, torch.zeros(4 * points, 2, dtype=dtype))
    return traced
