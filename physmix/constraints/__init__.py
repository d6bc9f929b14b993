"""Constraint sets: which weights are lawful. One set, one file."""

from physmix.constraints.balls import Ball, SpectralBall
from physmix.constraints.box import Box, Nonnegative
from physmix.constraints.convex import Convex
from physmix.constraints.exact import null_space, rational_null_space
from physmix.constraints.groups import Groups
from physmix.constraints.intersection import intersect
from physmix.constraints.linear import LinearSet
from physmix.constraints.orthonormal import Orthonormal, Rotation
from physmix.constraints.polyhedron import Polyhedron
from physmix.constraints.rows import Rows
from physmix.constraints.set import ConstraintSet, Kind
from physmix.constraints.simplex import Simplex
from physmix.constraints.sparsity import Sparsity
from physmix.constraints.stochastic import DoublyStochastic
from physmix.constraints.views import Columns, Kernel, Outputs, Whole, on_inputs, on_outputs, on_weight

__all__ = [
    "Ball",
    "Box",
    "Columns",
    "ConstraintSet",
    "Convex",
    "DoublyStochastic",
    "Groups",
    "Kernel",
    "Kind",
    "LinearSet",
    "Nonnegative",
    "Orthonormal",
    "Outputs",
    "Polyhedron",
    "Rotation",
    "Rows",
    "Simplex",
    "Sparsity",
    "SpectralBall",
    "Whole",
    "intersect",
    "null_space",
    "on_inputs",
    "on_outputs",
    "on_weight",
    "rational_null_space",
]
