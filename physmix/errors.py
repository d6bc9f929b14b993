"""Every failure a user can cause, as a class that owns its sentence.

A sentence says what was wrong, what was got, what was expected and what to type instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


def listing(names: Iterable[object]) -> str:
    """Join names as they read in a sentence."""
    return ", ".join(str(name) for name in names) or "none"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)" for the known name nearest to `name`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


class PhysmixError(Exception):
    """Anything physmix refuses to do."""


class LawSyntaxError(PhysmixError):
    """The text of a law cannot be read."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        shown = text if len(text) <= 120 else text[:117] + "..."
        super().__init__(
            f"law text {shown!r}, column {column + 1}: {problem}. "
            "A law reads like 'dt(rho) + dx(mx) + dy(my) = 0', 'div(u) = 0', 'Y1 + Y2 = rho' or "
            "'integral(rho) = const'."
        )
        self.column = column


class FunctionTextError(PhysmixError):
    """The text of a given function cannot be read."""

    def __init__(self, text: str, problem: str) -> None:
        shown = text if len(text) <= 120 else text[:117] + "..."
        super().__init__(
            f"function text {shown!r}: {problem}. A function reads like '16*x^2*(1 - x)^2', "
            "'box(x=(0, 1), y=(0, None))', 'ball(x=1, y=0.5, radius=0.1)', 'union(f, g)', "
            "'blend((f, 0), (g, 1), order=2)', 'sin(f)', 'tanh(f)', 'exp(f)' or 'angle(f, g)'."
        )


class FormulaTextError(PhysmixError):
    """The text of a residual or of a value cannot be read."""

    def __init__(self, text: str, problem: str) -> None:
        shown = text if len(text) <= 120 else text[:117] + "..."
        super().__init__(
            f"formula {shown!r}: {problem}. A formula reads like 'nu*dx(ux) - p', 'laplacian(T)', "
            "'ux*nx + uy*ny', '4*y*(1 - y)' or 'sin(pi*x)*exp(-t)'."
        )


class UnknownFieldError(PhysmixError):
    """A law names a field that the model does not have."""

    def __init__(self, law: str, field: str, known: Iterable[str]) -> None:
        known = list(known)
        super().__init__(
            f"law {law!r} names the field {field!r}, but the fields are {listing(known)}"
            f"{suggestion(field, known)}; correct the law or add the field."
        )


class ContradictionError(PhysmixError):
    """Linear constraints that no matrix satisfies."""

    def __init__(self, rows: Iterable[str]) -> None:
        self.rows = tuple(rows)
        super().__init__(
            f"these constraints contradict each other: {listing(self.rows)}. "
            "No weights satisfy all of them; drop or correct one."
        )


class UnsupportedSetError(PhysmixError):
    """A constraint set that cannot do what is asked."""

    def __init__(self, members: str, what: str, remedy: str) -> None:
        super().__init__(f"{members} has no {what}: {remedy}.")


class ProjectionError(PhysmixError):
    """A projection that does not converge."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"no projection was found: {problem}; {remedy}.")


class NoFreedomError(PhysmixError):
    """Constraints that a single weight satisfies, so that nothing is left to learn."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"with {what} there is no freedom: a single weight is lawful; {remedy}.")


class UnsupportedLawError(PhysmixError):
    """A law that is well formed but cannot be held, or judged, here."""

    def __init__(self, law: str, reason: str, remedy: str) -> None:
        super().__init__(f"law {law!r} is refused: {reason}; {remedy}.")


class UnsupportedOptimizerError(PhysmixError):
    """An optimiser setting that would move the constrained optimum."""

    def __init__(self, optimizer: str, setting: str, remedy: str) -> None:
        super().__init__(f"{optimizer} with {setting} does not reach the constrained optimum: {remedy}.")


class NoJetRuleError(PhysmixError):
    """A module whose action on Taylor coefficients is not known."""

    def __init__(self, module: str, known: Iterable[str]) -> None:
        super().__init__(
            f"no jet rule for {module}; a pointwise network may contain {listing(known)}. "
            "Subclasses and forward hooks are not looked into: replace the module, or register a rule "
            "with physmix.jets.rule."
        )


class ShapeError(PhysmixError):
    """A tensor whose shape does not fit."""

    def __init__(self, what: str, got: Iterable[int], expected: str) -> None:
        super().__init__(f"{what} has shape {tuple(got)}, expected {expected}.")


class SamplesError(PhysmixError):
    """Data that no moments can be taken of."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"the samples of {where}: {problem}; {remedy}.")


class FlowFileError(PhysmixError):
    """An HDF5 flow that cannot be read, or must not be written."""

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"flow file {path}: {problem}; {remedy}.")


class SensorFileError(PhysmixError):
    """A table of measurements that cannot be read."""

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"sensor file {path}: {problem}; {remedy}.")


class MeshFileError(PhysmixError):
    """A mesh or grid with fields that cannot be read or written."""

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"mesh file {path}: {problem}; {remedy}.")


class CheckpointError(PhysmixError):
    """A checkpoint that cannot be read, or belongs to something else."""

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"checkpoint {path}: {problem}; {remedy}.")


class RunExistsError(PhysmixError):
    """A run folder that would have been overwritten."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(
            f"the run folder {folder} exists and is left as it is; add resume=true to continue or "
            "print it, choose another seed, or move the folder away."
        )


class SettingsError(PhysmixError):
    """A configuration that does not fit."""

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"configuration of {where}: {problem}; {remedy}.")


class CompositionError(PhysmixError):
    """A network that breaks laws after the layer that holds them."""

    def __init__(self, layer: str, laws: Iterable[str], where: str, what: str) -> None:
        super().__init__(
            f"the lawful layer {layer} is followed by something that breaks its laws ({listing(laws)}): "
            f"{where} {what}. Put it before the layer; or fold units and means into the law, with "
            "Scaling; or pass the fields through physmix.derived first, if the laws are not claimed of "
            "what is made from them."
        )


class MissingPackageError(PhysmixError):
    """An optional package that the command needs.

    Args:
        package: its name.
        extra: of physmix, that installs it.
        install: what to give to pip instead, where no extra can.
    """

    def __init__(self, package: str, extra: str, install: str = "") -> None:
        self.package, self.extra = package, extra
        wanted = f"'physmix[{extra}]'"
        super().__init__(
            f"this needs the package {package}, which is not installed; "
            f"type: pip install {install or wanted}."
        )


class TrainingError(PhysmixError):
    """A training run that cannot go on."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"training stopped: {problem}; {remedy}.")
