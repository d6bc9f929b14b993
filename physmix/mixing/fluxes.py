"""Changes of state as fluxes through the faces of cells: what leaves a cell enters its neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError, ShapeError, listing
from physmix.grids import BoundedAxis, StaggeredGrid, neighbour_operators
from physmix.laws import Law, Scaling, compile_laws
from physmix.mixing.claim import claim_laws
from physmix.mixing.lawful import LawfulLayer
from physmix.mixing.precision import in_full_precision


@dataclass(frozen=True)
class Fluxes:
    """What passes through each face of a grid in one step, and what comes from nowhere.

    Attributes:
        grid: of the cells.
        faces: for each coordinate what passes through its faces towards larger values, for a cell of
            mean width along it: (batch, *faces, field), in units of the fields.
        source: what is added in each cell besides, (batch, *cells, field); None for nothing.
    """

    grid: StaggeredGrid
    faces: tuple[Tensor, ...]
    source: Tensor | None = None

    def map(self, function: Callable[..., Tensor], *others: Fluxes) -> Fluxes:
        """A function of the tensors of these and others, each at its place."""
        faces = tuple(function(*parts) for parts in zip(self.faces, *(o.faces for o in others), strict=True))
        sources = [one.source for one in (self, *others)]
        return replace(self, faces=faces, source=None if self.source is None else function(*sources))

    def shared(self, faces: Sequence[Tensor], source: Tensor | None) -> Fluxes:
        """Each flux, and the source, times a share."""
        return self.map(torch.mul, Fluxes(self.grid, tuple(faces), source))

    def gains(self) -> list[Float[Tensor, "batch *cells field"]]:
        """What each cell gains through the face before it and that after it, along each coordinate."""
        found = []
        for dimension, (axis, face) in enumerate(zip(self.grid.axes.values(), self.faces, strict=True)):
            before, after = axis.neighbours(face, dimension + 1, axis.moved(0, -1))
            if isinstance(axis, BoundedAxis):  # the cells of a periodic one have one width
                width = axis.spacing(1).to(face)
                ratio = (width.mean() / width).view(
                    [-1 if i == dimension + 1 else 1 for i in range(face.ndim)]
                )
                before, after = before * ratio, after * ratio
            found += [before, -after]
        return found

    def change(self) -> Float[Tensor, "batch *cells field"]:
        """What each cell gains in all."""
        gains = self.gains() if self.source is None else [*self.gains(), self.source]
        total = gains[0]
        for gain in gains[1:]:
            total = total + gain
        return total

    def through_ends(self) -> Float[Tensor, "batch field"]:
        """What the whole domain gains through its ends: nothing of a field that is closed there.

        The total of a field is the sum of its values times the volumes of the cells; it changes by this
        and by the total of the source alone.
        """
        volumes = self.grid.volumes((0,) * len(self.faces)).to(self.faces[0])[..., None]
        gains = self.gains()
        total = gains[0].new_zeros(gains[0].shape[0], gains[0].shape[-1])
        for dimension, axis in enumerate(self.grid.axes.values()):
            if isinstance(axis, BoundedAxis):
                for gain, end in ((gains[2 * dimension], 0), (gains[2 * dimension + 1], -1)):
                    entering = gain.select(dimension + 1, end) * volumes.select(dimension, end)
                    total = total + entering.reshape(len(total), -1, total.shape[1]).sum(1)
        return total


class FluxLayer(nn.Module):
    """Potentials in each cell in, a change of state out whose totals are those of fluxes through the ends.

        grid = StaggeredGrid({"x": PeriodicAxis(64, 1.0), "y": BoundedAxis(edges)})
        layer = FluxLayer(grid, laws, ["rho", "mx", "my", "E"], 32, closed=["rho", "mx", "E"])
        after = before + layer(network(before)).change()

    It is a mixing layer over the identity and the differences of neighbours, as in a `MixingBlock`: a law
    about a total leaves the weights of the differences free, and restricts those of the identity. What
    the differences add is here told face by face, so that walls can close a face, open ends can be
    accounted for, and a limiter can hold back what would empty a cell.

    Args:
        grid: of the cells, periodic or with ends, of any widths.
        laws: integral or pointwise ones to hold together, of the change of state.
        fields: of the state, in order.
        potentials: their number.
        closed: the fields of which nothing passes the walls.
        walls: the coordinates with walls at both ends; all with ends if omitted. Other ends are open.
        size: typical change of each field by name, in which the weights are of size one.
        gain: size of the initial changes, in these units.
        generator: source of the initial weights.

    Attributes:
        mixing: the layer that an optimiser trains, through `projected`.

    Raises:
        SettingsError: if a closed field or a coordinate with walls is not there.
        UnknownFieldError, UnsupportedLawError, ContradictionError, NoFreedomError: see `compile_laws`.
    """

    def __init__(
        self,
        grid: StaggeredGrid,
        laws: Iterable[Law],
        fields: Sequence[str],
        potentials: int,
        *,
        closed: Iterable[str] = (),
        walls: Iterable[str] | None = None,
        size: Mapping[str, float] | None = None,
        gain: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.fields, self.laws = grid, tuple(fields), tuple(laws)
        closed = tuple(closed)
        ends = [name for name, axis in grid.axes.items() if isinstance(axis, BoundedAxis)]
        walls = ends if walls is None else list(walls)
        for names, known, what in ((closed, self.fields, "field"), (walls, grid.coordinates, "coordinate")):
            if unknown := [name for name in names if name not in known]:
                raise SettingsError(
                    "a flux layer", f"it has no {what} {listing(unknown)}", f"choose from {listing(known)}"
                )
        dimensions = len(grid.axes)
        constraint = compile_laws(
            # What is added is the difference of two lawful states.
            [law.homogeneous() for law in self.laws],
            self.fields,
            neighbour_operators(dimensions),
            scaling=Scaling(size=dict(size or {})),
        )
        self.mixing = LawfulLayer(constraint, potentials, gain=gain, generator=generator)
        open_ = torch.tensor([name not in closed for name in self.fields], dtype=torch.float64)
        for dimension, (name, axis) in enumerate(grid.axes.items()):
            mask = None
            if name in walls and name in ends:
                mask = torch.ones(axis.size(1), *[1] * (dimensions - 1 - dimension), len(self.fields))
                mask[[0, -1]] = open_.to(mask)
            self.register_buffer(f"passing_{dimension}", mask, persistent=False)
        # Where every field is in a law of its own, the weights of the identity and the bias are zero.
        own = self.mixing.weight.detach().view(potentials, len(self.fields), -1)[..., 0]
        self.sources = bool(own.any()) or constraint.bias.nullity > 0
        self.mixing.bias.requires_grad_(self.sources)
        # A flux that is rounded leaves one cell and enters the other all the same: totals do not see it.
        self.any_precision = not self.sources and all(law.integral for law in self.laws)
        self.claim = claim_laws(self.laws, self.fields)

    @in_full_precision
    def forward(self, potentials: Float[Tensor, "batch *cells potential"]) -> Fluxes:
        """The fluxes that potentials make.

        Raises:
            ShapeError: if the potentials are not in the cells of the grid, or of another number.
        """
        cells, mixing = self.grid.shape((0,) * len(self.grid.axes)), self.mixing
        if tuple(potentials.shape[1:]) != (*cells, mixing.weight.shape[0]):
            expected = f"(batch, {listing((*cells, mixing.weight.shape[0]))})"
            raise ShapeError("the potentials", potentials.shape, expected)
        # Mixing and shifting commute, and there are fewer fields than potentials.
        count = len(self.fields)
        weight = mixing.weight.view(-1, count, len(mixing.constraint.operators)).transpose(1, 2)
        if mixing.size is not None:
            weight = weight * mixing.size
        weight = weight.reshape(len(weight), -1)
        dtype = potentials.dtype if self.any_precision else weight.dtype
        own, *neighbours = (potentials.to(dtype) @ weight.to(dtype)).split(count, -1)
        bias = mixing.bias if mixing.size is None else mixing.bias * mixing.size
        faces = []
        for dimension, axis in enumerate(self.grid.axes.values()):
            forward, backward = neighbours[2 * dimension : 2 * dimension + 2]
            # (S - 1) a + (1 - 1/S) b is the difference over a cell of S a + b, which lives on faces.
            face = -axis.around(forward, dimension + 1)[1] - axis.around(backward, dimension + 1)[0]
            passing = getattr(self, f"passing_{dimension}")
            faces.append(face if passing is None else face * passing.to(face))
        return Fluxes(self.grid, tuple(faces), own + bias if self.sources else None)

    def extra_repr(self) -> str:
        """Laws, for print(module)."""
        return f"fields={', '.join(self.fields)}, laws={', '.join(law.name for law in self.laws) or 'none'}"
