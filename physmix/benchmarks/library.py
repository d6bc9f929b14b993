"""The laws that the benchmark of laws measures: every one of the library, and some of known algebra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from physmix.files import configurations
from physmix.laws import Law, parse_laws

MOMENTUM = {"mass": "dt(rho) + div(m) = 0", "momentum": "dt(m) + div(s) = 0"}
VACUUM = {
    "faraday": "dt(B) + curl(E) = 0",
    "solenoidal": "div(B) = 0",
    "ampere": "dt(E) - curl(B) = 0",
    "gauss": "div(E) = 0",
}


@dataclass(frozen=True)
class System:
    """Laws that hold together, over their coordinates."""

    laws: tuple[Law, ...]
    coordinates: tuple[str, ...]

    @property
    def fields(self) -> list[str]:
        """The fields that the laws name, in their order."""
        return list(dict.fromkeys(field for law in self.laws for field in law.fields))

    @property
    def order(self) -> int:
        """The highest order of derivatives in a law."""
        return max(law.order for law in self.laws)


def system(texts: dict[str, str], coordinates: str, **declared: Any) -> System:
    """The system of these texts; `vectors`, `tensors` and `constants` as in `parse_laws`."""
    return System(parse_laws(texts, coordinates, **declared), tuple(coordinates))


def library() -> dict[str, System]:
    """Every law of conf/law that is not about totals, by name; the files are ours, so keys are not checked.

    Raises:
        FileNotFoundError: if the folder is missing.
    """
    found = {}
    for path in sorted((configurations() / "law").glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        if "coordinates" not in content:
            continue  # totals, and the free twin
        coordinates = tuple(content["coordinates"])
        declared = {key: content.get(key, ()) for key in ("vectors", "tensors")}
        laws = parse_laws(content["laws"], coordinates, **declared, constants=content.get("constants"))
        found[path.stem] = System(laws, coordinates)
    return found


KNOWN: dict[str, tuple[System, int]] = {
    "space-time tensor in 1+1": (system(MOMENTUM, "tx", vectors="m", tensors="s"), 1),
    "space-time tensor in 2+1": (system(MOMENTUM, "txy", vectors="m", tensors="s"), 6),
    "space-time tensor in 3+1": (system(MOMENTUM, "txyz", vectors="m", tensors="s"), 20),
    "divergence-free vectors in 2": (system({"div": "div(u) = 0"}, "xy", vectors="u"), 1),
    "divergence-free vectors in 3": (system({"div": "div(u) = 0"}, "xyz", vectors="u"), 3),
    "divergence-free vectors in 4": (system({"div": "div(u) = 0"}, "wxyz", vectors="u"), 6),
}
"""Systems whose number of potentials is known from algebra."""

AUTONOMOUS: dict[str, System] = {
    "vacuum Maxwell": system(VACUUM, "txyz", vectors="BE"),
    "advection": system({"advection": "dt(u) + dx(u) = 0"}, "tx"),
}
"""Systems without potentials: their fields follow from initial or boundary values."""
