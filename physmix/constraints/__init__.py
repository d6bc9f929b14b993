"""Constraint sets: which weights are lawful. One set, one file."""

from physmix.constraints.linear import LinearSet

__all__ = ["LinearSet"]
