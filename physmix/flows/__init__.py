"""Flows: fields on a grid over time, read, written, simulated, or known exactly."""

from physmix.flows.flow import Flow
from physmix.flows.hdf5 import read_flow, write_flow
from physmix.flows.simulation import simulate_vortex
from physmix.flows.vortex import IsentropicVortex, exact_solution

__all__ = [
    "Flow",
    "IsentropicVortex",
    "exact_solution",
    "read_flow",
    "simulate_vortex",
    "write_flow",
]
