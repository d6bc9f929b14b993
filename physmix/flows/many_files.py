"""Several files of flows: which they are, whether they are alike, and the last few of them open."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from physmix.errors import FlowFileError, SettingsError
from physmix.flows.flow_file import FlowFile
from physmix.flows.metadata import Metadata

_OPEN = 8


def files_of(paths: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    """The files of a folder, or those named, in order.

    Raises:
        FlowFileError: if there are none.
        SettingsError: if no path is given.
    """
    if not isinstance(paths, str | os.PathLike):
        if not paths:
            raise SettingsError("the loader", "no path is given", "give a file, or a folder of files")
        return tuple(path for each in paths for path in files_of(each))
    path = Path(paths)
    if not path.is_dir():
        return (path,)
    found = sorted(p for p in path.iterdir() if p.suffix in (".hdf5", ".h5") and not p.name.startswith("."))
    if not found:
        raise FlowFileError(path, "is a folder without files of flows", "give one with .hdf5 or .h5 files")
    return tuple(found)


def check_alike(path: Path, about: Metadata, first: Metadata) -> None:
    """Raise FlowFileError if a file has other fields than the first, or another grid."""
    for what in ("components", "grid", "boundary", "places"):
        if getattr(about, what) != getattr(first, what):
            problem = f"has {what} {getattr(about, what)}, and the first file {getattr(first, what)}"
            raise FlowFileError(path, problem, "read files that are alike")


class OpenFiles:
    """The last few files, open in this process."""

    def __init__(self, opened: Callable[[int], FlowFile]) -> None:
        self._opened = opened
        self._known: OrderedDict[int, FlowFile] = OrderedDict()

    def get(self, number: int) -> FlowFile:
        """A file by its number."""
        if number not in self._known:
            self._known[number] = self._opened(number)
        self._known.move_to_end(number)
        if len(self._known) > _OPEN:
            self._known.popitem(last=False)[1].close()
        return self._known[number]

    def close(self) -> None:
        """Close all files."""
        while self._known:
            self._known.popitem()[1].close()
