"""What a lawful module says of its output, and what is known of a tensor that was made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_EQUAL = 1e-12  # factors that differ by more are different


@dataclass(frozen=True)
class Relation:
    """A law, as far as what follows a layer can break it.

    Attributes:
        name: of the law.
        fields: that it speaks of.
        constant: the coefficients of its terms without derivatives: what it says of constants.
        pointwise: whether it has no others, so that it holds at each point by itself.
        source: its right side.
    """

    name: str
    fields: tuple[str, ...]
    constant: Mapping[str, float]
    pointwise: bool
    source: float


@dataclass(frozen=True)
class Claim:
    """The laws that the output of a module obeys; a module has it as its attribute `claim`.

    Attributes:
        fields: the channels of the output, along its last axis.
        relations: the laws.
        kept: whether the module keeps what its input has, rather than makes it.
    """

    fields: tuple[str, ...]
    relations: tuple[Relation, ...]
    kept: bool = False


@dataclass(frozen=True)
class Broken:
    """A tensor of which the laws no longer hold, and what broke them."""

    layer: str
    laws: tuple[str, ...]
    where: str
    what: str


@dataclass(frozen=True, eq=False)
class Track:
    """A tensor made from lawful fields y, each entry a factor times one of y, plus given lawful parts.

    Attributes:
        claim: of the layer.
        layer: its name.
        call: which call of the layer gave y.
        field, point: of each entry, as integers; -1 for an entry that is none of y.
        factor: of each entry.
        weight: how often the sources of the laws are in it, before the factor.
    """

    claim: Claim
    layer: str
    call: object
    field: Tensor
    point: Tensor
    factor: Tensor
    weight: float = 1.0

    @classmethod
    def of(cls, claim: Claim, layer: str, output: Tensor) -> Track:
        """That of the output of a layer."""
        shape, device = output.shape, output.device
        field = torch.arange(shape[-1], device=device).expand(shape)
        points = output.numel() // shape[-1]
        point = torch.arange(points, device=device).view(*shape[:-1], 1).expand(shape)
        factor = torch.ones(shape, dtype=torch.float64, device=device)
        return cls(claim, layer, object(), field, point, factor)

    def broken(self, where: str, what: str) -> Broken:
        """What is left of it after something that breaks the laws."""
        return Broken(self.layer, tuple(relation.name for relation in self.claim.relations), where, what)

    def entries(self, field: Tensor, point: Tensor, factor: Tensor) -> Track:
        """Other entries of the same fields."""
        return replace(self, field=field, point=point, factor=factor)

    def moved(self, move: Callable[[Tensor], Tensor]) -> Track:
        """The same entries in another arrangement."""
        return self.entries(move(self.field), move(self.point), move(self.factor))

    def scaled(self, factor: Tensor | float) -> Track:
        """Its multiple, entry by entry."""
        new = self.factor * factor
        return replace(self.moved(lambda x: x.expand(new.shape)), factor=new)

    def plus(self, other: Track, sign: float) -> Track | None:
        """The sum or difference of two, or None if their entries do not belong together."""
        same = (self.claim.fields, self.claim.relations) == (other.claim.fields, other.claim.relations)
        if not (same and torch.equal(self.field, other.field) and torch.equal(self.point, other.point)):
            return None
        known = self.field >= 0
        ratio = other.factor[known] / self.factor[known]
        if not _alike(ratio):
            return None
        share = float(ratio[0]) if ratio.numel() else 0.0
        return replace(self, weight=self.weight + sign * share * other.weight)

    def missed(self, given: Tensor) -> str | None:
        """The name of a law that a given part does not obey, as far as its values show.

        Where a law has derivatives, only what it says of constants is seen.
        """
        tolerance = 1e-12 if given.dtype == torch.float64 else 1e-5
        given = given.detach().double().expand(self.factor.shape)
        known = self.field >= 0
        field, point, value = self.field[known], self.point[known], (given / self.factor)[known]
        for relation in self.claim.relations:
            if not relation.constant or not len(value):
                continue
            size = value.new_tensor([relation.constant.get(name, 0.0) for name in self.claim.fields])
            terms = size[field] * value
            net = value.new_zeros(int(point.max()) + 1).index_add_(0, point, terms)
            total = torch.zeros_like(net).index_add_(0, point, terms.abs())
            steady = relation.pointwise or all(
                _alike(value[field == self.claim.fields.index(name)]) for name in relation.constant
            )
            if steady and bool(net.abs().max() > tolerance * total.max()):
                return relation.name
        return None


def _alike(values: Tensor) -> bool:
    return not values.numel() or bool(values.max() - values.min() <= _EQUAL * values.abs().max())


def joined(tracks: Sequence[Track]) -> list[Track] | None:
    """The same tracks with the fields and laws of all in one claim; None if their weights differ."""
    calls = {id(track.call): track for track in tracks}
    if len(calls) == 1:
        return list(tracks)
    if len({track.weight for track in tracks}) > 1:
        return None
    fields: list[str] = []
    relations: list[Relation] = []
    start: dict[int, int] = {}
    for number, track in calls.items():
        start[number] = len(fields)
        own = f"{len(start)}."  # two layers may have fields of one name
        fields += [own + name for name in track.claim.fields]
        relations += [
            replace(
                one,
                fields=tuple(own + name for name in one.fields),
                constant={own + name: value for name, value in one.constant.items()},
            )
            for one in track.claim.relations
        ]
    claim, call = Claim(tuple(fields), tuple(relations)), tuple(calls)
    layer = " and ".join(track.layer for track in calls.values())
    return [
        replace(
            track,
            claim=claim,
            layer=layer,
            call=call,
            field=torch.where(track.field < 0, -1, track.field + start[id(track.call)]),
        )
        for track in tracks
    ]


def complaint(tracks: Sequence[Track]) -> str | None:
    """Why the laws do not hold of tensors that were made from one call of a layer; None if they do."""
    claim = tracks[0].claim
    field, point, factor = (
        torch.cat([getattr(track, name).flatten() for track in tracks])
        for name in ("field", "point", "factor")
    )
    for relation in claim.relations:
        parts = {name: field == claim.fields.index(name) for name in relation.fields}
        left_out = [name for name, part in parts.items() if not part.any()]
        if len(left_out) == len(parts):
            continue  # nothing is left that the law speaks of
        law = f"law {relation.name!r}"
        if left_out:
            return f"leaves out {', '.join(left_out)}, which {law} needs beside the others"
        first, *others = (point[part] for part in parts.values())
        if not all(torch.equal(first, other) for other in others):
            return f"moves the fields of {law} to different points"
        factors = torch.stack([factor[part] for part in parts.values()])
        if not all(_alike(each) for each in (factors.T if relation.pointwise else [factors])):
            return f"multiplies the fields of {law} by factors that are not the same for all"
        sources = factors * tracks[0].weight
        if relation.source and not _alike(torch.cat([sources.flatten(), sources.new_ones(1)])):
            return f"changes the source of {law}"
    return None


def together(tracks: Iterable[Track]) -> list[list[Track]]:
    """Tracks of one call that share out the fields, beside those that repeat them."""
    groups: list[list[Track]] = []
    for track in tracks:
        own = set(track.field.unique().tolist()) - {-1}
        for group in groups:
            theirs = {number for other in group for number in other.field.unique().tolist()}
            if group[0].call == track.call and not own & theirs:
                group.append(track)
                break
        else:
            groups.append([track])
    return groups
