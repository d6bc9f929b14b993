#!/usr/bin/env python
"""The face of physmix-train in a checkout."""

from _face import run

run("train")
