#!/usr/bin/env python
"""The face of physmix-solve in a checkout."""

from _face import run

run("solve")
