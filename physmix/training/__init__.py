"""Training: the loop and its checkpoints, and solving by least squares."""

from physmix.training.checkpoint import (
    load_weights,
    read_description,
    read_weights,
    save_checkpoint,
)
from physmix.training.data import FlowData
from physmix.training.fields import as_flow, as_meshes
from physmix.training.fitting import fit_fields
from physmix.training.forecast import Forecast, forecast
from physmix.training.history import History
from physmix.training.inference import Inference, infer
from physmix.training.loop import PRECISIONS, check_precision, fit
from physmix.training.marching import March, march, window_ends, window_of
from physmix.training.posterior import Estimate, Posterior
from physmix.training.processes import Processes, joined
from physmix.training.quantities import Quantities, Quantity
from physmix.training.saved import load_solution, save_solution
from physmix.training.solution import Solution, solve
from physmix.training.solved import Solved
from physmix.training.solvers import LBFGS, SOAP, SOLVERS, Adam, GaussNewton, LevenbergMarquardt, Solver
from physmix.training.stages import Stage, Task
from physmix.training.trace import Step, Trace

__all__ = [
    "LBFGS",
    "PRECISIONS",
    "SOAP",
    "SOLVERS",
    "Adam",
    "Estimate",
    "FlowData",
    "Forecast",
    "GaussNewton",
    "History",
    "Inference",
    "LevenbergMarquardt",
    "March",
    "Posterior",
    "Processes",
    "Quantities",
    "Quantity",
    "Solution",
    "Solved",
    "Solver",
    "Stage",
    "Step",
    "Task",
    "Trace",
    "as_flow",
    "as_meshes",
    "check_precision",
    "fit",
    "fit_fields",
    "forecast",
    "infer",
    "joined",
    "load_solution",
    "load_weights",
    "march",
    "read_description",
    "read_weights",
    "save_checkpoint",
    "save_solution",
    "solve",
    "window_ends",
    "window_of",
]
