"""Surrogates: models that advance the fields of a grid in time."""

from physmix.surrogates.admissible import AdmissibleSet, Bounds, PositiveGas
from physmix.surrogates.next_state import NextState, total_rows
from physmix.surrogates.pieces import Pieces, Streamed, persistence
from physmix.surrogates.stack import FieldStack, rollout
from physmix.surrogates.step import LawfulStep

__all__ = [
    "AdmissibleSet",
    "Bounds",
    "FieldStack",
    "LawfulStep",
    "NextState",
    "Pieces",
    "PositiveGas",
    "Streamed",
    "persistence",
    "rollout",
    "total_rows",
]
