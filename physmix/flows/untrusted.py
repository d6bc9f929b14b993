"""HDF5 files from another hand: no link out of the file is followed, and no size is taken on trust."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from physmix.errors import FlowFileError, listing
from physmix.flows.layout import check_names, check_numbers, refusal

LARGEST = 8 * 2**30
_LARGEST_CHUNK = 2**30


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what HDF5 raises into one sentence.

    Raises:
        FlowFileError: if the file is missing, closed to the user or cut short.
    """
    try:
        if not path.is_file():
            problem = "is a folder" if path.is_dir() else "does not exist"
            remedy = "make it with: physmix-simulate flow=NAME, or give the path of your own file"
            raise FlowFileError(path, problem, remedy)
        yield
    except PermissionError as error:
        remedy = "give yourself that permission on the file and its folders, or copy it to a place of yours"
        raise FlowFileError(path, "you have no permission to read it", remedy) from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        problem = f"cannot be read as HDF5; it may be cut short ({error})"
        raise FlowFileError(path, problem, "copy or make the file again") from error


class UntrustedFile:
    """An open HDF5 file.

    Attributes:
        path: of the file, for messages.
        file: as h5py has it.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file

    def item(self, name: str) -> h5py.Group | h5py.Dataset | None:
        """What stands under a name in this very file, or None."""
        for depth in range(1, name.count("/") + 2):
            part = "/".join(name.split("/")[:depth])
            if isinstance(self.file.get(part, getlink=True), h5py.ExternalLink):
                raise self._elsewhere(f"/{part} is a link to another file")
        item = self.file.get(name)
        if item is not None and item.file.filename != self.file.filename:
            raise self._elsewhere(f"/{name} is a link to another file")
        return item

    def _elsewhere(self, problem: str) -> FlowFileError:
        return FlowFileError(self.path, problem, "store the data in the file itself")

    def group(self, name: str) -> h5py.Group:
        """A group of this file."""
        item = self.item(name)
        if not isinstance(item, h5py.Group):
            raise refusal(self.path, f"has no group /{name}")
        return item

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset that is stored in this file, with chunks of a size that can be read."""
        data = self.item(name)
        if not isinstance(data, h5py.Dataset):
            parent = name.rpartition("/")[0]
            there = listing(self.group(parent) if parent else self.file)
            raise refusal(self.path, f"has no dataset /{name}; there are {there}")
        if data.is_virtual or data.external:
            raise self._elsewhere(f"/{name} is kept in another file")
        if data.chunks is not None:
            self.check_size(name, np.prod(data.chunks, dtype=float) * data.dtype.itemsize, _LARGEST_CHUNK)
        return data

    def floats(self, name: str) -> h5py.Dataset:
        """A dataset of floating point numbers."""
        data = self.dataset(name)
        check_numbers(self.path, f"/{name}", data)
        return data

    def check_size(self, name: str, size: float, largest: int = LARGEST) -> None:
        """Refuse to read more at once than is allowed.

        Raises:
            FlowFileError: if it is more.
        """
        if size > largest:
            raise FlowFileError(
                self.path,
                f"has in /{name} {size:.0f} bytes in one piece",
                f"split it; at most {largest} are read at once",
            )

    def numbers(self, name: str, part: Any = ()) -> NDArray[np.floating]:
        """Numbers of a dataset, or of a part of it, as float32 or float64.

        Args:
            name: of the dataset.
            part: for the leading axes an integer or a slice from and to.
        """
        data = self.floats(name)
        shape = [
            len(range(*key.indices(side))) if isinstance(key, slice) else 1
            for key, side in zip(part, data.shape, strict=False)
        ]
        self.check_size(name, float(np.prod([*shape, *data.shape[len(shape) :]], dtype=float)) * 8)
        return np.asarray(data[part], native(data.dtype))

    def names(self, group: str, attribute: str = "field_names") -> list[str]:
        """Names in an attribute of a group."""
        attributes = self.group(group).attrs
        if attribute not in attributes:
            raise refusal(self.path, f"has no attribute {attribute} on /{group}")
        names = [text(name) for name in np.atleast_1d(attributes[attribute])]
        check_names(self.path, f"{attribute} of /{group}", names)
        return names


def native(kind: np.dtype) -> np.dtype:
    """The type that numbers of a file become in memory."""
    return np.dtype(np.float32 if kind.itemsize <= 4 else np.float64)


def text(value: Any) -> str:
    """A text of a file."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
