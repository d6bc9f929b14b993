#!/usr/bin/env python
"""The face of physmix-benchmark in a checkout."""

from physmix.commands.benchmark import main

main()
