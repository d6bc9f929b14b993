"""Pointwise networks on jets: one rule for each kind of module, and a loud failure otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from physmix.errors import NoJetRuleError, ShapeError
from physmix.jets import towers
from physmix.jets.affine import affine
from physmix.jets.compose import Coefficients, compose
from physmix.jets.space import JetSpace
from physmix.jets.towers import Tower
from physmix.operators import Monomial


@dataclass(frozen=True)
class Jet:
    """Normalised Taylor coefficients c_a = D^a f / a!, shape (coefficient, point, channel).

    Attributes:
        space: which coefficients.
        coefficients: themselves.
        linear: whether f is known to be linear in the coordinates: slopes are the same at all points.
    """

    space: JetSpace
    coefficients: Coefficients
    linear: bool = False

    @property
    def value(self) -> Float[Tensor, "point channel"]:
        """The function itself."""
        return self._parts[0]

    @cached_property
    def _parts(self) -> tuple[Tensor, ...]:
        """The coefficients one by one, so that the backward pass gathers their gradients once."""
        return self.coefficients.unbind(0)

    def derivative(self, monomial: Monomial) -> Float[Tensor, "point channel"]:
        """D^a f for one monomial a."""
        place = self.space.place(monomial)
        return self.space.factorials[place] * self._parts[place]

    def derivatives(self, monomials: Sequence[Monomial]) -> Float[Tensor, "operator point channel"]:
        """D^a f for several monomials a, in their order."""
        places = [self.space.place(monomial) for monomial in monomials]
        factorials = self.coefficients.new_tensor([self.space.factorials[i] for i in places])
        first = places[0]
        whole = places == list(range(first, first + len(places)))  # one block, as of one order: no copy
        chosen = self.coefficients[first : first + len(places)] if whole else self.coefficients[places]
        return chosen * factorials[:, None, None]


class Sine(nn.Module):
    """The activation sin(x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply sin element-wise."""
        return torch.sin(x)


Rule = Callable[[Any, Jet], Jet]
_RULES: dict[type[nn.Module], Rule] = {}
_TOWERS: dict[type[nn.Module], Callable[[Any], Tower]] = {}


def rule(kind: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Register how a module of this kind acts on a jet."""

    def register(function: Rule) -> Rule:
        _RULES[kind] = function
        return function

    return register


def seed(points: Float[Tensor, "point coordinate"], order: int | JetSpace) -> Jet:
    """The jet of the coordinates themselves: value, and slope 1 along each.

    Args:
        points: where.
        order: of the highest derivatives, or the space of those to carry; see `JetSpace.closure`.
    """
    space = order if isinstance(order, JetSpace) else JetSpace(points.shape[1], order)
    if space.coordinates != points.shape[1]:
        raise ShapeError("points", points.shape, f"{space.coordinates} coordinates")
    coefficients = points.new_zeros(len(space.indices), *points.shape)
    coefficients[0] = points
    for place, index in enumerate(space.indices):
        if sum(index) == 1:
            coefficients[place, :, index.index(1)] = 1
    return Jet(space, coefficients, linear=True)


def push(module: nn.Module, jet: Jet) -> Jet:
    """The jet of module(f) from the jet of f.

    Raises:
        NoJetRuleError: if the module, or a part of it, has no rule, or has forward hooks.
    """
    kind = type(module)
    if is_parametrized(module):  # torch makes a subclass that changes the weights alone
        kind = kind.__mro__[1]
    # A subclass or a hook may do something else than the rule says.
    if kind not in _RULES or module._forward_hooks or module._forward_pre_hooks:  # noqa: SLF001
        raise NoJetRuleError(type(module).__name__, sorted(kind.__name__ for kind in _RULES))
    return _RULES[kind](module, jet)


@rule(nn.Sequential)
def _sequential(module: nn.Sequential, jet: Jet) -> Jet:
    parts = list(module)
    if len(parts) > 1 and _is_ridge(parts[0], parts[1], jet):
        jet, parts = _ridge(parts[0], parts[1], jet), parts[2:]  # type: ignore[arg-type]
    for part in parts:
        jet = push(part, jet)
    return jet


def _is_ridge(first: Any, second: Any, jet: Jet) -> bool:
    """Whether this is f(w . x + b) of the coordinates x themselves, and nothing is to be differentiated."""
    if (
        not jet.linear
        or type(first) is not nn.Linear
        or type(second) not in _TOWERS
        or _taps.get() is not None
    ):
        return False
    tensors = (jet.coefficients, *first.parameters(), *second.parameters())
    watched = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    hooked = any(one._forward_hooks or one._forward_pre_hooks for one in (first, second))  # noqa: SLF001
    return not watched and not hooked


def _ridge(first: nn.Linear, second: nn.Module, jet: Jet) -> Jet:
    """D^a f(w . x + b) = w^a f^(|a|): without the powers of a series, some five times faster."""
    space, points = jet.space, jet.coefficients[0]
    places = [place for place, index in enumerate(space.indices) if sum(index) == 1]
    slopes = {space.indices[place]: jet.coefficients[place, :1] @ first.weight.T for place in places}
    derivatives = _TOWERS[type(second)](second)(
        torch.nn.functional.linear(points, first.weight, first.bias), space.order
    )
    out = points.new_empty(len(space.indices), len(points), first.out_features)
    for place, index in enumerate(space.indices):
        factor = points.new_full((1, first.out_features), 1 / space.factorials[place])
        for unit, slope in slopes.items():
            factor = factor * slope ** index[unit.index(1)]
        torch.mul(derivatives[sum(index)], factor, out=out[place])
    return Jet(space, out)


@rule(nn.Identity)
def _identity(module: nn.Identity, jet: Jet) -> Jet:
    del module
    return jet


@dataclass(frozen=True)
class Tap:
    """A linear layer that was pushed: what went in, and what came out."""

    layer: nn.Linear
    inputs: Float[Tensor, "coefficient point input"]
    outputs: Float[Tensor, "coefficient point output"]


_taps: ContextVar[list[Tap] | None] = ContextVar("taps", default=None)


@contextmanager
def taps() -> Iterator[list[Tap]]:
    """Within, linear layers are recorded as they are pushed.

    A loss that is a sum over points has, with respect to a layer's weight, the gradient sum over
    coefficients of (gradient of outputs) x (inputs) at each point by itself: one backward pass gives the
    gradients of all points, not their sum alone.
    """
    found: list[Tap] = []
    token = _taps.set(found)
    try:
        yield found
    finally:
        _taps.reset(token)


@rule(nn.Linear)
def _linear(module: nn.Linear, jet: Jet) -> Jet:
    if jet.coefficients.shape[-1] != module.in_features:
        raise ShapeError("a jet", jet.coefficients.shape, f"{module.in_features} channels")
    out = affine(jet.coefficients, module.weight, module.bias)
    if (found := _taps.get()) is not None:
        found.append(Tap(module, jet.coefficients, out))
    return Jet(jet.space, out)


def activation(kind: type[nn.Module], tower: Tower) -> None:
    """Register an element-wise activation by its tower of derivatives."""
    _tower_of(kind)(lambda _: tower)


def _tower_of(kind: type[nn.Module]) -> Callable[[Callable[[Any], Tower]], None]:
    """Register an activation whose tower depends on the module's settings."""

    def register(choose: Callable[[Any], Tower]) -> None:
        _TOWERS[kind] = choose

        @rule(kind)
        def apply(module: nn.Module, jet: Jet) -> Jet:
            return Jet(jet.space, compose(jet.coefficients, choose(module), jet.space))

    return register


activation(nn.Tanh, towers.tanh)
activation(Sine, towers.sin)
activation(nn.Sigmoid, towers.sigmoid)
activation(nn.SiLU, towers.silu)


@_tower_of(nn.GELU)
def _gelu(module: nn.GELU) -> Tower:
    return towers.gelu_tanh if module.approximate == "tanh" else towers.gelu


@_tower_of(nn.Softplus)
def _softplus(module: nn.Softplus) -> Tower:
    return towers.softplus(module.beta, module.threshold)
