"""The next stored time from the present one: what a surrogate is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.laws import Law
from physmix.surrogates.pieces import Batches


def total_rows(laws: Iterable[Law], fields: Sequence[str]) -> Float[Tensor, "law field"]:
    """What each integral law counts of each field."""
    rows = [
        [float(sum(v for (name, _), v in law.terms.items() if name == field)) for field in fields]
        for law in laws
        if law.integral
    ]
    return torch.tensor(rows, dtype=torch.float64).view(-1, len(fields))


def drawn_noise(
    shape: Sequence[int], *, seed: int, step: int, places: Iterable[int]
) -> Float[Tensor, "place ..."]:
    """Normal noise of deviation one for the pieces at some places in the batch of a step.

    It follows from the seed, the step and the place alone: a piece has the same noise however many processes
    share the batch, and again after a resume.
    """
    draw = (np.random.default_rng([seed, step, place]).standard_normal(shape) for place in places)
    return torch.from_numpy(np.stack(list(draw)))


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
        self.weights: Mapping[str, float] = {"increment": 1.0} | ({"totals": penalty} if penalty else {})
        self.totals = totals
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
            drawn = drawn_noise(state.shape[1:], seed=self.seed, step=step, places=self.batches.places)
            state = state + self.noise * unit[0].sqrt() * drawn.to(state)
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
