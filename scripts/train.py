#!/usr/bin/env python
"""The face of physmix-train in a checkout."""

from _face import run

if __name__ == "__main__":  # processes of its own import it again
    run("train")
