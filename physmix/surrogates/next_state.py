"""The next stored time from the present one: what a surrogate is trained on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError


class NextState:
    """The losses and errors of a model that advances states by one stored time.

    Args:
        model: takes (batch, *grid, field) one stored time ahead.
        states: one trajectory, (time, *grid, field).
        test_steps: how many of the last steps are held out.
        batch: steps that enter each optimisation step.
        seed: of the batches.

    Raises:
        SettingsError: if no step is left to train on.
    """

    def __init__(
        self,
        model: nn.Module,
        states: Float[Tensor, "time *grid field"],
        *,
        test_steps: int,
        batch: int,
        seed: int,
    ) -> None:
        self.weights = {"increment": 1.0}
        self.model, self.batch, self.seed = model, batch, seed
        self.train_steps = len(states) - 1 - test_steps
        if not 0 < batch <= self.train_steps or test_steps < 1:
            raise SettingsError(
                "the task",
                f"{len(states) - 1} stored steps leave {self.train_steps} for training in batches of {batch}",
                "lower test_steps or batch, or give a longer flow",
            )
        self.states = states
        # A loss of 1 is persistence: repeating the last state.
        increments = states[1 : self.train_steps + 1] - states[: self.train_steps]
        idle = increments.square().flatten(0, -2).mean(0)
        self._persistence = torch.where(idle > 0, idle, torch.ones_like(idle))  # one may be steady

    def to(self, device: torch.device | str) -> None:
        """Move the model and all that its losses need."""
        self.model.to(device)
        self.states, self._persistence = self.states.to(device), self._persistence.to(device)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Mean square error of a batch over that of persistence; the step decides the batch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        chosen = torch.randperm(self.train_steps, generator=generator)[: self.batch].to(self.states.device)
        error = (self.model(self.states[chosen]) - self.states[chosen + 1]).square()
        return {"increment": (error.flatten(0, -2).mean(0) / self._persistence).mean()}

    def predict(self) -> tuple[Tensor, Tensor, Tensor]:
        """Present, predicted and true next states of the held-out steps, (step, *grid, field)."""
        present = self.states[self.train_steps : -1]
        with torch.no_grad():
            return present, self.model(present), self.states[self.train_steps + 1 :]
