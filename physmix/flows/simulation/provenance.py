"""How a simulated flow was made, as text that goes with it."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any


def made_by(package: str, solver: str, settings: Mapping[str, Any], **more: Any) -> dict[str, str]:
    """The provenance of a flow: solver, version, settings, and what else there is to say.

    Args:
        package: the distribution that solved the equations.
        solver: which part of it, and by which method.
        settings: from the configuration, without the callback `progress`.
        more: texts as they are, all else as JSON.
    """
    return {
        "solver": f"{package} {solver}",
        "solver_version": importlib.metadata.version(package),
        "settings": json.dumps({k: v for k, v in settings.items() if k != "progress"}, default=list),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in more.items()},
    }
