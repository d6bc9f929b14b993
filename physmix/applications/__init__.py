"""Uses of constrained channel mixing in the terms of their fields: one module, one field."""

from physmix.applications.balances import balanced_layer, imbalance, incidence, reconcile

__all__ = ["balanced_layer", "imbalance", "incidence", "reconcile"]
