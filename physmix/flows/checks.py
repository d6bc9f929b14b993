"""Checks of the numbers that describe a flow."""

import math

from physmix.errors import SettingsError


def positive(where: str, **numbers: float) -> None:
    """Raise SettingsError for a number that is not finite and above 0."""
    for key, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise SettingsError(where, f"{key}={value}", "give a finite number above 0")


def at_least(least: float, **numbers: float) -> None:
    """Raise SettingsError for a number of a simulation that is not finite, or below the least."""
    for key, value in numbers.items():
        if not (math.isfinite(value) and value >= least):
            raise SettingsError("the flow", f"{key}={value}", f"give a number from {least:g} up")
