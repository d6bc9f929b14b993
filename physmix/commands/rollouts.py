"""What the roll-out of a trained surrogate is worth: errors, spectra, and totals in both precisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from physmix.checking import judge_rollout
from physmix.commands.trajectories import Trajectories
from physmix.laws import Law
from physmix.problems import relative_errors
from physmix.surrogates import rollout
from physmix.surrogates.metrics import conserved_error, drift, normalised_error, spectral_error


def judge_path(
    model: nn.Module, data: Trajectories, steps: int, laws: Sequence[Law]
) -> tuple[Float[Tensor, "time trajectory *grid field"], dict[str, Any]]:
    """The roll-out from the first test states in float64, and what is to be said of it.

    Drift is that of `grids.drift`, in states of both precisions: of each law its worst over all steps, and
    by step that of the field whose total is worst.
    """
    test, names = data.test, data.primitive_fields
    states = rollout(model, test[:, 0], steps)
    both = {"float64": states, "float32": rollout(model, test[:, 0].float(), steps)}
    known = min(steps, test.shape[1] - 1)
    path, whole = states.movedim(0, 1)[:, : known + 1], test[:, : known + 1]
    by_time = {
        "nrmse": normalised_error(path, whole),
        "crmse": conserved_error(path, whole),
        "drift": drift(path),
    }
    least = data.primitive(states).flatten(0, -2).amin(0)
    ends = data.primitive(path[:, -1]), data.primitive(whole[:, -1])
    return states, {
        "rollout_steps": steps,
        "rollout_error_steps": known,
        "rollout_errors": relative_errors(*ends, names),
        "rollout_end": {name: _by_field(values[-1], data.fields) for name, values in by_time.items()}
        | {"spectra": _by_field(spectral_error(path[:, -1], whole[:, -1]), data.fields)},
        "rollout_drift": {
            precision: {one.law: one.violation for one in judge_rollout(found, data.fields, laws)}
            for precision, found in both.items()
        },
        "rollout_path": {
            "nrmse": by_time["nrmse"].mean(1).tolist(),
            "drift": {
                precision: drift(found.movedim(0, 1)).amax(1).tolist() for precision, found in both.items()
            },
        },
        "rollout_least": _by_field(least, names),
    }


def _by_field(values: Tensor, fields: Iterable[str]) -> dict[str, float]:
    return dict(zip(fields, values.tolist(), strict=True))
