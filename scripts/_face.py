"""What every script here does: it runs a command of physmix, or says how to install it."""

import sys
from importlib import import_module


def run(command: str) -> None:
    """Run a command; exit 2, as where nothing can be judged, if its packages are not installed."""
    try:
        main = import_module(f"physmix.commands.{command}").main
    except ModuleNotFoundError as error:
        print(
            f"physmix: the package {error.name} is not installed for {sys.executable}; "
            "type: make test, which sets up .venv, and then: . .venv/bin/activate",
            file=sys.stderr,
        )
        sys.exit(2)
    main()
