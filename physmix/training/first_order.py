"""Adam and SOAP in lawful free coordinates, on all points or on mini-batches."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from physmix.errors import MissingPackageError, SettingsError
from physmix.training.damping import finite_loss
from physmix.training.keeping import packed, unpacked
from physmix.training.trace import Move
from physmix.training.weights import Weights

Maker = Callable[[Sequence[nn.Parameter], float], torch.optim.Optimizer]


def adam(parameters: Sequence[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015)."""
    return torch.optim.Adam(list(parameters), lr=rate)


def soap(parameters: Sequence[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """SOAP (Vyas et al., 2024): Adam in the eigenbasis of Shampoo's preconditioner.

    Raises:
        MissingPackageError: without the package pytorch_optimizer.
    """
    try:
        package = importlib.import_module("pytorch_optimizer")
    except ImportError as error:
        raise MissingPackageError("pytorch_optimizer", "soap") from error
    made: torch.optim.Optimizer = package.SOAP(list(parameters), lr=rate, weight_decay=0.0)
    return made


class FirstOrderRun:
    """Steps of an optimiser of torch, whose rate falls to zero along half a cosine.

    Args:
        weights: what moves; each layer is a matrix of its own to the optimiser.
        make: the optimiser of some parameters.
        rate: of learning, at first.
        batch: how many points in each step, drawn anew, from each term its share; all if omitted.
        seed: of the batches.

    Raises:
        SettingsError: if a number is not positive.
    """

    def __init__(
        self, weights: Weights, make: Maker, rate: float, batch: int | None = None, seed: int = 0
    ) -> None:
        if not rate > 0 or (batch is not None and batch < 1):
            raise SettingsError("a solver", f"rate={rate}, batch={batch}", "give positive numbers")
        finite_loss(weights)
        self._weights, self._rate, self._batch, self._seed = weights, rate, batch, seed
        self._parts = [nn.Parameter(part.clone()) for part in weights.parts(weights.vector())]
        self._optimizer = make([part for part in self._parts if part.numel()], rate)
        self._count, self.reason = 0, ""

    def advance(self, share: float) -> Move | None:
        """Take one step."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
        loss, gradient = self._weights.gradient(self._chosen())
        for part, slope in zip(self._parts, self._weights.parts(gradient), strict=True):
            part.grad = slope.clone()
        before = self._vector()
        self._optimizer.step()
        self._count += 1
        after = self._vector()
        if not bool(after.isfinite().all()):
            self._weights.set(before)
            self.reason = "a number became infinite; give a lower rate"
            return None
        self._weights.set(after)
        length = float((after - before).norm()) / max(float(after.norm()), 1e-300)
        return Move(loss, float(gradient.norm()), length, 0.0)

    def _vector(self) -> Tensor:
        return torch.cat([part.detach().reshape(-1) for part in self._parts])

    def _chosen(self) -> dict[int, Tensor] | None:
        """The places of a batch, by piece: a function of seed and step, so that nothing has to be kept."""
        if self._batch is None:
            return None
        generator = torch.Generator().manual_seed(self._seed + 7919 * self._count)
        lengths = self._weights.residuals.pieces
        share = min(1.0, self._batch / sum(lengths))
        return {
            number: torch.randperm(length, generator=generator)[: max(1, round(share * length))]
            for number, length in enumerate(lengths)
        }

    def state(self) -> dict[str, Tensor]:
        """The weights, the moments and the number of steps."""
        kept: dict[str, Any] = {"optimizer": self._optimizer.state_dict(), "count": self._count}
        return {"weights": self._vector(), "optimizer": packed(kept)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        vector = state["weights"]
        with torch.no_grad():
            for part, value in zip(self._parts, self._weights.parts(vector), strict=True):
                part.copy_(value)
        self._weights.set(vector)
        kept = unpacked(state["optimizer"])
        self._optimizer.load_state_dict(kept["optimizer"])
        self._count = kept["count"]
