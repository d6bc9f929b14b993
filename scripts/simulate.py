#!/usr/bin/env python
"""The face of physmix-simulate in a checkout."""

from _face import run

run("simulate")
