"""Convex sets of states that make sense at a point, such as gases of positive density and pressure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from physmix.errors import SettingsError, listing, suggestion

State = Float[Tensor, "*point field"]

_ABOVE = 1.001


class AdmissibleSet(ABC):
    """A convex set of states at a point, which a limiter does not leave."""

    @abstractmethod
    def contains(self, state: State) -> Bool[Tensor, "*point"]:
        """Whether the state at each point is in the set."""

    @abstractmethod
    def share(self, state: State, change: State) -> Float[Tensor, "*point"]:
        """The largest s in [0, 1] for which state + s * change is in the set, for a state in it."""

    def __and__(self, other: AdmissibleSet) -> AdmissibleSet:
        """The states that are in both."""
        return _Both(self, other)


class _Both(AdmissibleSet):
    """Two sets at once."""

    def __init__(self, first: AdmissibleSet, second: AdmissibleSet) -> None:
        self.first, self.second = first, second

    def contains(self, state: State) -> Bool[Tensor, "*point"]:
        """In the one and in the other."""
        return self.first.contains(state) & self.second.contains(state)

    def share(self, state: State, change: State) -> Float[Tensor, "*point"]:
        """The smaller share."""
        return torch.minimum(self.first.share(state, change), self.second.share(state, change))


class Bounds(AdmissibleSet):
    """Fields between bounds, each by itself: `Bounds(fields, {"rho": (1e-3, inf)})`.

    Args:
        fields: of the state, in order.
        bounds: lowest and highest value by name; infinite where there is none.

    Raises:
        SettingsError: if one is not a field, or its lowest value not below the highest.
    """

    def __init__(self, fields: Sequence[str], bounds: Mapping[str, tuple[float, float]]) -> None:
        for name, (low, high) in bounds.items():
            _check_field("the bounds", name, fields)
            if not low < high:
                raise SettingsError(
                    "the bounds", f"those of {name} are {low} and {high}", "give the lower first"
                )
        self.index = [list(fields).index(name) for name in bounds]
        self.low, self.high = ([pair[i] for pair in bounds.values()] for i in (0, 1))

    def contains(self, state: State) -> Bool[Tensor, "*point"]:
        """Between the bounds."""
        value = state[..., self.index]
        return ((value >= value.new_tensor(self.low)) & (value <= value.new_tensor(self.high))).all(-1)

    def share(self, state: State, change: State) -> Float[Tensor, "*point"]:
        """Up to the bound that is met first."""
        value, step = state[..., self.index], change[..., self.index]
        size, kind = step.abs(), torch.finfo(step.dtype)
        bound = torch.where(step < 0, value.new_tensor(self.low), value.new_tensor(self.high))
        # An infinite bound times no step would be no number, and over a step have no gradient.
        room = torch.minimum((bound.clamp(kind.min, kind.max) - value) * step.sign(), size)
        reached = room.clamp_min(0) / size.clamp_min(kind.tiny)
        return torch.where(room >= size, 1.0, reached).amin(-1)


class PositiveGas(AdmissibleSet):
    """A perfect gas whose density and pressure are at least given numbers.

    The pressure (gamma - 1) (E - |m|^2 / (2 rho)) is a concave function of the conserved variables where
    rho > 0, so the set is convex; along a line rho (p - least) is a parabola, whose first zero is exact.
    Source: Zhang and Shu, J. Comput. Phys. 229, 2010, section 2.1, for the set.

    Args:
        fields: of the state, in order.
        gamma: ratio of specific heats.
        density: the least one; positive.
        pressure: the least one; positive. For states in float32 it should be above 1e-6 of the energy.
        names: of density, momenta and energy among the fields; rho, m..., E if omitted.

    Raises:
        SettingsError: if a name is not a field, a number not positive, or gamma not above 1.
    """

    def __init__(
        self,
        fields: Sequence[str],
        gamma: float,
        *,
        density: float,
        pressure: float,
        names: tuple[str, Sequence[str], str] | None = None,
    ) -> None:
        if not (gamma > 1 and density > 0 and pressure > 0):
            problem = f"gamma={gamma}, density={density}, pressure={pressure}"
            raise SettingsError("the gas", problem, "give positive numbers, and gamma above 1")
        usual = [name for name in fields if name in ("mx", "my", "mz")]
        rho, momenta, energy = names or ("rho", usual, "E")
        for name in (rho, *momenta, energy):
            _check_field("the gas", name, fields)
        place = list(fields).index
        self.rho, self.energy, self.momenta = place(rho), place(energy), [place(name) for name in momenta]
        self.gamma, self.density, self.pressure = gamma, density, pressure

    def _parts(self, state: State, floor: float) -> tuple[Tensor, Tensor, Tensor]:
        """Density, momenta, and inner energy above that of the least pressure with all kinetic energy."""
        energy = state[..., self.energy] - floor / (self.gamma - 1)
        return state[..., self.rho], state[..., self.momenta], energy

    def contains(self, state: State) -> Bool[Tensor, "*point"]:
        """Dense enough, and of enough pressure."""
        rho, momenta, energy = self._parts(state, self.pressure)
        return (rho >= self.density) & (2 * rho * energy >= momenta.square().sum(-1))

    def share(self, state: State, change: State) -> Float[Tensor, "*point"]:
        """Up to where the density or the pressure is least."""
        # A little above the least, so that rounding does not lead below it.
        rho, momenta, energy = self._parts(state, _ABOVE * self.pressure)
        rho_1, momenta_1, energy_1 = self._parts(change, 0.0)
        tiny = torch.finfo(state.dtype).tiny
        thinner = (rho - _ABOVE * self.density).clamp_min(0) / (-rho_1).clamp_min(tiny)
        thinner = torch.where(rho_1 < 0, thinner, 1.0)  # a cell at the least density may be refilled
        # 2 rho e - |m|^2 = a + b s + c s^2, positive at s = 0
        a = (2 * rho * energy - momenta.square().sum(-1)).clamp_min(0)
        b = 2 * (rho * energy_1 + rho_1 * energy - (momenta * momenta_1).sum(-1))
        c = 2 * rho_1 * energy_1 - momenta_1.square().sum(-1)
        inside = b * b - 4 * a * c
        root = inside.clamp_min(tiny).sqrt()
        # The zero that is met first, each written so that nothing cancels.
        falling = torch.where(inside >= 0, 2 * a / (root - b).clamp_min(tiny), 1.0)
        rising = torch.where(c < 0, (root + b) / (-2 * c).clamp_min(tiny), 1.0)
        colder = torch.where(b > 0, rising, falling)
        return torch.minimum(thinner, colder).clamp_max(1.0)


def _check_field(where: str, name: str, fields: Sequence[str]) -> None:
    if name not in fields:
        problem = f"there is no field {name!r}{suggestion(name, fields)}"
        raise SettingsError(where, problem, f"choose from {listing(fields)}")
