"""Flows by solvers that other people keep.

`simulate_NAME` gives a flow on a grid, with how it was made; `solve_NAME` the flow at any point.
"""

from physmix.flows.simulation.cavity import simulate_cavity, solve_cavity
from physmix.flows.simulation.cylinder import CylinderFlow, simulate_cylinder, solve_cylinder
from physmix.flows.simulation.finite_element_flow import FiniteElementFlow
from physmix.flows.simulation.fourier import FourierFlow
from physmix.flows.simulation.kelvin_helmholtz import simulate_kelvin_helmholtz
from physmix.flows.simulation.random_gas import simulate_quadrants, simulate_streams, simulate_vortices
from physmix.flows.simulation.shear_layer import simulate_shear_layer, solve_shear_layer
from physmix.flows.simulation.sod import simulate_sod
from physmix.flows.simulation.vortex import simulate_vortex
from physmix.flows.simulation.wake import Wake, simulate_wake, solve_wake

__all__ = [
    "CylinderFlow",
    "FiniteElementFlow",
    "FourierFlow",
    "Wake",
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
]
