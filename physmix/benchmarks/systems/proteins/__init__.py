"""Protein structures as lists of their C-alpha atoms."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

NAMES = ("1ubi", "1ake", "4ake")
"""Ubiquitin; adenylate kinase closed, and open. Of the Protein Data Bank, whose entries are CC0."""


def alpha_carbons(name: str) -> Tensor:
    """The places of the C-alpha atoms of an entry in angstrom, (residue, 3), float64."""
    lines = (Path(__file__).parent / f"{name}.pdb").read_text().splitlines()
    places = [
        [float(line[start : start + 8]) for start in (30, 38, 46)]  # fixed columns, format 3.3
        for line in lines
        if line.startswith("ATOM") and line[12:16] == " CA "
    ]
    return torch.tensor(places, dtype=torch.float64)
