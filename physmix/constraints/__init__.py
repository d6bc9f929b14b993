"""Constraint sets: which weights are lawful. One set, one file."""

from physmix.constraints.exact import null_space
from physmix.constraints.linear import LinearSet

__all__ = ["LinearSet", "null_space"]
