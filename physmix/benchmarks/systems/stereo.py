"""Estimates of disparity from a pair of photographs, beside what a laser measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter
from torch import Tensor

from physmix.benchmarks.foreign import package

_FAR = 35  # the largest disparity in these pictures at half size, in pixels
_BAND = 25  # columns: pixels of one band have errors in common, single pixels would leak


@dataclass(frozen=True)
class Stereo:
    """A scene of the Middlebury 2014 set at half size, which scikit-image brings along.

    Attributes:
        colour: of the left picture, (row, column, 3), in 0..1.
        truth: disparity in pixels, (row, column).
        known: where it was measured, and can be matched.
        cost: of matching each disparity, (disparity, row, column).
    """

    colour: NDArray[np.float64]
    truth: NDArray[np.float64]
    known: NDArray[np.bool_]
    cost: NDArray[np.float64]

    def estimate(self, window: int, smooth: int = 1) -> NDArray[Any]:
        """Disparities by matching blocks of `window` pixels; with `smooth`, their median nearby."""
        best = uniform_filter(self.cost, (0, window, window)).argmin(0).astype(float)
        return median_filter(best, smooth) if smooth > 1 else best

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Every second band of columns: where errors are known, or estimates fitted."""
        bands = np.arange(self.known.shape[1]) // _BAND % 2 == 0
        return self.known & bands

    def errors(self, estimates: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Errors of (estimate, row, column) in the bands that are seen and in the others, less their mean."""
        missed = torch.from_numpy(estimates - np.where(self.known, self.truth, 0.0))
        seen, judged = (missed[:, part] for part in (self.seen, self.known & ~self.seen))
        mean = seen.mean(1, keepdim=True)
        return seen - mean, judged - mean


def stereo() -> Stereo:
    """The scene."""
    data = package("skimage.data")
    left, right, truth = data.stereo_motorcycle()
    halved = package("skimage.transform").downscale_local_mean
    colour, other = (halved(picture / 255.0, (2, 2, 1)) for picture in (left, right))
    grey, matched = colour.mean(-1), other.mean(-1)
    cost = np.ones((_FAR, *grey.shape))
    for shift in range(_FAR):
        columns = grey.shape[1] - shift
        cost[shift, :, shift:] = np.abs(grey[:, shift:] - matched[:, :columns])
    disparity = np.array(truth[::2, ::2], np.float64) / 2
    known = np.isfinite(disparity) & (np.arange(grey.shape[1]) > _FAR)
    return Stereo(colour, disparity, known, cost)
