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
from physmix.flows.record import Record
from physmix.flows.simulation import (
    simulate_cavity,
    simulate_cylinder,
    simulate_kelvin_helmholtz,
    simulate_shear_layer,
    simulate_sod,
    simulate_vortex,
    simulate_wake,
    solve_cavity,
    solve_cylinder,
    solve_shear_layer,
    solve_wake,
)
from physmix.flows.solution import Solution

__all__ = [
    "Beltrami",
    "Burgers",
    "Flow",
    "IsentropicVortex",
    "Kovasznay",
    "Record",
    "Riemann",
    "Solution",
    "TaylorGreen",
    "exact_solution",
    "read_flow",
    "simulate_cavity",
    "simulate_cylinder",
    "simulate_kelvin_helmholtz",
    "simulate_shear_layer",
    "simulate_sod",
    "simulate_vortex",
    "simulate_wake",
    "solve_cavity",
    "solve_cylinder",
    "solve_shear_layer",
    "solve_wake",
    "write_flow",
]
