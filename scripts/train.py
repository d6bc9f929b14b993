#!/usr/bin/env python
"""The face of physmix-train in a checkout."""

from physmix.commands.train import main

main()
