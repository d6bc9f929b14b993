"""The next stored time from the present one: what a surrogate is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.laws import Law

Batches = Callable[[int], Float[Tensor, "batch time *grid field"]]
"""The pieces of trajectories of a step; the step alone decides which."""


class Windows:
    """Pieces of trajectories that are held in memory, each once in an epoch.

    Args:
        states: whole trajectories.
        unroll: steps in a piece, which has one stored time more.
        batch: pieces for each step.
        seed: of their order.

    Raises:
        SettingsError: if there are fewer pieces than a batch has.
    """

    def __init__(
        self, states: Float[Tensor, "trajectory time *grid field"], *, unroll: int, batch: int, seed: int
    ) -> None:
        self.states, self.unroll, self.batch, self.seed = states, unroll, batch, seed
        self.starts = states.shape[1] - unroll
        self.count = len(states) * max(self.starts, 0)
        if unroll < 1 or batch < 1 or self.count < batch:
            raise SettingsError(
                "the task",
                f"{len(states)} trajectories of {states.shape[1]} stored times have {self.count} pieces of "
                f"{unroll} steps, fewer than a batch of {batch}"
                if unroll > 0
                else f"unroll={unroll}",
                "lower test_steps, unroll or batch, or give longer trajectories",
            )

    def __call__(self, step: int) -> Float[Tensor, "batch time *grid field"]:
        """The pieces of a step."""
        epoch, place = divmod(step, self.count // self.batch)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(self.count, generator=generator)
        chosen = order[place * self.batch : (place + 1) * self.batch]
        pieces = [
            self.states[number // self.starts, start : start + self.unroll + 1]
            for number in chosen.tolist()
            for start in (number % self.starts,)
        ]
        return torch.stack(pieces)


def persistence(pieces: Float[Tensor, "batch time *grid field"]) -> Float[Tensor, "step field"]:
    """Mean square change of each field over one step, two steps and so on; 1 for what never changes."""
    change = (pieces[:, 1:] - pieces[:, :1]).square().movedim(1, 0)
    idle = change.flatten(1, -2).mean(1)
    return torch.where(idle > 0, idle, torch.ones_like(idle))


def total_rows(laws: Iterable[Law], fields: Sequence[str]) -> Float[Tensor, "law field"]:
    """What each integral law counts of each field."""
    rows = [
        [float(sum(v for (name, _), v in law.terms.items() if name == field)) for field in fields]
        for law in laws
        if law.integral
    ]
    return torch.tensor(rows, dtype=torch.float64).view(-1, len(fields))


class NextState:
    """The losses of a model that advances states by one stored time.

    Args:
        model: takes (batch, *grid, field) one stored time ahead.
        batches: pieces of trajectories, over whose steps the model is unrolled.
        unit: mean square change of each field over each number of steps, such as `persistence` gives: a
            loss of 1 is that of repeating the first state.
        noise: deviation of what is added to the first state of each piece, in units of the change over
            one step, which makes roll-outs stable (Sanchez-Gonzalez et al., ICML 2020, section 3.4).
        penalty: weight of the square of what totals miss, for models whose layers do not keep them.
        totals: what each law counts of each field, for the penalty; see `total_rows`.
        seed: of the noise.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        unit: Float[Tensor, "step field"],
        *,
        noise: float = 0.0,
        penalty: float = 0.0,
        totals: Float[Tensor, "law field"] | None = None,
        seed: int = 0,
    ) -> None:
        self.model, self.batches, self.unit, self.noise, self.seed = model, batches, unit, noise, seed
        self.weights = {"increment": 1.0}
        self.totals = totals
        if penalty:
            self.weights["totals"] = penalty
        self.device: torch.device | str = "cpu"

    def to(self, device: torch.device | str) -> None:
        """Move the model and all that its losses need."""
        self.model.to(device)
        self.unit, self.device = self.unit.to(device), device
        self.totals = None if self.totals is None else self.totals.to(device)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Mean square error over that of persistence, over the steps of the pieces."""
        pieces = self.batches(step).to(self.device)
        state, unit = pieces[:, 0], self.unit.to(pieces)
        if self.noise:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            drawn = torch.randn(state.shape, generator=generator, dtype=state.dtype).to(state)
            state = state + self.noise * unit[0].sqrt() * drawn
        start, errors, missed = state, [], []
        for number in range(1, pieces.shape[1]):
            state = self.model(state)
            error = (state - pieces[:, number]).square() / unit[number - 1]
            errors.append(error.mean())
            if "totals" in self.weights:
                missed.append(self._missed(state - start, unit[number - 1]))
        found = {"increment": torch.stack(errors).mean()}
        return found | ({"totals": torch.stack(missed).mean()} if missed else {})

    def _missed(self, change: Tensor, unit: Tensor) -> Tensor:
        """Mean square of what the totals of a change miss, in units of the typical change at a point."""
        assert self.totals is not None
        rows = self.totals.to(change)
        mean = change.flatten(1, -2).mean(1)
        return ((mean @ rows.T).square() / (unit @ rows.square().T)).mean()
