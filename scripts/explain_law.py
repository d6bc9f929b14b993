#!/usr/bin/env python
"""The face of physmix-explain in a checkout."""

from _face import run

run("explain")
