"""Values that are held on walls, by potentials that do not vary along them.

A value that is one difference of a potential vanishes exactly if the two neighbours are equal. So the
potential takes its mean over each connected part of the walls: in two dimensions a stream function is
one number on each body, free, so that the flux on either side of it is free; in three dimensions each
component of the vector potential keeps what circulates around walls. A value that is several
differences vanishes with all that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from physmix.grids import Mask, Place, StaggeredGrid
from physmix.laws import Entry


def joined(
    grid: StaggeredGrid,
    place: Place,
    entries: Iterable[Entry],
    held: Mapping[str, Mask],
) -> Int[Tensor, " value"]:
    """The part of the walls each value of a potential belongs to; part 0 is zero, a value alone is one.

    Args:
        grid: of all fields.
        place: of the potential.
        entries: its weights that are not zero.
        held: true where a field is held, of the shape of the field, by name.
    """
    number = int(np.prod(grid.shape(place)))
    index = torch.arange(1, number + 1).view(grid.shape(place))  # 0 is a node that is zero
    edges = [np.zeros((2, 0), dtype=np.int64)]
    for name, monomial in entries:
        if name not in held:
            continue
        corners = [corner[held[name]] for corner in grid.stencil(index, place, monomial)]
        if sum(monomial) == 1:
            edges.append(torch.stack(corners).numpy())
        else:
            edges += [torch.stack([corner, torch.zeros_like(corner)]).numpy() for corner in corners]
    ends = np.concatenate(edges, 1)
    graph = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(number + 1, number + 1))
    parts = torch.as_tensor(connected_components(graph, directed=False)[1]).long()
    parts = torch.where(parts == parts[0], 0, torch.where(parts == 0, parts[0], parts))
    return parts[1:]


def averaged(
    potential: Float[Tensor, "batch *place channel"], parts: Int[Tensor, " value"]
) -> Float[Tensor, "batch *place channel"]:
    """The potential with its mean over each part, and zero on part 0."""
    flat = potential.flatten(1, -2)
    count = torch.bincount(parts).to(flat).clamp(min=1)
    mean = flat.new_zeros(flat.shape[0], len(count), flat.shape[2]).index_add(1, parts, flat)
    mean = mean / count[:, None]
    mean = torch.cat([torch.zeros_like(mean[:, :1]), mean[:, 1:]], 1)
    return mean[:, parts].view(potential.shape)
