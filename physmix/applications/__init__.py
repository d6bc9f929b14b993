"""Uses of constrained channel mixing in the terms of their fields: one module, one field."""
