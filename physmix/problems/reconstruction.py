"""A compressible flow from a few of its points: data, and the constitutive relation as residual.

The fields are the space-time tensor (rho, m, Sigma). Laws of mass and momentum are linear in it and
belong to the weights; what is left to learn is Sigma = m m^T / rho + p I, an algebraic residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.flows import Flow, KnownFlow, gas

COORDINATES = ("t", "x", "y")


@dataclass(frozen=True)
class FlowSamples:
    """Points and values of a flow: what is trained on, where residuals are taken, what is held out.

    Attributes:
        points: (sample, 3) of t, x, y; values: (sample, 6) of the space-time tensor.
        collocation: (point, 3), where the constitutive residual is taken.
        test_points, test_values: times and places that training never sees; values are primitive.
    """

    points: Tensor
    values: Tensor
    collocation: Tensor
    test_points: Tensor
    test_values: Tensor

    @property
    def sizes(self) -> dict[str, float]:
        """The standard deviation of each field over the samples."""
        return dict(zip(gas.SPACE_TIME, self.values.std(0).tolist(), strict=True))

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each field over the samples."""
        return dict(zip(gas.SPACE_TIME, self.values.mean(0).tolist(), strict=True))


def sample_flow(flow: Flow, *, fraction: float, collocation: int, hold_out: int, seed: int) -> FlowSamples:
    """Draw training samples from a flow, and keep times and places aside for testing.

    Args:
        flow: two-dimensional, with density, velocity and pressure; its first trajectory is used.
        fraction: of all stored points and times, those that are trained on.
        collocation: quasi-random points of the domain (scrambled Sobol).
        hold_out: every hold_out-th time, and one in hold_out of the places, are kept aside.
        seed: of all draws.

    Raises:
        SettingsError: if the flow or the numbers do not fit.
    """
    values = primitive_tensor(flow)
    if hold_out < 2 or len(flow.time) < hold_out:
        raise SettingsError(
            "the task",
            f"hold_out={hold_out} of {len(flow.time)} times keeps nothing apart",
            "give a number from 2 to the number of stored times",
        )
    generator = torch.Generator().manual_seed(seed)
    time, x, y = (torch.from_numpy(a).double() for a in (flow.time, *flow.axes.values()))
    places = torch.cartesian_prod(x, y)
    values = values.reshape(len(time), len(places), -1)
    test_time = torch.arange(len(time)) % hold_out == hold_out // 2
    order = torch.randperm(len(places), generator=generator)
    test_place = torch.zeros(len(places), dtype=torch.bool)
    test_place[order[: len(places) // hold_out]] = True

    def at(times: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        t = time[times].repeat_interleave(int(where.sum()))
        xy = places[where].repeat(int(times.sum()), 1)
        return torch.cat([t[:, None], xy], 1), values[times][:, where].flatten(0, 1)

    points, seen = at(~test_time, ~test_place)
    count = round(fraction * len(time) * len(places)) if 0 < fraction <= 1 else 0
    if collocation < 1:
        raise SettingsError("the task", f"collocation={collocation}", "give a number from 1 up")
    if not 0 < count <= len(points):
        raise SettingsError(
            "the task",
            f"fraction={fraction} asks for {count} samples of {len(points)}",
            "give a fraction between 0 and 1 that leaves the held-out points alone",
        )
    chosen = torch.randperm(len(points), generator=generator)[:count]
    box = torch.tensor([flow.box()[name] for name in COORDINATES], dtype=torch.float64)
    sobol = torch.quasirandom.SobolEngine(3, scramble=True, seed=seed)
    inside = box[:, 0] + (box[:, 1] - box[:, 0]) * sobol.draw(collocation, dtype=torch.float64)
    tensor = torch.stack(gas.space_time(*seen[chosen].unbind(-1)), -1)
    return FlowSamples(points[chosen], tensor, inside, *at(test_time, test_place))


def primitive_tensor(flow: Flow) -> Tensor:
    """Density, velocities and pressure of the first trajectory, (time, x, y, 4) in float64.

    Raises:
        SettingsError: if the flow is not two-dimensional or a field is missing.
    """
    missing = [name for name in gas.PRIMITIVE if name not in flow.components]
    if missing or tuple(flow.axes) != COORDINATES[1:]:
        raise SettingsError(
            "the data",
            f"the flow {flow.name!r} has {', '.join(flow.components)} over {', '.join(flow.axes)}",
            f"give a flow with {', '.join(gas.PRIMITIVE)} over x, y",
        )
    return torch.stack([torch.from_numpy(flow.component(n)[0]).double() for n in gas.PRIMITIVE], -1)


class FlowReconstruction:
    """The losses and errors of a model that reconstructs a flow.

    Args:
        model: takes points (t, x, y) to the space-time tensor.
        samples: from `sample_flow`.
        constitutive_weight: of the constitutive residual against the data.
        share: the number of this process, and how many train together: each has every so many-th point,
            and the mean of their losses is that of all points.

    Raises:
        SettingsError: if there are more processes than points.
    """

    def __init__(
        self,
        model: nn.Module,
        samples: FlowSamples,
        *,
        constitutive_weight: float = 1.0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.model, self.samples = model, samples
        self.weights = {"data": 1.0, "constitutive": constitutive_weight}
        seen, inside = samples.points, samples.collocation
        if min(len(seen), len(inside)) < share[1]:
            problem = f"{len(seen)} samples and {len(inside)} points for {share[1]} processes"
            raise SettingsError("the task", problem, "train with fewer processes")
        own = slice(share[0], None, share[1])
        self._points, self._values = torch.cat([seen[own], inside[own]]), samples.values[own]
        # Shares may differ by a point, and each counts as what it is; one where a process is alone.
        counted = (len(self._values), len(seen)), (len(self._points), len(seen) + len(inside))
        self._parts = [share[1] * mine / all_ for mine, all_ in counted]
        size = samples.values.std(0)
        self._size = torch.where(size > 0, size, torch.ones_like(size))  # a field may be constant

    def to(self, device: torch.device | str) -> None:
        """Move the model and all that its losses need."""
        self.model.to(device)
        self._points, self._size = self._points.to(device), self._size.to(device)
        self._values = self._values.to(device)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Mean squares of the data misfit and of the constitutive residual, each of size one."""
        del step  # all points, at every step
        fields = self.model(self._points)
        misfit = (fields[: len(self._values)] - self._values) / self._size
        shear, normal = gas.constitutive_residual(*fields.unbind(-1))
        size = dict(zip(gas.SPACE_TIME, self._size, strict=True))
        residual = torch.stack([shear / size["sxy"], normal / size["sxx"]])
        means = misfit.square().mean(), residual.square().mean()
        data, constitutive = (part * mean for part, mean in zip(self._parts, means, strict=True))
        return {"data": data, "constitutive": constitutive}

    def predict(self, points: Tensor) -> Tensor:
        """Primitive variables at points, (point, 4)."""
        with torch.no_grad():
            parts = [self.model(part) for part in points.split(8192)]
        return torch.stack(gas.primitive_from_space_time(*torch.cat(parts).unbind(-1)), -1)

    def errors(self) -> dict[str, float]:
        """Relative L2 error of each primitive field at the held-out times and places."""
        return relative_errors(self.predict(self.samples.test_points), self.samples.test_values)

    def exact_errors(self, exact: KnownFlow) -> dict[str, float]:
        """The same against an exact solution with the primitive fields."""
        points = self.samples.test_points
        fields = exact.fields(points)
        return relative_errors(self.predict(points), torch.stack([fields[n] for n in gas.PRIMITIVE], -1))


def relative_errors(
    predicted: Tensor, true: Tensor, names: Sequence[str] = gas.PRIMITIVE
) -> dict[str, float]:
    """|predicted - true| / |true| in L2 over all but the last axis, by field.

    Where the true field is zero the error is absolute.
    """
    axes = tuple(range(true.ndim - 1))
    size = true.square().sum(axes).sqrt()
    error = (predicted - true).square().sum(axes).sqrt()
    ratio = error / torch.where(size > 0, size, torch.ones_like(size))
    return dict(zip(names, ratio.tolist(), strict=True))
