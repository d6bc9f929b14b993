"""The training loop: it reaches the optimum, and a stopped run goes on to the same last bit."""

import re
import resource
import tempfile

import pytest
import torch
from quadratic import Quadratic
from torch import nn

from physmix.errors import TrainingError
from physmix.training import Stage, fit


class QuadraticTask:
    """A quadratic with a little noise that depends on the step, to catch a step counted wrongly."""

    def __init__(self, stop_at=None):
        self.model, self.calls, self.stop_at = Quadratic(), 0, stop_at
        self.weights = {"quadratic": 1.0, "noise": 1e-6}

    def to(self, device):
        self.model.to(device)

    def losses(self, step):
        self.calls += 1
        if self.calls == self.stop_at:
            raise InterruptedError("killed")
        noise = torch.randn(6, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        return {"quadratic": self.model(), "noise": (self.model.weight @ noise).square().mean()}


STAGES = [
    Stage("adam", lambda p: torch.optim.Adam(p, lr=0.1), steps=23, anneal=True),
    Stage("lbfgs", lambda p: torch.optim.LBFGS(p, max_iter=3, line_search_fn="strong_wolfe"), steps=12),
]


def run(folder, stop_at=None):
    task = QuadraticTask(stop_at)
    history = fit(task, STAGES, folder, steps_per_epoch=5, progress=False)
    return task, history


def test_it_reaches_the_constrained_optimum(tmp_path):
    task, history = run(tmp_path)
    assert abs(task.model.excess()) < 1e-5
    assert task.model.members.contains(task.model.weight.detach())
    assert history.steps == list(range(1, 36))
    assert set(history.losses) == {"loss", "quadratic", "noise"}
    assert history.seconds > 0


@pytest.mark.parametrize("stop_at", [3, 14, 22, 30, 40])
def test_a_stopped_run_goes_on_to_the_last_bit(tmp_path, stop_at):
    whole, history = run(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        run(tmp_path / "stopped", stop_at)
    resumed, again = run(tmp_path / "stopped")
    assert torch.equal(resumed.model.weight, whole.model.weight)
    assert again.losses == history.losses
    assert again.steps == history.steps
    assert stop_at < 6 or resumed.calls < whole.calls  # it did not start anew


def test_a_finished_run_does_nothing_more(tmp_path):
    task, history = run(tmp_path)
    again, same = run(tmp_path)
    assert again.calls == 0
    assert torch.equal(again.model.weight, task.model.weight)
    assert same.losses == history.losses


def test_a_log_for_tensorboard_is_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, history = run(tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    scalars = events.Scalars("quadratic")
    assert scalars[-1].step == 35
    assert scalars[-1].value == pytest.approx(history.losses["quadratic"][-1], rel=1e-6)


def test_a_loss_that_is_not_finite_stops_with_a_sentence(tmp_path):
    class Broken(QuadraticTask):
        def losses(self, step):
            return {"quadratic": self.model() * float("nan"), "noise": self.model()}

    with pytest.raises(TrainingError, match=r"nan at step 0.*learning rate"):
        fit(Broken(), STAGES, tmp_path, progress=False)


def test_the_state_of_another_model_is_refused(tmp_path):
    run(tmp_path)

    class Other(QuadraticTask):
        def __init__(self):
            super().__init__()
            self.model.extra = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    with pytest.raises(TrainingError, match="does not fit"):
        fit(Other(), STAGES, tmp_path, progress=False)


DAMAGE = {
    "cut": lambda b: b[:1000],
    "cut later": lambda b: b[:5000],
    "junk": lambda b: b"\xff\xfe\x00junk",
    "empty": lambda b: b"",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_state_is_refused(tmp_path, name):
    run(tmp_path)
    file = tmp_path / "1-lbfgs.ckpt"
    file.write_bytes(DAMAGE[name](file.read_bytes()))
    with pytest.raises(TrainingError, match=r"cannot be read.*delete the file") as refused:
        run(tmp_path)
    assert not re.search("torch|weights_only|archive", str(refused.value), re.IGNORECASE)
    file.unlink()
    run(tmp_path)  # as the sentence says


def test_an_interruption_stays_one(tmp_path):
    class Interrupted(QuadraticTask):
        def losses(self, step):
            if step == 7:
                raise KeyboardInterrupt
            return super().losses(step)

    with pytest.raises(KeyboardInterrupt):
        fit(Interrupted(), STAGES, tmp_path, steps_per_epoch=5, progress=False)
    assert (tmp_path / "0-adam.ckpt").exists()


def test_a_state_with_code_in_it_is_not_run(tmp_path):
    """Lightning's own reader would unpickle; ours must not."""
    run(tmp_path)

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"state_dict": {}, "evil": Evil()}, tmp_path / "1-lbfgs.ckpt")
    with pytest.raises(TrainingError, match="cannot be read"):
        run(tmp_path)
    assert not (tmp_path / "owned").exists()


def test_a_state_never_leaves_its_folder(tmp_path, monkeypatch):
    """On its way from another disk it could be cut; and it is a file like any other."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    run(tmp_path)
    (tmp_path / "other").touch()
    states = list(tmp_path.glob("*.ckpt"))
    assert len(states) == 2
    assert {file.stat().st_mode for file in states} == {(tmp_path / "other").stat().st_mode}
    assert not list(tmp_path.rglob("*.part"))


def test_a_disk_that_fills_up_leaves_the_last_state(tmp_path):
    whole, history = run(tmp_path / "whole")
    file = tmp_path / "full" / "1-lbfgs.ckpt"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Filling(QuadraticTask):
        def losses(self, step):
            if step == 30:  # of the stage that begins at 23, after its first state
                half = file.stat().st_size // 2
                resource.setrlimit(resource.RLIMIT_FSIZE, (half, limits[1]))
            return super().losses(step)

    try:
        with pytest.raises(OSError, match="File too large"):
            fit(Filling(), STAGES, tmp_path / "full", steps_per_epoch=5, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.rglob("*.part"))
    resumed, again = run(tmp_path / "full")
    assert torch.equal(resumed.model.weight, whole.model.weight)
    assert again.losses == history.losses
    assert resumed.calls < whole.calls / 2  # the first stage was not done again
