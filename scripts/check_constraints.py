#!/usr/bin/env python
"""The face of physmix-check in a checkout."""

from _face import run

run("check")
