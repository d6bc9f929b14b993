#!/usr/bin/env python
"""The face of physmix-check in a checkout."""

from physmix.commands.check import main

main()
