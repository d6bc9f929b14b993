"""Fixtures of all tests. The import hook comes first: it checks every shape in physmix's types."""

from pathlib import Path

from jaxtyping import install_import_hook

install_import_hook("physmix", "typechecker.typechecked")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

# A busy machine is no failure; and the examples are those of every run.
settings.register_profile("shared", deadline=None, derandomize=True)
settings.load_profile("shared")

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _same_start():
    """Tests share processes in an order that changes: none may depend on what ran before it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def vortex_file():
    return ROOT / "data" / "vortex.hdf5"


MASS_MOMENTUM = {
    "mass": "dt(rho) + dx(mx) + dy(my) = 0",
    "momentum_x": "dt(mx) + dx(sxx) + dy(sxy) = 0",
    "momentum_y": "dt(my) + dx(sxy) + dy(syy) = 0",
}


@pytest.fixture(scope="session")
def mass_momentum():
    from physmix.laws import parse_laws

    return parse_laws(MASS_MOMENTUM, "txy")
