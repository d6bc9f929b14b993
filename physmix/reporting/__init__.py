"""Reporting: figures and the page of a run."""

from physmix.reporting.figures import Picture
from physmix.reporting.page import RunReport, draw, render

__all__ = ["Picture", "RunReport", "draw", "render"]
