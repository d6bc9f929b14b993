"""200 bands to few channels: least residual, a matched filter, and colours that keep white."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physmix.applications import false_colour, matched_filter, residual, spectral_projection
from physmix.benchmarks.foreign import package
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.pines import CROPS, Pines, indian_pines
from physmix.benchmarks.systems.shown import Shown
from physmix.constraints import Orthonormal, on_inputs
from physmix.optimization import Moments
from physmix.reporting import Curves, Image, Panel

EXPLAINED = "explained variance"
PUBLISHED = 0.93522  # of three channels


class Subspace(Quadratic):
    """The residual |X - X W^T W|^2 over orthonormal rows W, for the design of centred pixels X."""

    def __init__(self, channels: int, design: Tensor) -> None:
        super().__init__(Orthonormal("rows"), design, design.new_zeros(len(design), channels))

    def forward(self, weight: Tensor | None = None) -> Tensor:
        """The loss, of the parameter or of a given weight."""
        weight = self.weight if weight is None else weight
        return self.design.square().sum() - (self.design @ weight.mT).square().sum()

    @property
    def steepest(self) -> tuple[float, float]:
        """Twice the largest variance, and twice the gap that tells the last channel from the next."""
        values = torch.linalg.svdvals(self.design) ** 2
        channels = len(self.weight)
        return 2 * float(values[0]), 2 * float(values[channels - 1] - values[channels])


def demonstrate(*, channels: Sequence[int] = (1, 3, 10), target: int = 8, steps: int = 3000) -> Shown:
    """Projections, a filter and colours of Indian Pines.

    Args:
        channels: of the projections.
        target: the label whose mean spectrum is filtered for.
        steps: of the projected optimisers.
    """
    scene = indian_pines()
    pixels = scene.cube.flatten(0, 1)
    rows: list[Row] = []
    for count in channels:
        rows += _projection(pixels, count, steps)
    found, scores, weight = _filter(scene, target, steps)
    coloured, colours, mixed = _colours(scene)
    values = torch.linalg.svdvals(pixels - pixels.mean(0)) ** 2
    share = (values.cumsum(0) / values.sum()).numpy()
    order = np.argsort(scene.wavelengths)
    panels: list[Panel] = [
        Image("Colours that keep white", colours),
        Image(f"Matched filter: {CROPS[target]}", scores, unit="answer (1 = target)", limits=(-0.5, 1.5)),
        Image("What is known to grow there", scene.labels, labels=CROPS),
        Curves(
            "Variance that is left",
            ("channels", "share of the variance"),
            {"principal components": (np.arange(1, 41), 1 - share[:40])},
            logarithmic="y",
        ),
        Curves(
            "Matched filter",
            ("wavelength (nm)", "weight (1 / unit of radiance)"),
            {"weight": (scene.wavelengths[order], weight[order])},
        ),
        Curves(
            "Weights of the colours",
            ("wavelength (nm)", "weight"),
            {
                name: (scene.wavelengths[order], w[order])
                for name, w in zip(("red", "green", "blue"), mixed, strict=True)
            },
            dots=True,
            colours=("#c0392b", "#2e8b57", "#2c5aa0"),
        ),
    ]
    return Shown([*rows, *found, *coloured], panels)


def _projection(pixels: Tensor, count: int, steps: int) -> list[Row]:
    case = f"{count} channels of {pixels.shape[1]}"
    centred = pixels - pixels.mean(0)
    values = torch.linalg.svdvals(centred) ** 2
    layer = spectral_projection(pixels, count)
    left = float(residual(layer, pixels))
    explained = 1 - left / float(values.sum())
    theirs = package("sklearn.decomposition").PCA(count, svd_solver="full").fit(pixels.numpy())
    scores = torch.from_numpy(theirs.transform(pixels.numpy()))
    mine = layer(pixels).detach()
    signs = (mine * scores).sum(0).sign()
    bare = torch.linalg.svd(pixels, full_matrices=False).Vh[:count]  # the twin: without the mean
    rows = [
        ours(
            case,
            "residual over its least value, less 1",
            abs(left / float(values[count:].sum()) - 1),
            target="<= 1e-6",
        ),
        ours(case, EXPLAINED, explained),
        peer(case, "PCA of scikit-learn", EXPLAINED, float(theirs.explained_variance_ratio_.sum())),
        peer(
            case,
            "rows of the data without centring",
            EXPLAINED,
            1 - float((centred - centred @ bare.mT @ bare).square().sum() / values.sum()),
        ),
        ours(
            case,
            "scores off scikit-learn's, relative",
            float((mine - signs * scores).norm() / scores.norm()),
            target="<= 1e-6",
        ),
    ]
    if count == 3:
        rows.append(ours(case, f"{EXPLAINED}, off {PUBLISHED}", abs(explained - PUBLISHED), target="<= 1e-5"))
    design = Moments(pixels.shape[1]).add(centred).design
    make = partial(Subspace, count, design)
    return rows + optima(case, make, layer.weight.detach(), steps=steps, adam=0.01)


def _filter(scene: Pines, target: int, steps: int) -> tuple[list[Row], NDArray[Any], NDArray[Any]]:
    case = f"matched filter, {CROPS[target]}"
    pixels = scene.cube.flatten(0, 1)
    inside = torch.from_numpy(scene.labels.ravel() == target)
    spectrum = pixels[inside].mean(0)
    layer = matched_filter(scene.cube, spectrum)
    scores = layer(scene.cube)[..., 0].detach()
    theirs = torch.from_numpy(package("spectral").matched_filter(scene.cube.numpy(), spectrum.numpy()))
    mean = pixels.mean(0)
    simple = (pixels - mean) @ (spectrum - mean) / (spectrum - mean).square().sum()
    labelled = torch.from_numpy(scene.labels.ravel() > 0)

    def told(answers: Tensor) -> float:
        score = package("sklearn.metrics").roc_auc_score
        return float(score(inside[labelled].numpy(), answers.flatten()[labelled].numpy()))

    centred = Moments(pixels.shape[1]).add(pixels - mean)
    root, d = centred.design, (spectrum - mean)[:, None]
    members = on_inputs(torch.linalg.solve(root.mT, d), torch.ones(1, 1, dtype=torch.float64))
    eye = torch.eye(len(d), dtype=torch.float64)
    off = float((scores - theirs).abs().max() / theirs.abs().max())
    rows = [
        ours(case, "answers off spectral.matched_filter, relative", off, target="<= 1e-8"),
        ours(
            case,
            "answer to the target, off 1",
            float((layer(spectrum) - 1).abs().max().detach()),
            target="<= 1e-9",
        ),
        ours(case, "area under the ROC curve", told(scores)),
        peer(case, "spectral.matched_filter", "area under the ROC curve", told(theirs)),
        peer(case, "correlation with the spectrum", "area under the ROC curve", told(simple)),
    ]
    name = f"{case}, condition of R {centred.condition**2:.1e}, whitened"
    make = partial(Quadratic, members, eye, eye.new_zeros(len(d), 1))
    weight = layer.weight.detach()
    rows += optima(name, make, weight @ root.mT, steps=steps)
    return rows, scores.numpy(), weight[0].numpy()


def _colours(scene: Pines) -> tuple[list[Row], NDArray[Any], NDArray[Any]]:
    case, metric = "colours with rows on the simplex", "grey changed, relative"
    scores = spectral_projection(scene.cube, 3)(scene.cube).detach()
    low, high = (scores.flatten(0, 1).quantile(q, 0) for q in (0.02, 0.98))
    # The principal components as colours, in the range of the radiances.
    bright = float(scene.cube.flatten(0, 1).mean(0).max())
    wished = ((scores - low) / (high - low)).clamp(0, 1) * bright
    layer = false_colour(scene.cube, wished)
    weight = layer.weight.detach()
    grey = torch.full((1, scene.cube.shape[-1]), 3000.0, dtype=torch.float64)
    moments = Moments(grey.shape[1], 3).add(scene.cube, wished)
    best, free = _by_cvxpy(moments), torch.linalg.lstsq(moments.design, moments.target).solution.mT
    rows = [
        ours(
            case,
            "misfit over that of cvxpy, less 1",
            moments.misfit(weight) / moments.misfit(best) - 1,
            target="<= 1e-6",
        ),
        ours(case, metric, float((layer(grey) / grey[0, 0] - 1).abs().max().detach()), target="<= 1e-12"),
        peer(case, "free weights", metric, float((grey @ free.mT / grey[0, 0] - 1).abs().max())),
    ]
    shown = layer(scene.cube).detach()
    least, most = float(shown.quantile(0.01)), float(shown.quantile(0.99))
    return rows, ((shown - least) / (most - least)).clamp(0, 1).numpy(), weight.numpy()


def _by_cvxpy(moments: Moments) -> Tensor:
    import cvxpy  # noqa: PLC0415  slow to import

    size = torch.linalg.matrix_norm(moments.design, 2)
    design, target = (moments.design / size).numpy(), (moments.target / size).numpy()
    weight = cvxpy.Variable((target.shape[1], design.shape[1]), nonneg=True)
    misfit = cvxpy.sum_squares(30 * (design @ weight.T - target))
    problem = cvxpy.Problem(cvxpy.Minimize(misfit), [cvxpy.sum(weight, axis=1) == 1])
    problem.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    return torch.from_numpy(np.asarray(weight.value))
