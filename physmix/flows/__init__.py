"""Flows: fields on a grid over time, read, written, simulated, or known exactly."""

from physmix.flows.analytic import (
    Beltrami,
    Burgers,
    IsentropicVortex,
    Kovasznay,
    Riemann,
    TaylorGreen,
    exact_solution,
)
from physmix.flows.flow import Flow
from physmix.flows.hdf5 import read_flow, write_flow
from physmix.flows.simulation import simulate_kelvin_helmholtz, simulate_sod, simulate_vortex
from physmix.flows.solution import Solution

__all__ = [
    "Beltrami",
    "Burgers",
    "Flow",
    "IsentropicVortex",
    "Kovasznay",
    "Riemann",
    "Solution",
    "TaylorGreen",
    "exact_solution",
    "read_flow",
    "simulate_kelvin_helmholtz",
    "simulate_sod",
    "simulate_vortex",
    "write_flow",
]
