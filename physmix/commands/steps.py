"""Networks with a lawful head, as they are configured and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from physmix.checking import Finding, judge_rollout, random_states
from physmix.commands.description import Description
from physmix.commands.laws import LawTexts
from physmix.commands.registry import at_least
from physmix.errors import SettingsError
from physmix.grids import Axis, BoundedAxis, PeriodicAxis, StaggeredGrid
from physmix.laws import Law
from physmix.mixing import FluxLayer
from physmix.surrogates import LawfulStep, PositiveGas, rollout
from physmix.surrogates.networks import UNet, drawn_from, fourier_operator, u_shaped_operator


def build_fourier(
    *,
    description: Description,
    generator: torch.Generator | None,
    potentials: int,
    modes: int,
    width: int,
    depth: int,
) -> LawfulStep:
    """A Fourier neural operator."""
    at_least("the model", 1, modes=modes, width=width, depth=depth)
    return _step(
        description,
        generator,
        potentials,
        lambda fields, over: fourier_operator(
            fields, potentials, over, modes=modes, width=width, depth=depth
        ),
    )


def build_u_shaped(
    *, description: Description, generator: torch.Generator | None, potentials: int, modes: int, width: int
) -> LawfulStep:
    """A U-shaped neural operator."""
    at_least("the model", 1, modes=modes, width=width)
    return _step(
        description,
        generator,
        potentials,
        lambda fields, over: u_shaped_operator(fields, potentials, over, modes=modes, width=width),
    )


def build_u_net(
    *, description: Description, generator: torch.Generator | None, potentials: int, width: int, levels: int
) -> LawfulStep:
    """A convolutional U-Net."""
    at_least("the model", 1, width=width, levels=levels)
    return _step(
        description,
        generator,
        potentials,
        lambda fields, over: UNet(fields, potentials, over, width=width, levels=levels),
    )


STEPS: dict[str, Callable[..., nn.Module]] = {
    "fno": build_fourier,
    "uno": build_u_shaped,
    "unet": build_u_net,
}


def _step(
    description: Description,
    generator: torch.Generator | None,
    potentials: int,
    network: Callable[[int, int], nn.Module],
) -> LawfulStep:
    """A network of so many fields over so many dimensions, with a lawful head."""
    at_least("the model", 1, potentials=potentials)
    grid, fields = _grid(description), description["fields"]
    head = FluxLayer(
        grid,
        LawTexts.of(description["laws"]).parse(description["coordinates"]),
        fields,
        potentials,
        size=description["size"],
        generator=generator,
    )
    with drawn_from(generator):
        made = network(len(fields), len(grid.axes))
    floor, members = description["floor"], None
    if floor:
        try:
            gamma, least = description["constants"]["gamma"], (floor["density"], floor["pressure"])
        except KeyError as error:
            raise SettingsError("the model", f"{error} is not given", "train again") from error
        members = PositiveGas(fields, gamma, density=least[0], pressure=least[1])
    return LawfulStep(made, head, mean=description["mean"], size=description["size"], members=members)


def _grid(description: Description) -> StaggeredGrid:
    axes: dict[str, Axis] = {}
    for name, cells in description["cells"].items():
        low, high = description["box"][name]
        if description["boundary"].get(name) == "PERIODIC":
            axes[name] = PeriodicAxis(cells, high - low)
        else:
            axes[name] = BoundedAxis(torch.linspace(low, high, cells + 1, dtype=torch.float64))
    return StaggeredGrid(axes)


def judge_step(model: LawfulStep, description: Description, laws: Iterable[Law], seed: int) -> list[Finding]:
    """Over a roll-out in float64 from fresh random states around the mean of the flow."""
    cells = list(description["cells"].values())
    start = random_states(model.mean, 0.2 * model.size, cells, batch=2, seed=seed)
    return judge_rollout(rollout(model, start, 20), model.fields, laws)
