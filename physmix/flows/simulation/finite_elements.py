"""The package scikit-fem."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from physmix.errors import MissingPackageError

Array = NDArray[np.float64]
PACKAGE = "scikit-fem"


def finite_elements() -> ModuleType:
    """The package scikit-fem.

    Raises:
        MissingPackageError: if it is not installed.
    """
    try:
        import skfem  # noqa: PLC0415  optional
    except ImportError as error:
        raise MissingPackageError(PACKAGE, "simulate") from error
    return skfem
