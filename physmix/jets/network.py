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
    """Normalised Taylor coefficients c_a = D^a f / a!, shape (coefficient, point, channel)."""

    space: JetSpace
    coefficients: Coefficients

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
    return Jet(space, coefficients)


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
    for part in module:
        jet = push(part, jet)
    return jet


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
