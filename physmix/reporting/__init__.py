"""Reporting: figures and the page of a run."""

from physmix.reporting.figures import Picture
from physmix.reporting.page import RunReport, draw, render
from physmix.reporting.panels import Bars, Curves, Image, Network, Panel, draw_panels
from physmix.reporting.solved import Course, Map, SolvedReport, draw_solved, maps_of, render_solved

__all__ = [
    "Bars",
    "Course",
    "Curves",
    "Image",
    "Map",
    "Network",
    "Panel",
    "Picture",
    "RunReport",
    "SolvedReport",
    "draw",
    "draw_panels",
    "draw_solved",
    "maps_of",
    "render",
    "render_solved",
]
