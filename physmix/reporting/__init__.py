"""Reporting: figures and the page of a run."""

from physmix.reporting.figures import Picture
from physmix.reporting.page import RunReport, draw, render
from physmix.reporting.solved import Map, SolvedReport, draw_solved, render_solved

__all__ = ["Map", "Picture", "RunReport", "SolvedReport", "draw", "draw_solved", "render", "render_solved"]
