"""Flows in HDF5 files of any known layout, read whole or part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray

from physmix.flows.flow import Flow
from physmix.flows.layout import check_finite, check_flow, check_metadata
from physmix.flows.layouts import Piece, describe
from physmix.flows.metadata import Metadata
from physmix.flows.untrusted import LARGEST, UntrustedFile, reading


class FlowFile(AbstractContextManager["FlowFile"]):
    """Trajectories of fields in a file, any part of which can be read; use it in a `with` block.

        with FlowFile("2D_CFD_Rand_M0.1_periodic_Train.hdf5", constants={"gamma": 5 / 3}) as file:
            states = file.read(trajectories=slice(0, 1), times=slice(0, 10))

    Args:
        path: in the layout of The Well, PDEBench or PDEArena.
        constants: numbers that the file does not tell, or that take the place of its own.
        boundary: types of boundary by dimension, likewise.

    Raises:
        FlowFileError: if the file is missing, closed to the user, cut short, or in no known layout.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        constants: Mapping[str, float] | None = None,
        boundary: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        with reading(self.path):
            self._file = h5py.File(self.path, "r")
            try:
                self._untrusted = UntrustedFile(self.path, self._file)
                found, self._pieces = describe(self._untrusted)
                self.metadata = replace(
                    found,
                    parameters={**found.parameters, **(constants or {})},
                    boundary={**found.boundary, **(boundary or {})},
                )
                check_metadata(self.path, self.metadata)
                for piece in self._pieces:
                    piece.check(self._untrusted, self.metadata)
            except BaseException:
                self._file.close()
                raise

    metadata: Metadata
    _pieces: list[Piece]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read any more."""
        self._file.close()

    @property
    def chunk(self) -> tuple[int, int]:
        """Trajectories and times that are stored together, so that less cannot be read at less cost."""
        trajectories = times = 1
        for piece in self._pieces:
            chunks = self._untrusted.floats(piece.names[0]).chunks
            lead = iter(chunks or ())
            if piece.sampled and not piece.apart:
                trajectories = max(trajectories, next(lead, 1))
            if piece.timed:
                times = max(times, next(lead, 1))
        return min(trajectories, self.metadata.trajectories), min(times, len(self.metadata.time))

    def read(self, trajectories: slice, times: slice) -> NDArray[np.floating]:
        """States of shape (trajectory, time, *grid, channel), in the order of `metadata.components`.

        Args:
            trajectories: from and to.
            times: from and to.

        Raises:
            FlowFileError: if they are more than may be read at once, or not all finite.
        """
        shape = (trajectories.stop - trajectories.start, times.stop - times.start)
        self._untrusted.check_size("", shape[0] * shape[1] * self.metadata.state_bytes)
        channels = len(self.metadata.components)
        out = np.empty((*shape, *self.metadata.grid, channels), self.metadata.precision)
        place = 0
        with reading(self.path):
            for piece in self._pieces:
                values = piece.read(self._untrusted, self.metadata, trajectories, times)
                check_finite(self.path, piece.names[0], values)
                out[..., place : place + piece.channels] = values
                place += piece.channels
        return out

    def flow(self, trajectories: slice = slice(None)) -> Flow:
        """All times of some trajectories, or of all.

        Raises:
            FlowFileError: if they are more than may be read at once, not all finite, or no flow.
        """
        about = self.metadata
        chosen = slice(*trajectories.indices(about.trajectories)[:2])
        times = slice(0, len(about.time))
        count = chosen.stop - chosen.start
        self._untrusted.check_size("", count * len(about.time) * about.state_bytes)
        with reading(self.path):
            arrays = [piece.read(self._untrusted, about, chosen, times) for piece in self._pieces]
        channels = [array[..., i] for array in arrays for i in range(array.shape[-1])]
        scalars: dict[str, NDArray[np.floating]] = {}
        vectors: dict[str, NDArray[np.floating]] = {}
        for field in about.fields:
            names = field.components(about.axes)
            own, channels = channels[: len(names)], channels[len(names) :]
            if field.order == 1:
                vectors[field.name] = np.stack(own, -1)
            else:
                scalars |= dict(zip(names, own, strict=True))
        flow = Flow(
            name=about.name,
            time=about.time,
            axes=about.axes,
            scalars=scalars,
            vectors=vectors,
            parameters=about.parameters,
            boundary=about.boundary,
            provenance=about.provenance,
            solid=about.solid,
            units={field.name: field.unit for field in about.fields if field.unit},
            staggered=frozenset(field.name for field in about.fields if field.staggered),
        )
        check_flow(self.path, flow)
        return flow

    def parts(self, largest: int = LARGEST // 8) -> Iterator[Flow]:
        """The trajectories in groups that fit in memory, each as a flow.

        Args:
            largest: bytes of a group; one trajectory is never parted.
        """
        each = max(1, len(self.metadata.time) * self.metadata.state_bytes)
        step = max(1, largest // each)
        for first in range(0, self.metadata.trajectories, step):
            yield self.flow(slice(first, first + step))


def read_flow(
    path: str | Path,
    *,
    constants: Mapping[str, float] | None = None,
    boundary: Mapping[str, str] | None = None,
) -> Flow:
    """Read all of a flow in the layout of The Well, PDEBench or PDEArena.

    Args:
        path: of the file.
        constants: numbers that the file does not tell, or that take the place of its own.
        boundary: types of boundary by dimension, likewise.

    Raises:
        FlowFileError: if the file is missing, closed to the user, cut short, in no known layout, too
            large, or has numbers that are not finite.
    """
    with FlowFile(path, constants=constants, boundary=boundary) as file:
        return file.flow()
