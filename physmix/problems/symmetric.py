"""The symmetries of a problem: those of its features, held against what its conditions give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from physmix.errors import SettingsError, listing
from physmix.laws import Scaling, compile_complete
from physmix.mixing.symmetry import Group, Symmetry, sign_of_features
from physmix.problems.parts import Part
from physmix.problems.problem import Problem
from physmix.problems.terms import Condition, value_at

_TRIED = 64  # points of each part
_OFF = 1e-3  # of the largest value; less is round-off or noise, and the residual of the condition tells it


def feature_group(problem: Problem, symmetries: Sequence[Symmetry], scaling: Scaling) -> Group:
    """The symmetries of features, in scaled coordinates.

    Raises:
        SettingsError: if they are not those of a group, of the laws, or of values that are given.
    """
    fields, coordinates, region = problem.equations.fields, problem.coordinates, problem.region
    laws = [law.homogeneous() for law in problem.laws]
    constraint = compile_complete(laws, fields, coordinates)
    signs = [sign_of_features(one, constraint, fields, coordinates) for one in symmetries]
    group = Group.of(symmetries, signs, region.box, region.around)
    for one in symmetries:
        _check_given(problem, one)
    centre = torch.tensor([scaling.centre[name] for name in coordinates], dtype=torch.float64)
    length = torch.tensor([scaling.length[name] for name in coordinates], dtype=torch.float64)
    return group.scaled(centre, length)


def _check_given(problem: Problem, one: Symmetry) -> None:
    """Compare values at points of parts and at their images, up to a constant: means of fields are free."""
    for part, condition in _given(problem):
        points = part.sample(_TRIED, problem.seed).points
        images = _image(points, one, problem.region.box)
        for name, given in condition.values.items():
            sign = -1.0 if name in one.odd else 1.0
            value = value_at(given, points)
            off = value_at(given, images) - sign * value
            missed = float((off - off.mean()).abs().max()) / max(float(value.abs().max()), 1e-300)
            if missed > _OFF:
                kind = "odd" if sign < 0 else "even"
                problem_found = f"{name} at {part.name} is not {kind} under {_told(one)}, by {missed:.1e}"
                remedy = "correct its places, its odd fields or the condition, or leave it out"
                raise SettingsError("a symmetry", problem_found, remedy)


def _given(problem: Problem) -> Iterator[tuple[Part, Condition]]:
    for condition in problem.conditions:
        if isinstance(condition, Condition):
            yield from ((part, condition) for part in condition.parts)


def _image(points: Tensor, one: Symmetry, box: Mapping[str, tuple[float, float]]) -> Tensor:
    """Where points go, within the box again."""
    moved = points.clone()
    for i, (name, (low, high)) in enumerate(box.items()):
        if name in one.mirrors:
            moved[:, i] = 2 * one.mirrors[name] - points[:, i]
        if name in one.shifts:
            moved[:, i] += one.shifts[name]
        if name in one.mirrors or name in one.shifts:
            moved[:, i] = low + torch.remainder(moved[:, i] - low, high - low)
    return moved


def _told(one: Symmetry) -> str:
    mirrors = [f"a mirror at {name}={place:g}" for name, place in one.mirrors.items()]
    shifts = [f"a shift of {name} by {shift:g}" for name, shift in one.shifts.items()]
    return listing(mirrors + shifts)
