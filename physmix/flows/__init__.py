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
from physmix.flows.flow_file import FlowFile, read_flow
from physmix.flows.gas import IdealGas
from physmix.flows.hdf5 import write_flow, write_parts
from physmix.flows.known import KnownFlow
from physmix.flows.metadata import Field, Metadata
from physmix.flows.record import Record
from physmix.flows.sensors import Sensors, draw_sensors, read_sensors
from physmix.flows.simulation import (
    simulate_cavity,
    simulate_cylinder,
    simulate_kelvin_helmholtz,
    simulate_quadrants,
    simulate_shear_layer,
    simulate_sod,
    simulate_streams,
    simulate_vortex,
    simulate_vortices,
    simulate_wake,
    solve_cavity,
    solve_cylinder,
    solve_shear_layer,
    solve_wake,
)
from physmix.flows.statistics import statistics
from physmix.flows.vtk import Mesh, read_mesh, write_vti, write_vtu, write_vtu_series
from physmix.flows.window_loader import Window, WindowLoader
from physmix.flows.windows import Windows

__all__ = [
    "Beltrami",
    "Burgers",
    "Field",
    "Flow",
    "FlowFile",
    "IdealGas",
    "IsentropicVortex",
    "KnownFlow",
    "Kovasznay",
    "Mesh",
    "Metadata",
    "Record",
    "Riemann",
    "Sensors",
    "TaylorGreen",
    "Window",
    "WindowLoader",
    "Windows",
    "draw_sensors",
    "exact_solution",
    "read_flow",
    "read_mesh",
    "read_sensors",
    "simulate_cavity",
    "simulate_cylinder",
    "simulate_kelvin_helmholtz",
    "simulate_quadrants",
    "simulate_shear_layer",
    "simulate_sod",
    "simulate_streams",
    "simulate_vortex",
    "simulate_vortices",
    "simulate_wake",
    "solve_cavity",
    "solve_cylinder",
    "solve_shear_layer",
    "solve_wake",
    "statistics",
    "write_flow",
    "write_parts",
    "write_vti",
    "write_vtu",
    "write_vtu_series",
]
