#!/usr/bin/env python
"""The face of physmix-explain in a checkout."""

from physmix.commands.explain import main

main()
