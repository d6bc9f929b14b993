"""Waves with the symmetries of a flow: fewer, and each obeys them exactly.

A symmetry g mirrors and shifts coordinates, and a function has it if f(g x) = sign * f(x). The mean of
sign * f(g x) over the group that symmetries generate has all of them, whatever f.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from physmix.errors import SettingsError, listing
from physmix.jets import Jet, JetSpace, rule, seed
from physmix.laws import MixingConstraint

_MOST = 64  # members of a group
_ALIKE = 1e-9  # of a period

_Member = tuple[Tensor, Tensor, float]  # turn, shift and sign


@dataclass(frozen=True)
class Symmetry:
    """A map of the region upon itself that takes a flow to itself, but for signs of its fields.

        Symmetry({"x": 0.0, "y": 0.25}, odd=("ux", "uy"))  # the same, turned by half a circle
        Symmetry({"y": 0.0}, {"x": 0.5}, odd=("uy",))  # its own mirror image, half a period on

    Attributes:
        mirrors: the place of a mirror across each coordinate that is turned about: x goes to 2 * place - x.
        shifts: how far other coordinates go.
        odd: fields that change their sign; all others are the same at both places.
    """

    mirrors: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    odd: Sequence[str] = ()


@dataclass(frozen=True)
class Group:
    """All that symmetries make by following each other, (member, coordinate): x goes to turn * x + shift.

    Attributes:
        turns: signs of coordinates.
        shifts: added to them, between 0 and the period.
        signs: of the features, (member).
    """

    turns: Float[Tensor, "member coordinate"]
    shifts: Float[Tensor, "member coordinate"]
    signs: Float[Tensor, " member"]

    @classmethod
    def of(
        cls,
        symmetries: Sequence[Symmetry],
        signs: Sequence[float],
        box: Mapping[str, tuple[float, float]],
        around: Sequence[str],
    ) -> Group:
        """The group of symmetries of a box.

        Args:
            symmetries: that generate it.
            signs: of the features under each.
            box: lowest and highest value of each coordinate.
            around: the coordinates along which it closes upon itself.

        Raises:
            SettingsError: if the box is not one of a symmetry's, or members disagree on a sign, or there is
                no end to them.
        """
        lengths = [b - a if k in around else 0.0 for k, (a, b) in box.items()]
        periods = torch.tensor(lengths, dtype=torch.float64)
        generators = [
            (*_map(one, tuple(box), around), sign) for one, sign in zip(symmetries, signs, strict=True)
        ]
        found: list[_Member] = [(torch.ones(len(box)).double(), torch.zeros(len(box)).double(), 1.0)]
        for turn, shift, sign in found:  # those that are added below as well
            for by, on, flip in generators:
                new = (by * turn, _wrapped(by * shift + on, periods), flip * sign)
                same = [one for one in found if _alike(one, new, periods)]
                if same and same[0][2] != new[2]:
                    problem = "they leave nothing but zero"
                    raise SettingsError("the symmetries", problem, "correct the odd fields")
                if not same:
                    found.append(new)
            if len(found) > _MOST:
                raise SettingsError("the symmetries", "there is no end to them", "shift by parts of a period")
        turns, shifts = torch.stack([a for a, _, _ in found]), torch.stack([b for _, b, _ in found])
        return cls(turns, shifts, torch.tensor([c for _, _, c in found], dtype=torch.float64))

    def scaled(self, centre: Tensor, length: Tensor) -> Group:
        """The same of (x - centre) / length."""
        return Group(self.turns, (self.turns * centre + self.shifts - centre) / length, self.signs)


def _map(one: Symmetry, names: Sequence[str], around: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The signs of coordinates, and what is added to them.

    Raises:
        SettingsError: if a coordinate is not periodic, or is both mirrored and shifted.
    """
    if strange := [name for name in (*one.mirrors, *one.shifts) if name not in around]:
        problem = f"{listing(strange)} is not periodic"
        raise SettingsError("a symmetry", problem, "mirror and shift periodic coordinates alone")
    if both := [name for name in one.mirrors if name in one.shifts]:
        raise SettingsError("a symmetry", f"{listing(both)} is mirrored and shifted", "move the mirror")
    turn = [-1.0 if name in one.mirrors else 1.0 for name in names]
    shift = [2 * one.mirrors.get(name, 0.0) + one.shifts.get(name, 0.0) for name in names]
    return torch.tensor(turn, dtype=torch.float64), torch.tensor(shift, dtype=torch.float64)


def _wrapped(shift: Tensor, periods: Tensor) -> Tensor:
    around = periods > 0
    whole = torch.where(around, torch.round(shift / torch.where(around, periods, 1.0)), 0.0)
    return shift - whole * periods


def _alike(one: _Member, other: _Member, periods: Tensor) -> bool:
    off = _wrapped(one[1] - other[1], periods).abs()
    return bool((one[0] == other[0]).all()) and bool((off <= _ALIKE * periods).all())


def sign_of_features(
    symmetry: Symmetry,
    constraint: MixingConstraint,
    fields: Sequence[str],
    coordinates: Sequence[str],
) -> float:
    """The sign that features have, so that fields mixed from their derivatives have theirs.

    Args:
        symmetry: of the fields.
        constraint: the lawful weights of a feature.
        fields: their names.
        coordinates: their names.

    Raises:
        SettingsError: if there is none that serves all fields, or a field is not known.
    """
    if strange := [name for name in symmetry.odd if name not in fields]:
        problem = f"there is no field {listing(strange)}"
        raise SettingsError("a symmetry", problem, f"the fields are {listing(fields)}")
    monomials = constraint.operators.monomials
    used = constraint.weights.basis().abs().sum(1).view(len(fields), len(monomials)) > 0
    turned = [name in symmetry.mirrors for name in coordinates]
    signs = {
        (-1.0) ** (sum(n for n, t in zip(monomial, turned, strict=True) if t) + (name in symmetry.odd))
        for i, name in enumerate(fields)
        for j, monomial in enumerate(monomials)
        if used[i, j]
    }
    if len(signs) != 1:
        problem = f"mirrors across {listing(symmetry.mirrors)} do not leave the laws as they are"
        raise SettingsError(
            "a symmetry", problem, "say which fields are odd, and leave out those with features of their own"
        )
    return signs.pop()


class SymmetricWaves(nn.Module):
    """The means of sign * sin(weight . (g x) + bias) over a group, frozen.

    Their jets are exact and cheap: all derivatives of a sine are made of itself and its cosine.

    Args:
        weight: (wave, input).
        bias: (wave).
        group: in the coordinates of the inputs.
    """

    def __init__(
        self, weight: Float[Tensor, "wave input"], bias: Float[Tensor, " wave"], group: Group
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.register_buffer("turns", group.turns)
        self.register_buffer("shifts", group.shifts)
        self.register_buffer("signs", group.signs / len(group.signs))

    turns: Tensor
    shifts: Tensor
    signs: Tensor

    def forward(self, points: Float[Tensor, "point input"]) -> Float[Tensor, "point wave"]:
        """The features."""
        return torch.stack(
            [s * torch.sin(a) for s, a in zip(self.signs, self._angles(points), strict=True)]
        ).sum(0)

    def _angles(self, points: Tensor) -> list[Tensor]:
        """Of each member of the group."""
        moved = zip(self.turns, self.shifts, strict=True)
        return [torch.addmm(self.bias, turn * points + shift, self.weight.T) for turn, shift in moved]

    def derivatives(self, points: Float[Tensor, "point input"], space: JetSpace) -> Jet:
        """The jet of the features in their inputs."""
        angles = self._angles(points)
        waves = [torch.stack([torch.sin(a) for a in angles]), torch.stack([torch.cos(a) for a in angles])]
        sums: dict[tuple[int, ...], Tensor] = {}
        out = points.new_empty(len(space.indices), len(points), len(self.weight))
        for place, (index, factorial) in enumerate(zip(space.indices, space.factorials, strict=True)):
            # Turned an odd number of times, and the sine or the cosine: nothing else tells sums apart.
            kind = (sum(index) % 2, *(n % 2 for n in index))
            if kind not in sums:
                signs = self.signs * (self.turns ** torch.tensor(kind[1:], dtype=points.dtype)).prod(1)
                sums[kind] = torch.einsum("g,gpw->pw", signs, waves[kind[0]])
            powers = (self.weight ** torch.tensor(index, dtype=points.dtype)).prod(1)
            scale = (-1) ** (sum(index) // 2) * powers / factorial
            torch.mul(sums[kind], scale, out=out[place])
        return Jet(space, out)


@rule(SymmetricWaves)
def _symmetric(module: SymmetricWaves, jet: Jet) -> Jet:
    points = jet.value
    if not torch.equal(jet.coefficients, seed(points, jet.space).coefficients):
        problem = "it has inputs that are not the coordinates themselves"
        raise SettingsError("symmetric waves", problem, "make them the first layer")
    return module.derivatives(points, jet.space)
