"""Commands as a user runs them: in a folder of their own, with few steps."""

import shutil

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from physmix.files import configurations
from physmix.flows import Flow, write_flow


@pytest.fixture
def settings(vortex_file, tmp_path):
    """Compose the settings of a training run."""

    def make(*overrides, name="train"):
        own = [f"runs={tmp_path / 'runs'}", f"data={vortex_file}", "progress=false"]
        return compose_settings(*(own if name == "train" else []), *overrides, name=name)

    return make


FEW = {
    "vortex": [
        "training.stages.0.steps=2",
        "training.stages.1.steps=1",
        "training.stages.1.max_iter=2",
        "task.collocation=64",
        "task.fraction=0.002",
    ],
    "fields": ["training.stages.0.steps=2", "task.batch=1", "model.width=4"],
    "surrogate_kh": ["training.stages.0.steps=2", "task.batch=1", "model.width=4", "model.modes=4"],
}


@pytest.fixture
def few(settings):
    """Settings of an experiment with few steps."""
    return lambda experiment, *more: settings(f"experiment={experiment}", *FEW[experiment], *more)


def compose_settings(*overrides, name="train"):
    with initialize_config_dir(str(configurations()), version_base="1.3"):
        return OmegaConf.to_container(compose(name, list(overrides)), resolve=True)


@pytest.fixture(scope="session")
def trained(vortex_file, tmp_path_factory):
    """Finished runs with few steps, each made once: folder of (experiment, law)."""
    from physmix.commands.train import train

    runs, known = tmp_path_factory.mktemp("trained"), {}

    def make(experiment, law):
        if (experiment, law) not in known:
            own = [f"runs={runs}", f"data={vortex_file}", "progress=false", f"law={law}"]
            train(compose_settings(f"experiment={experiment}", *FEW[experiment], *own))
            known[experiment, law] = runs / experiment / law / "0"
        return known[experiment, law]

    return make


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, to break."""

    def copy(experiment, law):
        return shutil.copytree(trained(experiment, law), tmp_path / experiment / law)

    return copy


@pytest.fixture(scope="session")
def streams(tmp_path_factory):
    """A small data set in The Well's folders: gases at random that drift."""
    folder = tmp_path_factory.mktemp("streams")
    axis = (np.arange(16) + 0.5) / 16
    for number, split in enumerate(("train", "train", "valid", "test")):
        random = np.random.default_rng(number)
        base = 1 + 0.2 * random.random((2, 1, 16, 16)).cumsum(-1) / 16
        states = np.concatenate([np.roll(base, step, 2) for step in range(6)], 1)
        flow = Flow(
            name="streams",
            time=np.arange(6) * 0.1,
            axes={"x": axis, "y": axis},
            scalars={"density": states, "pressure": states},
            vectors={"velocity": 0.1 * np.stack([states, -states], -1)},
            parameters={"gamma": 1.4},
            boundary={"x": "PERIODIC", "y": "PERIODIC"},
        )
        path = folder / "data" / split
        path.mkdir(parents=True, exist_ok=True)
        write_flow(flow, path / f"{number}.hdf5")
    return folder
