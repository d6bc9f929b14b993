#!/usr/bin/env python
"""The face of physmix-simulate in a checkout."""

from physmix.commands.simulate import main

main()
