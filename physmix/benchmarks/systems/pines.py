"""Indian Pines: a field of crops seen in 200 bands (AVIRIS, 1992; CC BY 3.0), as TensorLy brings it along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physmix.benchmarks.foreign import package

CROPS = (
    "unlabelled",
    "alfalfa",
    "corn, no till",
    "corn, min till",
    "corn",
    "grass, pasture",
    "grass, trees",
    "grass, mowed",
    "hay, windrowed",
    "oats",
    "soybean, no till",
    "soybean, min till",
    "soybean, clean",
    "wheat",
    "woods",
    "buildings, grass, trees",
    "stone, steel towers",
)


@dataclass(frozen=True)
class Pines:
    """The scene.

    Attributes:
        cube: (row, column, band), as stored: radiance, scaled and shifted.
        labels: (row, column) of 0..16, see CROPS.
        wavelengths: of the bands, in nm.
    """

    cube: Tensor
    labels: NDArray[Any]
    wavelengths: NDArray[np.float64]


def indian_pines() -> Pines:
    """The scene, without the bands that water absorbs."""
    found = package("tensorly.datasets").load_indian_pines()
    labels = next(tick for tick in found["ticks"] if isinstance(tick, np.ndarray))
    wavelengths = next(tick for tick in found["ticks"] if isinstance(tick, list))
    cube = torch.from_numpy(np.array(found["tensor"], np.float64, order="C"))
    return Pines(cube, labels, np.array(wavelengths))
