"""A lawful head on any network: the state of the next time, with the totals of the present one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError, ShapeError, listing, suggestion
from physmix.mixing import CollocatedLayer, Fluxes, FluxLayer, claim_laws
from physmix.surrogates.admissible import AdmissibleSet
from physmix.surrogates.limiting import advance

State = Float[Tensor, "batch *grid field"]


class LawfulStep(nn.Module):
    """The state one step later: the present one and a lawful change that a network chooses.

        head = FluxLayer(grid, laws, ["rho", "mx", "my", "E"], potentials=32)
        model = LawfulStep(FNO((16, 16), 4, 32, 24), head, mean=mean, size=size)
        later = model(state)  # (batch, *grid, field)

    The network sees the state in units of size one, in torch's layout (batch, field, *grid) and its own
    precision, and returns (batch, potential, *grid); the change is added in the precision of the state. So
    a network in float32 advances states in float64 whose totals stay to float64's round-off.

    Args:
        network: any module.
        head: what makes the change, such as `FluxLayer` for totals or `CollocatedLayer` for laws in the
            derivatives of a periodic grid.
        mean: of each field by name; zero if omitted.
        size: of each field by name, such as its deviation; one if omitted.
        members: the states to stay in; without them the change is taken as it is. It needs a head that
            tells its fluxes.
        parts: in which a flux that would leave `members` is given; see `physmix.surrogates.limiting`.

    Raises:
        SettingsError: for members with a head that has no fluxes; for a mean or size of a field that is not
            there, or that is not finite; for a size that is not positive.
    """

    def __init__(
        self,
        network: nn.Module,
        head: FluxLayer | CollocatedLayer,
        *,
        mean: Mapping[str, float] | None = None,
        size: Mapping[str, float] | None = None,
        members: AdmissibleSet | None = None,
        parts: int = 8,
    ) -> None:
        super().__init__()
        if members is not None and not isinstance(head, FluxLayer):
            raise SettingsError(
                "a lawful step", "its head has no fluxes to hold back", "omit members, or use a FluxLayer"
            )
        self.network, self.head, self.members, self.parts = network, head, members, parts
        self.fields = head.fields
        self.claim = claim_laws(head.laws, head.fields, kept=True)
        for name, values, default in (("mean", mean, 0.0), ("size", size, 1.0)):
            _check_units(name, values or {}, self.fields)
            vector = [(values or {}).get(field, default) for field in self.fields]
            self.register_buffer(name, torch.tensor(vector, dtype=torch.float64))
        self.register_state_dict_post_hook(_without_metadata)

    mean: Tensor
    size: Tensor

    def change(self, state: State) -> Fluxes | Tensor:
        """What the network wants to add: fluxes where the head has them.

        Raises:
            ShapeError: if the state has other fields.
        """
        if state.shape[-1] != len(self.fields):
            raise ShapeError("the state", state.shape, f"(batch, *grid, {listing(self.fields)})")
        dtype = next((p.dtype for p in self.network.parameters() if p.is_floating_point()), state.dtype)
        seen = ((state - self.mean.to(state)) / self.size.to(state)).to(dtype).movedim(-1, 1)
        found: Fluxes | Tensor = self.head(self.network(seen).movedim(1, -1))
        return found.map(lambda values: values.to(state)) if isinstance(found, Fluxes) else found.to(state)

    def advance(self, state: State) -> tuple[State, Fluxes | Tensor]:
        """The state one step later, and what was added to it."""
        change = self.change(state)
        if isinstance(change, Tensor):
            return state + change, change
        if self.members is None:
            return state + change.change(), change
        return advance(state, change, self.members, parts=self.parts)

    def forward(self, state: State) -> State:
        """The state one step later."""
        return self.advance(state)[0]


def _check_units(what: str, values: Mapping[str, float], fields: Sequence[str]) -> None:
    for field, value in values.items():
        if field not in fields:
            problem = f"there is no field {field!r}{suggestion(field, fields)}"
            raise SettingsError(f"the {what} of fields", problem, f"choose from {listing(fields)}")
        if not math.isfinite(value) or (what == "size" and value <= 0):
            remedy = "give the size of its values; leave it out where it is zero everywhere"
            raise SettingsError(f"the {what} of fields", f"that of {field} is {value}", remedy)


def _without_metadata(module: nn.Module, state: dict[str, Any], prefix: str, local: object) -> None:
    """Leave out what networks of neuraloperator add to their weights: functions, which no file may hold."""
    del module, prefix, local
    state.pop("_metadata", None)
