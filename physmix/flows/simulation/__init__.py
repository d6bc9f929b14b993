"""Flows simulated by solvers that other people keep; each gives a Flow, with how it was made."""

from physmix.flows.simulation.kelvin_helmholtz import simulate_kelvin_helmholtz
from physmix.flows.simulation.sod import simulate_sod
from physmix.flows.simulation.vortex import simulate_vortex

__all__ = ["simulate_kelvin_helmholtz", "simulate_sod", "simulate_vortex"]
