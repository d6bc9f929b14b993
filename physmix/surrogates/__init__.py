"""Surrogates: models that advance the fields of a grid in time."""

from physmix.surrogates.admissible import AdmissibleSet, Bounds, IdealGas
from physmix.surrogates.next_state import NextState, Windows, persistence, total_rows
from physmix.surrogates.stack import FieldStack, rollout
from physmix.surrogates.step import LawfulStep

__all__ = [
    "AdmissibleSet",
    "Bounds",
    "FieldStack",
    "IdealGas",
    "LawfulStep",
    "NextState",
    "Windows",
    "persistence",
    "rollout",
    "total_rows",
]
