"""Fluxes held back where they would leave the admissible states, with every total as it was.

A state that is advanced by fluxes is an average of states that are advanced by one of them each:

    U + sum over f of theta_f G_f = sum over f of w_f (U + theta_f G_f / w_f),   sum over f of w_f = 1,

where G_f is what the cell gains through its face f. The admissible states are a convex set; so it is
enough that each of the states in the average is one, for which the largest theta_f is known in closed
form. The two cells at a face take the smaller of their two shares: the same amount leaves the one and
enters the other, of every field at once, and all totals stay exact. The weights w_f are in proportion
to the fluxes, so a cell that one flux empties does not pay for the others.

What passes through a cell may be more than there is in it when the step of time is long. The fluxes are
therefore given in parts, one after the other, between which cells are refilled; with many parts only
what would really leave the set is held back.

This is flux limiting as Zalesak, J. Comput. Phys. 31, 1979, and Hu, Adams and Shu, J. Comput. Phys. 242,
2013, have it, with the state at rest in place of a first-order scheme, so that no bound on the step of
time is needed; and for any convex set in place of bounds of one field.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from physmix.mixing import Fluxes
from physmix.surrogates.admissible import AdmissibleSet

State = Float[Tensor, "batch *cells field"]


def advance(state: State, fluxes: Fluxes, members: AdmissibleSet, *, parts: int) -> tuple[State, Fluxes]:
    """The state after the fluxes, as far as they keep it admissible; and what did pass.

    Trajectories of a batch do not see each other: where the whole of the fluxes is admissible for one, it
    is taken as it is.

    Args:
        state: admissible in each cell; where it is not, nothing that would make it worse passes.
        fluxes: to add.
        members: the set to stay in.
        parts: in which the fluxes are given.
    """
    whole = state + fluxes.change()
    inside = members.contains(whole).flatten(1).all(1)
    if torch.compiler.is_exporting():  # one graph for every input
        limited, passed = _in_parts(state, fluxes, members, parts)
        inside = inside.view(-1, *[1] * (state.ndim - 1))
        return torch.where(inside, whole, limited), fluxes.map(
            lambda all_, some: torch.where(inside, all_, some), passed
        )
    if bool(inside.all()):
        return whole, fluxes
    outside = (~inside).nonzero()[:, 0]
    chosen = fluxes.map(lambda values: values[outside])
    limited, passed = _in_parts(state[outside], chosen, members, parts)
    return (
        whole.index_copy(0, outside, limited),
        fluxes.map(lambda values, new: values.index_copy(0, outside, new), passed),
    )


def _in_parts(state: State, fluxes: Fluxes, members: AdmissibleSet, parts: int) -> tuple[State, Fluxes]:
    part, passed = fluxes.map(lambda values: values / parts), fluxes.map(torch.zeros_like)
    for _ in range(parts):
        now = _held_back(state, part, members)
        state, passed = state + now.change(), passed.map(torch.add, now)
    return state, passed


def _held_back(state: State, fluxes: Fluxes, members: AdmissibleSet) -> Fluxes:
    """The fluxes as far as each cell can bear its share of them."""
    gains = [*fluxes.gains(), *([] if fluxes.source is None else [fluxes.source])]
    grid = tuple(range(1, state.ndim - 1))
    unit = torch.stack([gain.abs().amax(grid, keepdim=True) for gain in gains]).amax(0)
    unit = torch.where(unit > 0, unit, 1.0)
    sizes = torch.stack([(gain / unit).abs().sum(-1) for gain in gains])
    total = sizes.sum(0)
    tiny = torch.finfo(state.dtype).tiny
    shares = []
    for gain, size in zip(gains, sizes, strict=True):
        alone = gain * (total / size.clamp_min(tiny))[..., None]
        shares.append(torch.where(size > 0, members.share(state, alone), 1.0))
    faces = []
    for dimension, axis in enumerate(fluxes.grid.axes.values()):
        level, dim = axis.moved(0, -2), dimension + 1
        through_first, through_last = (axis.widened(s, dim, 1.0) for s in shares[2 * dimension : 2 * dim])
        before = axis.neighbours(through_last, dim, level)[0]
        after = axis.neighbours(through_first, dim, level)[1]
        faces.append(torch.minimum(before, after)[..., None])
    return fluxes.shared(faces, None if fluxes.source is None else shares[-1][..., None])
