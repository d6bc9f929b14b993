#!/usr/bin/env python
"""The face of physmix-applications in a checkout."""

from _face import run

run("applications")
