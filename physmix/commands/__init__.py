"""Commands: train, check, simulate; the scripts and the installed commands are their faces."""
