"""What exact totals do to the accuracy of a surrogate: beside its twins, over paired seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean, stdev

import torch
from torch import Tensor, nn

from physmix.benchmarks.row import Case, Row, Summary, ours, peer
from physmix.benchmarks.twins import FIELDS, GAMMA, LAWS, Budget, Corrected, Gases, trained
from physmix.checking import judge_rollout
from physmix.errors import SettingsError
from physmix.flows import gas
from physmix.surrogates import rollout
from physmix.surrogates.metrics import conserved_error, normalised_error, spectral_error

LAWFUL = "lawful"
TWINS: dict[str, Callable[[Budget, int], nn.Module]] = {
    LAWFUL: lambda budget, seed: trained(budget, seed, lawful=True),
    "free": lambda budget, seed: trained(budget, seed, lawful=False),
    "soft penalty": lambda budget, seed: trained(budget, seed, lawful=False, soft=True),
    "corrected": lambda budget, seed: Corrected(trained(budget, seed, lawful=False)),
}
"""Each with the initial weights of the operator, the batches and the steps that all have of a seed."""

ONE, END = "nRMSE after one step", "nRMSE at the end of the roll-out"
_DRIFT = {torch.float64: "drift of totals over 100 steps", torch.float32: "the same in single precision"}
_LEAST = "least density and pressure, over their bounds"
_LONG, _LONG_FROM = 100, 2


def twin_case(budget: Budget, seed: int, twin: str) -> Case:
    """Train one twin from one seed, and judge it on the trajectories for tests."""

    def run(case: str) -> list[Row]:
        found = judged(TWINS[twin](budget, seed), budget.data())
        if twin == LAWFUL:
            return [ours(case, metric, value) for metric, value in found.items()]
        return [peer(case, f"{twin} twin", metric, value) for metric, value in found.items()]

    return run


def judged(model: nn.Module, gases: Gases) -> dict[str, float]:
    """Errors on conserved variables, averaged over the fields; spectra; and the drift of totals."""
    test = gases.test
    with torch.no_grad():
        after = torch.stack([model(one[:-1]) for one in test])
    path = rollout(model, test[:, 0], test.shape[1] - 1).movedim(0, 1)
    found = {
        ONE: float(normalised_error(after, test[:, 1:]).mean()),
        END: float(normalised_error(path, test)[-1].mean()),
        "cRMSE after one step": float(conserved_error(after, test[:, 1:]).mean()),
        "cRMSE at the end of the roll-out": float(conserved_error(path, test)[-1].mean()),
        "error of the spectra at the end": float(spectral_error(path[:, -1], test[:, -1]).mean()),
    }
    least = _least(path, gases)
    for dtype, metric in _DRIFT.items():
        states = rollout(model, test[:_LONG_FROM, 0].to(dtype), _LONG)
        found[metric] = max(finding.violation for finding in judge_rollout(states, FIELDS, LAWS))
        least = min(least, _least(states, gases))
    return found | {_LEAST: least}


def _least(states: Tensor, gases: Gases) -> float:
    """The least density or pressure, over its bound."""
    density, *_, pressure = gas.primitive(*states.unbind(-1), gamma=GAMMA)
    bounds = zip((density, pressure), gases.least, strict=True)
    return min(float(value.amin()) / bound for value, bound in bounds)


def compared(cases: Sequence[dict[str, str]]) -> Summary:
    """The means over seeds, and that of ours over that of the best twin.

    Args:
        cases: for each seed, the case of each twin by its name.
    """

    def run(case: str, rows: Sequence[Row]) -> list[Row]:
        known = {(row.case, row.metric): row.value for row in rows}
        try:
            values = {
                metric: {twin: [known[seed[twin], metric] for seed in cases] for twin in TWINS}
                for metric in (ONE, END, _DRIFT[torch.float64])
            }
        except KeyError as error:
            remedy = "measure those of all seeds with it"
            raise SettingsError("the benchmark", f"{case!r} needs the rows of {error}", remedy) from error
        found = []
        for metric in (ONE, END):
            means = {twin: mean(numbers) for twin, numbers in values[metric].items()}
            best = min((twin for twin in TWINS if twin != LAWFUL), key=means.__getitem__)
            ratios = [a / b for a, b in zip(values[metric][LAWFUL], values[metric][best], strict=True)]
            found += [
                ours(case, f"{metric}, over the best twin's", means[LAWFUL] / means[best]),
                ours(case, f"{metric}, over that twin's, least of the seeds", min(ratios)),
                ours(case, f"{metric}, over that twin's, largest of the seeds", max(ratios)),
            ]
            for twin, numbers in values[metric].items():
                deviation = (f"{metric}, deviation over seeds", stdev(numbers))
                for name, value in ((f"{metric}, mean", means[twin]), deviation):
                    one = (
                        ours(case, name, value) if twin == LAWFUL else peer(case, f"{twin} twin", name, value)
                    )
                    found.append(one)
        drifts = values[_DRIFT[torch.float64]]
        less = min(free / max(own, 1e-300) for own, free in zip(drifts[LAWFUL], drifts["free"], strict=True))
        return [*found, ours(case, "times less drift than the free twin", less)]

    return Summary(run)


def paired_cases(name: str, budget: Budget, seeds: int) -> dict[str, Case | Summary]:
    """A case for each seed and twin, and one that compares them."""
    names = [{twin: f"{name}, seed {seed}, {twin}" for twin in TWINS} for seed in range(seeds)]
    cases: dict[str, Case | Summary] = {
        names[seed][twin]: twin_case(budget, seed, twin)
        # The free twin last but one, whose training the correction shares.
        for seed in range(seeds)
        for twin in (LAWFUL, "soft penalty", "free", "corrected")
    }
    return cases | {f"{name}, all seeds": compared(names)}
