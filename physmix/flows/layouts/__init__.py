"""Layouts of HDF5 files that are read as they are: The Well's, PDEBench's and PDEArena's."""

from physmix.flows.layouts import pdearena, pdebench, well
from physmix.flows.layouts.piece import Piece
from physmix.flows.metadata import Metadata
from physmix.flows.untrusted import UntrustedFile

__all__ = ["Piece", "describe"]


def describe(file: UntrustedFile) -> tuple[Metadata, list[Piece]]:
    """What an open file holds, and where; a file of no other layout is taken for one of The Well.

    Raises:
        FlowFileError: if it does not fit its layout.
    """
    if pdebench.is_pdebench(file):
        return pdebench.describe(file)
    if pdearena.is_pdearena(file):
        return pdearena.describe(file)
    return well.describe(file)
