"""Flow files of any layout, judged part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from physmix.checking import Finding, flow_fields, judge_flow, together
from physmix.commands.laws import LawTexts, read_laws
from physmix.errors import FlowFileError, SettingsError, UnsupportedLawError, listing
from physmix.files import configurations
from physmix.flows import Flow, FlowFile
from physmix.grids import Scheme
from physmix.laws import TIME, Law


@dataclass(frozen=True)
class Told:
    """What the files do not tell of flows.

    Attributes:
        constants: numbers by name, such as gamma.
        boundary: types of boundary by dimension.
    """

    constants: Mapping[str, float] = field(default_factory=dict)
    boundary: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, constants: str, periodic: str) -> Told:
        """From the texts of the command line.

        Raises:
            SettingsError: if a constant is no number.
        """
        found = {}
        for part in filter(None, constants.split(",")):
            name, _, number = part.partition("=")
            try:
                found[name.strip()] = float(Fraction(number.strip()))
            except (ValueError, ZeroDivisionError) as error:
                remedy = "write gamma=5/3 or gamma=1.4"
                raise SettingsError("the constants", f"{part!r} has no number", remedy) from error
        axes = [name.strip() for name in periodic.split(",") if name.strip()]
        return cls(found, dict.fromkeys(axes, "PERIODIC"))


def judge_file(
    path: Path, texts: LawTexts | None, scheme: Scheme | None, told: Told
) -> tuple[list[Finding], dict[str, str]]:
    """Judge laws on all trajectories of a file, as many at once as fit in memory.

    Args:
        path: of the file.
        texts: the laws; None for the totals of a gas, as far as the file has what they speak of.
        scheme: of derivatives in space.
        told: what the file does not tell.

    Returns:
        the findings, and the reason for each law that was not judged.

    Raises:
        FlowFileError: if the file cannot be read, or has nothing that totals could be made of.
        UnknownFieldError, UnsupportedLawError: see `judge_flow`.
    """
    reasons: dict[str, str] = {}
    with FlowFile(path, constants=told.constants, boundary=told.boundary) as file:
        components = file.metadata.components
        if texts is None and "density" not in components:
            problem = (
                "no law could be judged: mass, momentum and energy need density, velocity and pressure, "
                f"and the fields are {listing(components)}"
            )
            raise FlowFileError(path, problem, "call them so, or give laws with --laws FILE")
        judged = texts or read_laws(configurations() / "law" / "totals.yaml")
        laws = judged.parse((TIME, *file.metadata.axes))
        parts = (_judge_part(flow, laws, scheme, None if texts else reasons) for flow in file.parts())
        return together(parts), reasons


def _judge_part(
    flow: Flow, laws: Iterable[Law], scheme: Scheme | None, reasons: dict[str, str] | None
) -> list[Finding]:
    """Findings on some trajectories; with `reasons`, laws that do not fit are left out and noted there."""
    known = flow_fields(flow)
    findings = []
    for law in laws:
        absent = [name for name in law.fields if name not in known]
        if reasons is not None and absent:
            reasons[law.name] = f"the flow has no {', '.join(absent)}"
            continue
        try:
            findings += judge_flow(flow, [law], scheme)
        except UnsupportedLawError as error:
            if reasons is None:
                raise
            reasons[law.name] = str(error)
    return findings
