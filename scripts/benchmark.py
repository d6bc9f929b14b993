#!/usr/bin/env python
"""The face of physmix-benchmark in a checkout."""

from _face import run

run("benchmark")
