"""What a run has done so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class History:
    """Losses by step, and what they took.

    Attributes:
        steps: of the optimiser, from 1 up.
        losses: by name, one for each step.
        seconds: of training.
        samples: that were gone through, in all processes; a sample may be gone through many times.
    """

    steps: list[int] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    samples: int = 0

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """Record the losses of a step."""
        self.steps.append(step)
        for name, value in losses.items():
            self.losses.setdefault(name, []).append(value)

    @property
    def throughput(self) -> float:
        """Samples in a second of training."""
        return self.samples / self.seconds if self.seconds else 0.0

    def state(self) -> dict[str, Any]:
        """A copy, as plain numbers."""
        losses = {name: list(values) for name, values in self.losses.items()}
        return {
            "steps": list(self.steps),
            "losses": losses,
            "seconds": self.seconds,
            "samples": self.samples,
        }
