"""Packages that are peers here, and not always built for the torch that is installed."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from physmix.errors import MissingPackageError

_LIBRARIES: list[torch.library.Library] = []  # an operator lives as long as its library


def package(name: str) -> Any:
    """A package of the extra `applications`, or a part of it, imported.

    Raises:
        MissingPackageError: if it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages about each other
            return import_module(name)
    except ImportError as error:
        raise MissingPackageError(str(error.name or name), "applications") from error


def torchvision(name: str = "torchvision") -> Any:
    """torchvision or a part of it, whose operators in C++ are not needed.

    Its builds are for one torch each, and on PyPI for another than the one without CUDA. An import
    then fails at operators that its own library would declare; so they are declared here.

    Raises:
        MissingPackageError: if it is not installed.
    """
    if find_spec("torchvision") is None:
        apart = "--no-deps --target peers torchvision, and run again with PYTHONPATH=peers"
        raise MissingPackageError("torchvision", "applications", apart)
    try:
        return package(name)
    except RuntimeError:
        for part in [part for part in sys.modules if part.split(".")[0] == "torchvision"]:
            del sys.modules[part]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        _LIBRARIES.append(library)
        return package(name)


if find_spec("torchvision") is not None:
    torchvision()  # before Lightning's metrics import it
