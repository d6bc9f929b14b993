"""Reconciliation: the lawful field that is nearest to given data."""

from physmix.reconciliation.bounds import nearest_lawful
from physmix.reconciliation.lawful import LawfulFields, law_terms

__all__ = ["LawfulFields", "law_terms", "nearest_lawful"]
