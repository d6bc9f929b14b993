"""What a model of the next state is trained and tested on: one stored flow, or a data set of many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.flows import Flow, Windows, gas, read_flow
from physmix.flows.many_files import files_of
from physmix.flows.on_grid import OnGrid
from physmix.surrogates import Pieces, Streamed
from physmix.surrogates.pieces import Batches

Share = tuple[int, int]

_SAMPLED = 8  # batches that sizes and means are taken from
_TESTED = 16  # trajectories, at most


@dataclass(frozen=True)
class Trajectories:
    """Conserved states of a gas, for training and for tests.

    Attributes:
        about: grid, boundaries and constants.
        gamma: ratio of specific heats.
        batches: the pieces of each step.
        sample: some of these, (piece, time, *grid, field).
        test: states that no step has, (trajectory, time, *grid, field) in float64.
        time: of each of these.
    """

    about: OnGrid
    gamma: float
    batches: Batches
    sample: Tensor
    test: Tensor
    time: Tensor

    @classmethod
    def of_flow(
        cls, flow: Flow, *, test_steps: int, unroll: int, batch: int, seed: int, share: Share = (0, 1)
    ) -> Trajectories:
        """All but the last steps of a stored flow for training, and these for the test.

        Of each batch this process has its share: its number, and how many there are.

        Raises:
            SettingsError: if it is no periodic gas, or too few steps are left.
        """
        gamma, states = _gamma(flow, flow.name), _states(flow)
        first = states.shape[1] - 1 - test_steps
        seen = states[:, : first + 1]
        pieces = Pieces(seen, unroll=unroll, batch=batch, seed=seed, share=share)
        sample = seen.unfold(1, unroll + 1, 1).movedim(-1, 2).flatten(0, 1)
        return cls(flow, gamma, pieces, sample, states[:, first:], torch.from_numpy(flow.time[first:]))

    @classmethod
    def of_folder(
        cls,
        folder: Path,
        *,
        unroll: int,
        batch: int,
        seed: int,
        workers: int,
        shards: int = 1,
        share: Share = (0, 1),
    ) -> Trajectories:
        """The splits of a data set in The Well's folders, of which those for training are streamed.

        Of each batch this process has its share: its number, and how many there are. The order is the same
        for any number of processes that divides the shards.

        Raises:
            FlowFileError, SettingsError: if there is no such data set of a periodic gas.
        """
        train, test = (folder / "data" / split for split in ("train", "test"))
        if not (train.is_dir() and test.is_dir()):
            problem = f"{folder} has no folders data/train and data/test"
            raise SettingsError("the data", problem, "make them with: physmix-simulate ensemble=NAME")

        def windows(process: Share) -> Windows:
            return Windows(
                train,
                horizon=unroll,
                batch=batch,
                seed=seed,
                conserved=True,
                dtype=torch.float64,
                shards=share[1] if shards == 1 else shards,
                process=process,
            )

        about = windows(share).metadata
        gamma = _gamma(about, about.name)
        batches = Streamed(windows(share), workers=workers)
        # All processes must agree on sizes and means.
        seen = batches if share[1] == 1 else Streamed(windows((0, 1)))
        sample = torch.cat([seen(step) for step in range(_SAMPLED)])
        flows = [read_flow(path) for path in files_of(test)]
        states = torch.cat([_states(flow) for flow in flows])[:_TESTED]
        return cls(about, gamma, batches, sample, states, torch.from_numpy(flows[0].time))

    @property
    def fields(self) -> tuple[str, ...]:
        """The conserved variables."""
        return gas.conserved_names(self.about.axes)

    @property
    def primitive_fields(self) -> tuple[str, ...]:
        """The primitive variables."""
        return gas.primitive_names(self.about.axes)

    def primitive(self, states: Tensor) -> Tensor:
        """Primitive variables of conserved ones."""
        return torch.stack(gas.primitive(*states.unbind(-1), gamma=self.gamma), -1)

    def sizes(self) -> tuple[dict[str, float], dict[str, float]]:
        """Deviation and mean of each conserved variable; 1 for what is the same everywhere."""
        flat = self.sample.flatten(0, -2)
        spread, resolved = flat.std(0), torch.finfo(flat.dtype).eps * flat.abs().amax(0)
        found = (
            torch.where(spread > resolved, spread, torch.ones_like(spread)).tolist(),
            flat.mean(0).tolist(),
        )
        size, mean = (dict(zip(self.fields, values, strict=True)) for values in found)
        return size, mean

    def floor(self, share: float) -> Mapping[str, float]:
        """A share of the least density and pressure of the sample."""
        least = self.primitive(self.sample).flatten(0, -2).amin(0).tolist()
        lowest = dict(zip(self.primitive_fields, least, strict=True))
        return {name: share * lowest[name] for name in ("density", "pressure")} if share else {}


def _gamma(about: OnGrid, name: str) -> float:
    gamma = about.parameters.get("gamma", float("nan"))
    if not (gamma > 1 and about.periodic):
        raise SettingsError(
            "the data",
            f"the flow {name!r} is not a periodic gas with a scalar gamma",
            "store gamma in /scalars, and periodic boundary conditions",
        )
    return gamma


def _states(flow: Flow) -> Tensor:
    """Conserved variables, (trajectory, time, *grid, field) in float64."""
    names = gas.primitive_names(flow.axes)
    if missing := [name for name in names if name not in flow.components]:
        problem = f"the flow {flow.name!r} has no {listing(missing)}"
        raise SettingsError("the data", problem, f"give a flow with {listing(names)}")
    parts = [torch.from_numpy(flow.component(name)).double() for name in names]
    return torch.stack(gas.conserved(*parts, gamma=_gamma(flow, flow.name)), -1)
