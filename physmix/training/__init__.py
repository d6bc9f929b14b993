"""Training: the loop and its checkpoints, and solving by least squares."""

from physmix.training.checkpoint import (
    load_weights,
    read_description,
    read_weights,
    save_checkpoint,
)
from physmix.training.fields import as_flow, as_mesh
from physmix.training.gauss_newton import Step, Trace
from physmix.training.inference import Inference, infer
from physmix.training.loop import History, Stage, Task, fit
from physmix.training.marching import March, march
from physmix.training.posterior import Estimate, Posterior
from physmix.training.quantities import Quantities, Quantity
from physmix.training.solution import Forecast, Solution, forecast, solve

__all__ = [
    "Estimate",
    "Forecast",
    "History",
    "Inference",
    "March",
    "Posterior",
    "Quantities",
    "Quantity",
    "Solution",
    "Stage",
    "Step",
    "Task",
    "Trace",
    "as_flow",
    "as_mesh",
    "fit",
    "forecast",
    "infer",
    "load_weights",
    "march",
    "read_description",
    "read_weights",
    "save_checkpoint",
    "solve",
]
