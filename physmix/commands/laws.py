"""Laws as files of conf/law, configurations and checkpoints hold them: plain keys, and not trusted.

name         of the file: what training calls its run folder after
source       book or paper, and equation
coordinates  those the laws are written in; without them, the laws are for any
vectors      fields with a component for each space coordinate: u is ux, uy
tensors      symmetric fields with two indices: s is sxx, sxy, syy
constants    numbers by name; text is read exactly
laws         {name: text}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from physmix.commands.interface import check_keys
from physmix.errors import SettingsError, listing
from physmix.files import configurations
from physmix.laws import TIME, Law, parse_law, parse_laws

_KEYS = ("name", "source", "coordinates", "vectors", "tensors", "constants", "laws")


@dataclass(frozen=True)
class LawTexts:
    """Laws by name, with what their words stand for.

    Attributes:
        laws: from name to text; none leaves every weight free.
        name: of all of them together; empty if there is none.
        source: where they are from, for readers only.
        coordinates: those they are written in; none means any.
        vectors: names of vector fields.
        tensors: names of symmetric tensor fields.
        constants: text of each number.
    """

    laws: Mapping[str, str]
    name: str = ""
    source: str = ""
    coordinates: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: object) -> LawTexts:
        """Check the laws of a file, a configuration or a checkpoint.

        Raises:
            SettingsError: if there are no laws, a key is unknown, or a value is of another type.
        """
        if not isinstance(settings, Mapping):
            raise _refusal(settings)
        check_keys({str(key): value for key, value in settings.items()}, _KEYS, "the laws")
        laws = settings.get("laws")
        if not isinstance(laws, Mapping) or not all(isinstance(text, str) for text in laws.values()):
            raise _refusal(laws)
        for key in ("name", "source"):
            if not isinstance(settings.get(key, ""), str):
                raise SettingsError("the laws", f"{key}={settings[key]!r}", "give a text")
        return cls(
            laws={str(name): text for name, text in laws.items()},
            name=settings.get("name", ""),
            source=settings.get("source", ""),
            coordinates=_names(settings, "coordinates"),
            vectors=_names(settings, "vectors"),
            tensors=_names(settings, "tensors"),
            constants=_numbers(settings.get("constants", {})),
        )

    def parse(self, coordinates: Iterable[str]) -> tuple[Law, ...]:
        """The laws of fields over these coordinates.

        Raises:
            LawSyntaxError: if a text cannot be read.
            SettingsError: if the laws are written in other coordinates (fields may depend on time, t,
                where the laws do not speak of it), or a declaration cannot be used.
        """
        coordinates = tuple(coordinates)
        own = self.coordinates
        if own and own not in (coordinates, tuple(name for name in coordinates if name != TIME)):
            raise SettingsError(
                "the laws",
                f"they are written in {listing(own)}, and the fields depend on {listing(coordinates)}",
                "take the laws of these coordinates, or set coordinates if the texts hold there too",
            )
        return parse_laws(self.laws, coordinates, **self._declarations())

    def spelled(self, coordinates: Iterable[str]) -> dict[str, str]:
        """The text behind each law of `parse`, by the law's name."""
        coordinates = tuple(coordinates)
        return {
            law.name: text
            for name, text in self.laws.items()
            for law in parse_law(name, text, coordinates, **self._declarations())
        }

    def as_dict(self) -> dict[str, Any]:
        """What `of` reads, as JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "coordinates": list(self.coordinates),
            "vectors": list(self.vectors),
            "tensors": list(self.tensors),
            "constants": dict(self.constants),
            "laws": dict(self.laws),
        }

    def _declarations(self) -> dict[str, Any]:
        return {"vectors": self.vectors, "tensors": self.tensors, "constants": self.constants}


def library() -> dict[str, Path]:
    """The files of conf/law, by the names of their laws."""
    return {path.stem: path for path in sorted((configurations() / "law").glob("*.yaml"))}


def read_laws(path: Path) -> LawTexts:
    """The laws of a YAML file, or of a name of the library.

    Raises:
        SettingsError: if it cannot be read, or holds no laws.
    """
    if not path.exists():
        path = library().get(str(path), path)
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        remedy = f"give a YAML file, or one of {listing(library())}"
        raise SettingsError("the laws", f"{path} cannot be read ({error})", remedy) from error
    texts = LawTexts.of(content)
    if not texts.laws:
        raise _refusal(texts.laws)
    return texts


def _refusal(value: object) -> SettingsError:
    remedy = "write laws: {name: text}, such as laws: {mass: 'integral(rho) = const'}"
    return SettingsError("the laws", f"{str(value)[:80]!r} names no laws", remedy)


def _names(settings: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = settings.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise SettingsError("the laws", f"{key}={str(value)[:80]!r}", "give a list of names, such as [u, v]")
    return tuple(value)


def _numbers(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(number, str | int | float) and not isinstance(number, bool) for number in value.values()
    ):
        remedy = 'give numbers by name, such as {eps0: "8.8541878128e-12"}'
        raise SettingsError("the laws", f"constants={str(value)[:80]!r}", remedy)
    return {
        str(name): repr(number) if isinstance(number, float) else str(number)
        for name, number in value.items()
    }
