"""Distance maps of molecules: bands of distance by 1x1 layers that share each pair out to one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from physmix.constraints import LinearSet, on_outputs
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import constrain


def distance_map(points: Tensor) -> Tensor:
    """All distances between points (*batch, point, dimensions): (*batch, 1, point, point), one channel.

    In the unit of the points. A point that is not known, of NaN, has no distances: its row is NaN.

    Raises:
        ShapeError: if there is one point alone, without an axis of points.
    """
    if points.ndim < 2:
        raise ShapeError("the points of a map", points.shape, "(*batch, point, dimensions)")
    points = points if points.is_floating_point() else points.double()
    apart = points[..., :, None, :] - points[..., None, :, :]
    return torch.linalg.vector_norm(apart, dim=-1)[..., None, :, :]


class DistanceBands(nn.Module):
    """1x1 - ReLU - 1x1 on a distance map: for every pair its shares in bands of distance.

    The columns of the second weight sum to zero and its bias to one; so the shares of a pair sum to
    one, for every distance and whatever was learnt.

    Args:
        hidden: from one channel to the corners of the shares, along axis -3.
        shares: from these to the bands, along axis -3; on their sets.

    Raises:
        ShapeError: if the layers do not fit each other.
    """

    def __init__(self, hidden: MixingLayer, shares: MixingLayer) -> None:
        super().__init__()
        if hidden.weight.shape != (shares.weight.shape[1], 1):
            raise ShapeError(
                "the first layer of bands", hidden.weight.shape, f"({shares.weight.shape[1]}, 1)"
            )
        self.hidden, self.shares = hidden, shares

    def forward(self, distances: Tensor) -> Tensor:
        """Shares of (*batch, 1, point, point): (*batch, band, point, point)."""
        return self.shares(self.hidden(distances).relu())

    @torch.no_grad()
    def threshold(self, low: float, high: float, points: int = 100_001) -> float:
        """The least distance from which on the first band has no longer half of a pair; `high` if none.

        Args:
            low: where to look from.
            high: up to where.
            points: the resolution.
        """
        tried = torch.linspace(low, high, points, dtype=self.hidden.weight.dtype)
        inside = self(tried[None, :, None])[0, :, 0] > 0.5
        return float(tried[~inside][0]) if bool((~inside).any()) else high


def distance_bands(
    edges: Sequence[float], softness: float = 2**-10, *, dtype: torch.dtype | None = torch.float64
) -> DistanceBands:
    """Shares in the bands below, between and above some distances.

    Each share goes from 0 to 1 linearly over `softness` around an edge, where it is one half.

    Args:
        edges: distances that rise, in the unit of the map (nm, or angstrom).
        softness: the length of each transition, in that unit; at most the least distance of two edges. With
            a power of two the share at an edge is one half to the last bit.
        dtype: of the parameters.

    Raises:
        SettingsError: if the edges do not rise, or the transitions overlap.
    """
    places = torch.as_tensor(edges, dtype=torch.float64)
    gaps = places.diff()
    least = float(gaps.min()) if len(gaps) else torch.finfo(places.dtype).max
    known = len(places) > 0 and bool(places.isfinite().all())
    if places.ndim != 1 or not known or not 0 < softness <= least:
        raise SettingsError(
            "bands of distance",
            f"edges={edges} with softness={softness}",
            "give edges that rise, and a softness between 0 and their least distance",
        )
    count = len(places)
    one = torch.ones(1, count + 1, dtype=torch.float64)
    hidden = MixingLayer(1, 2 * count, axis=-3, dtype=dtype)
    shares = MixingLayer(2 * count, count + 1, axis=-3, dtype=dtype)
    constrain(shares, on_outputs(one), bias=LinearSet(one, one[0, :1]))
    # The share above edge j is (relu(d - e_j + s/2) - relu(d - e_j - s/2)) / s.
    above = torch.eye(count, dtype=torch.float64).repeat_interleave(2, 1)
    above = above * torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(count) / softness
    none = above.new_zeros(1, 2 * count)
    corners = places.repeat_interleave(2) + softness * torch.tensor([-0.5, 0.5], dtype=torch.float64).repeat(
        count
    )
    with torch.no_grad():
        hidden.weight.fill_(1.0)
        for layer, bias in ((hidden, -corners), (shares, torch.eye(count + 1, dtype=torch.float64)[0])):
            assert layer.bias is not None
            layer.bias.copy_(bias)
        shares.weight.copy_(torch.cat([none, above]) - torch.cat([above, none]))
    return DistanceBands(hidden, shares)


def contacts(distances: Tensor, bands: DistanceBands, separation: int = 3) -> Tensor:
    """Pairs of residues of which the first band has more than half, at least so far apart in sequence.

    Args:
        distances: (*batch, 1, residue, residue), in the unit of the bands. What is not known is NaN, and no
            contact.
        bands: whose first edge is the length of a contact.
        separation: the least difference of residue numbers, 0 or more.

    Returns:
        (*batch, residue, residue), bool, each pair once (above the diagonal).

    Raises:
        ShapeError: if the map has another number of channels than one.
        SettingsError: if the separation is negative.
    """
    if separation < 0:
        raise SettingsError("contacts", f"separation={separation}", "give 0 or more")
    shares = bands(distances.to(bands.hidden.weight.dtype))
    return (shares[..., 0, :, :] > 0.5).triu(separation)
