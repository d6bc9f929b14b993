"""What held values and sources let into parts of the domain that nothing else enters or leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from physmix.errors import SettingsError

_ROUNDING = 1e-10  # of the size of what flows

Array = NDArray[np.float64]


class Balance:
    """The closed parts of the domain: what the law says there, times the volumes, has no free term in sum.

    Args:
        law: its name.
        free: the law at each place, over all values, zero for those that are held.
        volumes: of the places.
    """

    def __init__(self, law: str, free: csr_array, volumes: Array) -> None:
        self.law, self.volumes = law, volumes
        places, values = free.shape
        # A graph of places and then values, with an edge for each free term.
        ends = np.concatenate([free.indptr, np.full(values, free.nnz, dtype=free.indptr.dtype)])
        graph = csr_array((free.data, free.indices + places, ends), shape=(places + values,) * 2)
        self.parts = connected_components(graph, directed=False)[1][:places]
        size = abs(free)
        open_ = np.abs(free.T @ volumes) > _ROUNDING * (size.T @ volumes)
        self.closed = np.ones(self.parts.max(initial=0) + 1, dtype=bool)
        self.closed[self.parts[(size @ open_) > 0]] = False

    def check(self, left: Array, size: Array) -> None:
        """Raise SettingsError if a closed part keeps a rest.

        Args:
            left: what the law is missed by, (place, state).
            size: of its terms, the same.
        """
        for missed, terms in zip(left.T, size.T, strict=True):
            total = np.bincount(self.parts, self.volumes * missed, len(self.closed))
            scale = np.bincount(self.parts, self.volumes * terms, len(self.closed))
            wrong = self.closed & (np.abs(total) > _ROUNDING * scale)
            if wrong.any():
                raise SettingsError(
                    f"the law {self.law}",
                    f"held values and sources leave {np.abs(total[wrong]).max():.1e} too much in a part of "
                    "the domain that nothing else enters or leaves",
                    "make what flows in and out of it balance, or leave one of its values free",
                )
