"""Fields mixed from the derivatives of potentials: lawful everywhere, whatever the network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError, ShapeError
from physmix.jets import Jet, JetSpace, compilation, push, seed
from physmix.laws import (
    Law,
    Scaling,
    compile_complete,
    compile_laws,
    particular_field,
    wall_bias,
    wall_classes,
)
from physmix.mixing.claim import claim_laws
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.walled import Lifting, Wall, WalledPotentials, shared_out, weight_rows
from physmix.operators import Operators


class PotentialModel(nn.Module):
    """y(x) = y_p(x) + beta + W D phi(x): a mixing layer over derivatives of a network.

    y_p is zero unless a law with derivatives has a source; see `particular_field`.

    Args:
        network: the potentials, a pointwise network from len(coordinates) inputs to `potentials`
            outputs, made of modules with a jet rule (`nn.Linear`, `nn.Tanh`, ...).
        laws: the laws to hold, possibly none.
        fields: the output channels.
        potentials: the outputs of the network.
        order: of the derivatives that are mixed; omitted, the lowest for each field with which every
            lawful field is reached.
        scaling: units in which coordinates and fields are of size one.
        mean: where the fields start, by name, when the laws allow it; zero if omitted.
        generator: source of the initial mixing weights.
        walls: where fields equal the liftings. The potentials are shared out among the classes of
            `wall_classes`, each multiplied by its powers of the distances.
        liftings: given potentials that carry the values on walls, or what no other potential reaches.
        gauge: whether potentials that others stand in for are left out, which a convex domain without
            walls, liftings and periodic coordinates allows; see `compile_complete`. It asks for `order` to
            be omitted.
        compiled: whether jets are pushed in compiled kernels; see `physmix.jets.compilation`. It may
            be set at any time, and is no part of the weights.

    Raises:
        UnknownFieldError, UnsupportedLawError, ContradictionError, NoFreedomError: if the laws
            cannot be held, or not with the walls; see `compile_laws` and `wall_classes`.
        SettingsError: if a wall or lifting does not fit, or there are too few potentials.
    """

    def __init__(
        self,
        network: nn.Module,
        laws: Iterable[Law],
        fields: Sequence[str],
        *,
        coordinates: Sequence[str],
        potentials: int,
        order: int | None = None,
        scaling: Scaling | None = None,
        mean: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
        walls: Sequence[Wall] = (),
        liftings: Sequence[Lifting] = (),
        gauge: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        scaling = scaling or Scaling()
        self.network, self.laws = network, tuple(laws)
        self.fields, self.coordinates = tuple(fields), tuple(coordinates)
        self.scaling, self.compiled = scaling, compiled
        self.claim = claim_laws(self.laws, self.fields)
        scaled = [scaling.apply(law) for law in self.laws]
        for law in scaled:
            law.check_fields(self.fields)
        # Sources are carried by a known field; the weights hold the homogeneous half.
        self.particular = particular_field(scaled, self.fields)
        scaled = [law.homogeneous() if law.order else law for law in scaled]
        if walls and self.particular.coefficients:
            raise SettingsError(
                "a model with walls",
                "a law has a source, whose field does not vanish there",
                "take the source into a lifting, and write the law with = 0",
            )
        if gauge and (walls or liftings or order is not None):
            problem = "walls, liftings or an order of one's own need all potentials"
            raise SettingsError("a model in a gauge", problem, "leave gauge out")
        if order is None:
            constraint = compile_complete(scaled, self.fields, self.coordinates, gauge=gauge)
        else:
            constraint = compile_laws(scaled, self.fields, Operators.derivatives(self.coordinates, order))
        operators = constraint.operators
        self.order = operators.order
        self.register_buffer("centre", _vector(scaling.centre, self.coordinates, 0.0))
        self.register_buffer("length", _vector(scaling.length, self.coordinates, 1.0))
        rows = None
        if walls or liftings:
            rules = [wall.rule(self.coordinates) for wall in walls]
            classes = wall_classes(scaled, self.fields, operators, rules, scaling)
            counts = shared_out(potentials, [f"d^{one.powers}" for one in classes])
            rows = weight_rows(counts, classes, [one.row(constraint, scaling) for one in liftings])
            constraint = replace(constraint, bias=wall_bias(constraint, rules))
            self.network = WalledPotentials(
                network, counts, classes, walls, liftings, centre=self.centre, length=self.length
            )
        total = potentials + len(liftings)
        self.mixing = LawfulLayer(constraint, total, gain=0.2, generator=generator, rows=rows)
        self.register_buffer("size", _vector(scaling.size, self.fields, 1.0))
        with torch.no_grad():
            start = _vector(mean or {}, self.fields, 0.0) / self.size
            self.mixing.bias.copy_(constraint.bias.project(start))
        # The network decides the precision, so that torch's default float32 works as well.
        precision = next((p.dtype for p in network.parameters()), torch.float64)
        self.to(precision)

    centre: Tensor
    length: Tensor
    size: Tensor

    def jet(self, points: Float[Tensor, "point coordinate"], order: int | JetSpace | None = None) -> Jet:
        """The jet of the potentials in scaled coordinates.

        Args:
            points: in physical coordinates.
            order: of the highest derivatives, or the space of those to carry; by default, what is mixed.
        """
        if points.ndim != 2 or points.shape[1] != len(self.coordinates):
            raise ShapeError("points", points.shape, f"(points, {len(self.coordinates)})")
        scaled = (points - self.centre) / self.length
        if order is None:
            order = JetSpace.closure(self.mixing.constraint.operators.monomials)
        with compilation(wanted=self.compiled):
            return push(self.network, seed(scaled, order))

    def forward(self, points: Float[Tensor, "point coordinate"]) -> Float[Tensor, "point field"]:
        """The fields at points given in physical coordinates."""
        mixed = self.mixing.constraint.operators.monomials
        fields = self.mixing(self.jet(points).derivatives(mixed))
        if self.particular.coefficients:
            fields = fields + self.particular((points - self.centre) / self.length)
        return self.size * fields


def _vector(values: Mapping[str, float], names: Sequence[str], default: float) -> Tensor:
    return torch.tensor([values.get(name, default) for name in names], dtype=torch.float64)


def pointwise_network(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    activation: type[nn.Module] = nn.Tanh,
    *,
    slope: float = 4.0,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """A float64 multilayer perceptron for inputs in [-1, 1]^inputs.

    The first layer has features whose slopes have root mean square `slope` along each input and
    whose centres are uniform in the box; so every part of the domain is resolved from the start.
    """
    sizes = [inputs, *hidden, outputs]
    layers: list[nn.Module] = []
    for depth, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(fan_in, fan_out, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.normal_(0.0, fan_in**-0.5, generator=generator)
            layer.bias.zero_()
            if depth == 0:
                layer.weight.mul_(slope * fan_in**0.5)
                centre = torch.empty(fan_out, fan_in, dtype=torch.float64)
                centre.uniform_(-1.0, 1.0, generator=generator)
                layer.bias.copy_(-(layer.weight * centre).sum(1))
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])
