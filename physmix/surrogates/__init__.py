"""Surrogates: models that advance the fields of a grid in time."""

from physmix.surrogates.next_state import NextState
from physmix.surrogates.stack import FieldStack, rollout

__all__ = ["FieldStack", "NextState", "rollout"]
