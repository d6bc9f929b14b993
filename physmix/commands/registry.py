"""Short names of configurations, and the only things they can make."""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar

import torch
from torch import nn

from physmix.errors import SettingsError, listing, suggestion
from physmix.flows import simulation
from physmix.jets import Sine

Made = TypeVar("Made")

FLOWS: dict[str, Callable[..., Any]] = {
    "cavity": simulation.simulate_cavity,
    "cylinder": simulation.simulate_cylinder,
    "kelvin_helmholtz": simulation.simulate_kelvin_helmholtz,
    "quadrants": simulation.simulate_quadrants,
    "shear_layer": simulation.simulate_shear_layer,
    "sod": simulation.simulate_sod,
    "streams": simulation.simulate_streams,
    "vortex": simulation.simulate_vortex,
    "vortices": simulation.simulate_vortices,
    "wake": simulation.simulate_wake,
}
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "sin": Sine}


def adam(parameters: Any, *, lr: float) -> torch.optim.Optimizer:
    """Adam without weight decay."""
    return torch.optim.Adam(parameters, lr=lr)


def sgd(parameters: Any, *, lr: float, momentum: float = 0.0) -> torch.optim.Optimizer:
    """Stochastic gradient descent."""
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


def rmsprop(parameters: Any, *, lr: float) -> torch.optim.Optimizer:
    """RMSprop without weight decay."""
    return torch.optim.RMSprop(parameters, lr=lr)


def lbfgs(
    parameters: Any, *, max_iter: int = 20, history_size: int = 50, lr: float = 1.0
) -> torch.optim.Optimizer:
    """L-BFGS with a strong Wolfe line search, and no tolerance at which it would stop early."""
    return torch.optim.LBFGS(
        parameters,
        lr=lr,
        max_iter=max_iter,
        history_size=history_size,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": adam,
    "lbfgs": lbfgs,
    "rmsprop": rmsprop,
    "sgd": sgd,
}


def choose(table: Mapping[str, Made], name: Any, where: str) -> Made:
    """The entry of a table.

    Raises:
        SettingsError: if there is none of this name.
    """
    if not isinstance(name, str) or name not in table:
        hint = suggestion(str(name), table)
        raise SettingsError(where, f"there is no {name!r}{hint}", f"choose from {listing(table)}")
    return table[name]


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of a configuration is of a plain type, or a list of one; an int is a float."""
    if typing.get_origin(hint) is Sequence:
        (part,) = typing.get_args(hint)
        return isinstance(value, list) and all(_fits(item, part) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if typing.get_origin(hint) in (UnionType, typing.Union):
        return any(_fits(value, part) for part in typing.get_args(hint))
    if typing.get_origin(hint) is Mapping or hint is NoneType:
        return isinstance(value, NoneType if hint is NoneType else Mapping)
    return hint not in (bool, str) or isinstance(value, hint)


def at_least(where: str, least: float, **values: float) -> None:
    """Raise SettingsError for a value below the least."""
    for name, value in values.items():
        if value < least:
            raise SettingsError(where, f"{name}={value}", f"give a number from {least:g} up")


def call(function: Callable[..., Made], settings: Mapping[str, Any], where: str, **given: Any) -> Made:
    """Call a function with the settings of a configuration, after checking them.

    Args:
        function: its keyword parameters without `given` are what may be configured; one that takes others
            as well, as **settings, checks those itself.
        settings: from the configuration.
        where: the part of the configuration, for messages.
        given: arguments that are not configured.

    Raises:
        SettingsError: for a key that is unknown or missing, or a value of another type.
    """
    # A class would give the types of its fields; those of its arguments stand in __init__.
    made = inspect.getattr_static(function, "__init__") if isinstance(function, type) else function
    hints = typing.get_type_hints(made)
    accepted = inspect.signature(function).parameters
    parameters = {
        name: parameter
        for name, parameter in accepted.items()
        if name not in given and parameter.kind is parameter.KEYWORD_ONLY
    }
    others = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    for name, value in settings.items():
        if name not in parameters and others:
            continue
        if name not in parameters:
            hint = suggestion(name, parameters)
            raise SettingsError(where, f"unknown key {name!r}{hint}", f"the keys are {listing(parameters)}")
        wanted = hints.get(name)
        if not _fits(value, wanted):
            expected = wanted.__name__ if isinstance(wanted, type) else re.sub(r"\w+\.", "", str(wanted))
            raise SettingsError(where, f"{name}={value!r} is not of type {expected}", "correct it")
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in settings
    ]
    if missing:
        raise SettingsError(where, f"without {listing(missing)}", "add it")
    return function(**given, **settings)
