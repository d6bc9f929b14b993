"""Contacts of proteins: a learnt distance, and bands that share every pair out to one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from physmix.applications.distances import DistanceBands, contacts, distance_bands, distance_map
from physmix.benchmarks.foreign import package
from physmix.benchmarks.roads import lbfgs, search
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.proteins import NAMES, alpha_carbons
from physmix.benchmarks.systems.shown import Shown
from physmix.constraints import on_outputs
from physmix.optimization import Moments, fixed_weights, free_coordinates, least_squares
from physmix.reporting import Curves, Image, Panel

CASE = "distance bands"
_CONTACT, _SEPARATION = 8.0, 3  # angstrom; residues
_COUNTS = {"1ubi": 179, "1ake": 582}


def demonstrate(
    *,
    seed: int = 0,
    steps: int = 300,
    start: float = 12.0,
    edges: tuple[float, ...] = (8.0, 12.0, 20.0),
    noise: float = 0.1,
) -> Shown:
    """Contacts beside those of scipy and MDAnalysis, a distance learnt from them, and bands from noise.

    Args:
        seed: of the noise.
        steps: of L-BFGS.
        start: the distance from which it is learnt, in angstrom.
        edges: of the bands, in angstrom.
        noise: on the shares that are learnt from.
    """
    maps = {name: distance_map(alpha_carbons(name)) for name in NAMES}
    rows = _counts(maps)
    learnt, more = _learnt(maps, steps, start, noise, seed)
    return Shown([*rows, *more, *_fitted(maps["1ake"], edges, noise, seed)], _panels(maps, learnt, edges))


def _counts(maps: dict[str, Tensor]) -> list[Row]:
    bands, rows = distance_bands([_CONTACT]), []
    for name, map_ in maps.items():
        found = contacts(map_, bands, _SEPARATION)
        theirs = _scipy(name)
        off = float((found != theirs).sum())
        metric = f"contacts of {name.upper()}"
        rows.append(ours(CASE, f"{metric}, wrong beside scipy", off, target="<= 0"))
        if name in _COUNTS:
            gap = abs(int(found.sum()) - _COUNTS[name])
            rows.append(ours(CASE, f"{metric}, off {_COUNTS[name]}", gap, target="<= 0"))
        rows.append(peer(CASE, "scipy KDTree", metric, float(theirs.sum())))
        rows.append(peer(CASE, "MDAnalysis", metric, float(_mdanalysis(name).sum())))
    return rows


def _scipy(name: str) -> Tensor:
    """Pairs of the tree of scipy, which keeps distances up to a bound: it is moved below 8."""
    from scipy.spatial import KDTree  # noqa: PLC0415  slow to import

    points = alpha_carbons(name).numpy()
    pairs = KDTree(points).query_pairs(np.nextafter(_CONTACT, 0), output_type="ndarray")
    return _as_matrix(pairs, len(points))


def _mdanalysis(name: str) -> Tensor:
    distances = package("MDAnalysis.lib.distances")
    points = alpha_carbons(name).numpy().astype(np.float32)
    pairs = distances.self_capped_distance(points, _CONTACT, return_distances=False)
    return _as_matrix(pairs, len(points))


def _as_matrix(pairs: np.ndarray, residues: int) -> Tensor:
    found = torch.zeros(residues, residues, dtype=torch.bool)
    first, last = np.sort(pairs, 1).T
    found[first, last] = True
    return found.triu(_SEPARATION)


def _learnt(
    maps: dict[str, Tensor], steps: int, start: float, noise: float, seed: int
) -> tuple[DistanceBands, list[Row]]:
    """Trained on two proteins, judged on the third."""
    pairs = {name: _pairs(maps[name]) for name in NAMES}
    distances = torch.cat([pairs[name] for name in ("1ubi", "1ake")])
    known = torch.cat([_pairs(_scipy(name)[None].double()) for name in ("1ubi", "1ake")])
    generator = torch.Generator().manual_seed(seed)
    target = torch.stack([known, 1 - known])
    # Shares of true sum one are lawful by themselves; so each has an error of its own.
    target = target + noise * torch.randn(target.shape, generator=generator, dtype=torch.float64)
    found, rows = {}, []
    for system, lawful in (("physmix", True), ("free weights", False)):
        bands = distance_bands([start], softness=4.0)
        if lawful:
            free_coordinates(bands)
        model = _Fit(bands, distances, target)
        search(model, lbfgs(bands.parameters(), steps, 20))
        fixed_weights(bands)
        found[system] = bands
        far = torch.linspace(0, 1000, 1001, dtype=torch.float64)[None, :, None]  # ten times the largest
        with torch.no_grad():
            off = float((bands(far).sum(0) - 1).abs().max())
        metric = "sum of the shares off one, to 1,000 angstrom"
        rows.append(ours(CASE, metric, off, target="<= 1e-9") if lawful else peer(CASE, system, metric, off))
    bands = found["physmix"]
    place = bands.threshold(3.0, 50.0)  # below are no pairs
    with torch.no_grad():
        guessed, true = contacts(maps["4ake"], bands, _SEPARATION), _scipy("4ake")
    score = 2 * float((guessed & true).sum()) / float(guessed.sum() + true.sum())
    rows += [
        ours(CASE, "learnt distance off 8", abs(place - _CONTACT), "angstrom", target="<= 0.1"),
        ours(CASE, "F1 of contacts on a protein not seen", score, target=">= 0.99"),
    ]
    return bands, rows


class _Fit(torch.nn.Module):
    def __init__(self, bands: DistanceBands, distances: Tensor, target: Tensor) -> None:
        super().__init__()
        self.bands, self.distances, self.target = bands, distances[None, :, None], target

    def forward(self) -> Tensor:
        near = (self.distances[0, :, 0] < 20).double()  # far pairs are many, and say nothing
        off = (self.bands(self.distances)[:, :, 0] - self.target).square().sum(0)
        return (off * near).sum() / near.sum()


def _pairs(map_: Tensor) -> Tensor:
    chosen = torch.ones_like(map_[0], dtype=torch.bool).triu(_SEPARATION)
    return map_[0][chosen]


def _fitted(map_: Tensor, edges: tuple[float, ...], noise: float, seed: int) -> list[Row]:
    """The second layer on fixed corners, fitted to noisy shares, by every road."""
    generator = torch.Generator().manual_seed(seed)
    distances = _pairs(map_)
    corners = torch.linspace(4, 28, 9, dtype=torch.float64)
    inputs = torch.cat([(distances[:, None] - corners).relu(), torch.ones(len(distances), 1)], 1)
    band = torch.bucketize(distances, torch.tensor(edges, dtype=torch.float64), right=True)
    shares = torch.nn.functional.one_hot(band, len(edges) + 1).double()
    shares += noise * torch.randn(shares.shape, generator=generator, dtype=torch.float64)
    moments = Moments(inputs.shape[1], shares.shape[1]).add(inputs, shares)
    one = torch.ones(1, shares.shape[1], dtype=torch.float64)
    total = torch.eye(inputs.shape[1], dtype=torch.float64)[-1:]  # zero for the weight, one for the bias
    best = least_squares(moments, on_outputs(one, total))
    free = torch.linalg.lstsq(inputs, shares).solution.mT
    # In coordinates where the inputs are white: x' = T x with T^T = L^-1.
    design = moments.design
    white = torch.linalg.solve_triangular(design.mT, torch.eye(len(design), dtype=torch.float64), upper=False)
    lawful = on_outputs(one, total @ torch.linalg.inv(white))

    def make() -> Quadratic:
        return Quadratic(lawful, design @ white.mT, moments.target, seed)

    metric = "sums of fitted weights off their values"
    return [
        ours(CASE, metric, float((one @ best - total).abs().max()), target="<= 1e-12"),
        peer(CASE, "torch lstsq, free", metric, float((one @ free - total).abs().max())),
        *optima(CASE, make, best @ torch.linalg.inv(white)),
    ]


@torch.no_grad()
def _panels(maps: dict[str, Tensor], learnt: DistanceBands, edges: tuple[float, ...]) -> list[Panel]:
    map_ = maps["4ake"]
    distances = torch.linspace(0, 20, 801, dtype=torch.float64)
    shares = learnt(distances[None, :, None])[:, :, 0]
    names = [f"below {edges[0]:g} Å"]
    names += [f"{a:g} to {b:g} Å" for a, b in pairwise(edges)]
    names += [f"above {edges[-1]:g} Å"]
    axes, extent = ("residue", "residue"), (0.5, len(map_[0]) + 0.5, len(map_[0]) + 0.5, 0.5)
    band = distance_bands(edges)(map_).argmax(0)
    return [
        Image("distance map, 4AKE", map_[0].numpy(), axes, "distance of C-alpha (Å)", extent=extent),
        Image("bands of distance", (len(edges) - band).numpy(), axes, labels=names[::-1], extent=extent),
        Curves(
            "learnt shares",
            ("distance (Å)", "share of the pair (1)"),
            {
                "contact": (distances.numpy(), shares[0].numpy()),
                "no contact": (distances.numpy(), shares[1].numpy()),
                "sum": (distances.numpy(), shares.sum(0).numpy()),
            },
            marks={"8 Å": _CONTACT},
        ),
    ]
