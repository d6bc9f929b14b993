"""The solvers, their settings, and which one serves a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from physmix.errors import SettingsError, listing, suggestion
from physmix.problems import Residuals
from physmix.training.first_order import FirstOrderRun, adam, soap
from physmix.training.gauss_newton import last_layer
from physmix.training.levenberg_marquardt import ITERATIONS, SKETCH, Space, all_layers, space_of
from physmix.training.quasi_newton import QuasiNewtonRun
from physmix.training.trace import Run
from physmix.training.weights import Weights


class Cost(NamedTuple):
    """Of one step: operations of linear algebra, gradients that are evaluated, numbers that are held."""

    operations: float
    gradients: float
    held: float


@runtime_checkable
class Solver(Protocol):
    """A way to a least sum of squares."""

    @property
    def name(self) -> str:
        """As in `SOLVERS`."""
        ...

    @property
    def steps(self) -> int:
        """At most, where nothing else is said."""
        ...

    def weights(self, residuals: Residuals) -> Weights:
        """What it moves."""
        ...

    def start(self, weights: Weights) -> Run:
        """At the present weights."""
        ...

    def why(self, weights: Weights) -> str:
        """What it serves, and on what."""
        ...

    def cost(self, weights: Weights) -> Cost:
        """Of one step."""
        ...


class _Everything:
    """Solvers that move all weights."""

    def weights(self, residuals: Residuals) -> Weights:
        """What it moves."""
        return Weights(residuals)


@dataclass(frozen=True)
class GaussNewton:
    """Gauss-Newton on the last mixing layer, with hidden layers as they are."""

    steps: int = 20
    name: str = "gauss-newton"

    def weights(self, residuals: Residuals) -> Weights:
        """What it moves."""
        return Weights(residuals, hidden=False)

    def start(self, weights: Weights) -> Run:
        """At the present weights."""
        return last_layer(weights)

    def why(self, weights: Weights) -> str:
        """What it serves, and on what."""
        return f"hidden layers are frozen, and {weights.count} mixing weights are found by least squares"

    def cost(self, weights: Weights) -> Cost:
        """Of one step; with subdomains an upper bound."""
        columns, rows = weights.count, weights.residuals.count
        return Cost(2.0 * (rows + columns) * columns**2, 1, 3.0 * columns**2 + weights.residuals.kept)


@dataclass(frozen=True)
class LevenbergMarquardt(_Everything):
    """Levenberg-Marquardt over all layers.

    Attributes:
        space: where the linear model is solved; the cheapest if omitted.
        steps: at most, where nothing else is said.
    """

    space: Space | None = None
    steps: int = 200
    name: str = "levenberg-marquardt"

    def start(self, weights: Weights) -> Run:
        """At the present weights."""
        return all_layers(weights, self.space or space_of(weights)[0])

    def why(self, weights: Weights) -> str:
        """What it serves, and on what."""
        cheapest, why = space_of(weights)
        if self.space not in (None, cheapest):
            return f"in the space of {self.space}, as was asked, not {cheapest} ({why})"
        return f"all weights move; in the space of {cheapest} ({why})"

    def cost(self, weights: Weights) -> Cost:
        """Of one step."""
        columns, rows = weights.count, weights.residuals.count
        less, more = sorted((columns, rows))
        if (self.space or space_of(weights)[0]) == "matrix-free":
            return Cost(4.0 * SKETCH * rows * columns, 3.0 * ITERATIONS, 3.0 * SKETCH * columns)
        return Cost(2.0 * more * less**2 + less**3 / 3, 4, columns * less + 2.0 * less**2)


@dataclass(frozen=True)
class LBFGS(_Everything):
    """L-BFGS over all layers.

    Attributes:
        memory: pairs of steps and changes of gradient that are kept.
        steps: at most, where nothing else is said.
    """

    memory: int = 100
    steps: int = 2000
    name: str = "lbfgs"

    def start(self, weights: Weights) -> Run:
        """At the present weights."""
        return QuasiNewtonRun(weights, self.memory)

    def why(self, weights: Weights) -> str:
        """What it serves, and on what."""
        return f"{weights.count} weights from gradients alone, {self.memory} pairs in memory"

    def cost(self, weights: Weights) -> Cost:
        """Of one step."""
        return Cost(8.0 * self.memory * weights.count, 1.2, 2.0 * self.memory * weights.count)


@dataclass(frozen=True)
class _FirstOrder(_Everything):
    rate: float
    batch: int | None = None
    seed: int = 0
    steps: int = 5000

    def why(self, weights: Weights) -> str:
        """What it serves, and on what."""
        points = "all points" if self.batch is None else f"mini-batches of {self.batch} points"
        return f"{weights.count} weights from gradients of {points}"

    def cost(self, weights: Weights) -> Cost:
        """Of one step."""
        share = min(1.0, self.batch / sum(weights.residuals.pieces)) if self.batch else 1.0
        return Cost(20.0 * weights.count, share, 10.0 * weights.count)


@dataclass(frozen=True)
class Adam(_FirstOrder):
    """Adam over all layers.

    Attributes:
        rate: of learning, at first; it falls to zero along half a cosine.
        batch: points in each step; all if omitted.
        seed: of the batches.
        steps: where nothing else is said.
    """

    rate: float = 1e-2
    name: str = "adam"

    def start(self, weights: Weights) -> Run:
        """At the present weights."""
        return FirstOrderRun(weights, adam, self.rate, self.batch, self.seed)


@dataclass(frozen=True)
class SOAP(_FirstOrder):
    """SOAP over all layers, of the package pytorch_optimizer (extra `soap`); settings as of `Adam`."""

    rate: float = 1e-2
    name: str = "soap"

    def start(self, weights: Weights) -> Run:
        """At the present weights.

        Raises:
            MissingPackageError: without the package.
        """
        return FirstOrderRun(weights, soap, self.rate, self.batch, self.seed)


SOLVERS: Mapping[str, type[GaussNewton | LevenbergMarquardt | LBFGS | Adam | SOAP]] = {
    "gauss-newton": GaussNewton,
    "levenberg-marquardt": LevenbergMarquardt,
    "lbfgs": LBFGS,
    "adam": Adam,
    "soap": SOAP,
}


def choose(solver: str | Solver, residuals: Residuals) -> tuple[Solver, str]:
    """The solver of a name, or the one that serves best for "auto", and why in words.

    Raises:
        SettingsError: if there is none of this name.
    """
    if solver == "auto":
        moving = Weights(residuals).moving
        chosen: Solver = LevenbergMarquardt() if moving else GaussNewton()
        return chosen, f"{chosen.name}, chosen automatically: {chosen.why(chosen.weights(residuals))}"
    if not isinstance(solver, str):
        return solver, f"{solver.name}: {solver.why(solver.weights(residuals))}"
    if solver not in SOLVERS:
        names = ("auto", *SOLVERS)
        hint = suggestion(solver, names)
        raise SettingsError("the solver", f"there is no {solver!r}{hint}", f"choose from {listing(names)}")
    return choose(SOLVERS[solver](), residuals)
