"""Files that appear whole or not at all, and the folder of those that come with the package."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; it takes the place of `path` when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())  # a crash after the rename must not leave an empty file
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)  # as any file the user makes
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    with whole_file(path) as part:
        part.write_bytes(content)


def configurations() -> Path:
    """The folder conf/, in the installed package or beside it in a checkout.

    Raises:
        FileNotFoundError: if it is in neither place.
    """
    package = Path(str(files("physmix")))
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise FileNotFoundError("the folder conf of physmix is missing; install the package again")
