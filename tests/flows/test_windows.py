"""Windows of large files: every one, once, in an order that follows from seed and epoch alone."""

import numpy as np
import pytest
import torch
from foreign import compressible

from physmix.errors import FlowFileError, SettingsError
from physmix.flows import FlowFile, IdealGas, Windows, read_flow, write_flow
from physmix.flows import windows as module
from physmix.flows.reading_plan import Stored, make_plan


@pytest.fixture
def path(tmp_path):
    compressible(tmp_path / "periodic.hdf5", 2, trajectories=12, times=9)
    return tmp_path / "periodic.hdf5"


def keys(batches):
    """Each window by a number that no other has: the density at one point of its first state."""
    return [float(state[0, 0, 0, 0]) for batch in batches for state in batch.past]


def of_file(path, window):
    density = read_flow(path).scalars["density"]
    return sorted(float(v) for v in density[:, : density.shape[1] - window + 1, 0, 0].flatten())


@pytest.mark.parametrize("workers", [0, 2])
def test_every_window_comes_once_and_is_what_is_stored(path, workers):
    windows = Windows(path, history=2, horizon=3, batch=5, seed=0, shuffle=False)
    batches = list(windows.loader(workers=workers))
    assert sorted(keys(batches)) == of_file(path, 5)
    assert len(batches) == len(windows)
    flow = read_flow(path)
    place = {
        float(v): (i, t)
        for i, row in enumerate(flow.scalars["density"][:, :, 0, 0])
        for t, v in enumerate(row)
    }
    for batch in batches:
        assert batch.past.shape[1:] == (2, 8, 6, 4)
        assert batch.future.shape[1:] == (3, 8, 6, 4)
        for past, future in zip(batch.past, batch.future, strict=True):
            i, t = place[float(past[0, 0, 0, 0])]
            states = torch.cat([past, future])
            for c, name in enumerate(windows.metadata.components):
                np.testing.assert_array_equal(states[..., c], flow.component(name)[i, t : t + 5])


def test_the_order_follows_from_seed_and_epoch_for_any_number_of_workers(path):
    def order(seed, workers):
        loader = Windows(path, batch=6, seed=seed).loader(workers=workers)
        return [keys(loader) for _ in range(2)]

    first = order(0, 0)
    assert order(0, 0) == order(0, 2) == first
    assert first[0] != first[1]  # the second epoch
    assert order(1, 0) != first
    for epoch in first:
        assert (
            len(set(epoch)) == len(epoch) >= 12 * 8 - 4 * 6
        )  # what does not fill a batch of a lane is left out


def test_two_processes_share_the_batches_of_one(path, monkeypatch):
    def batches(**given):
        return list(Windows(path, batch=6, seed=0, lanes=2, **given).loader())

    whole, halves = batches(shards=2), []
    for rank in range(2):
        monkeypatch.setattr(module, "_process", lambda rank=rank: (rank, 2))
        halves.append(batches())
    assert len(whole) == len(halves[0]) == len(halves[1]) > 4
    for one, *two in zip(whole, *halves, strict=True):
        torch.testing.assert_close(one.past, torch.cat([half.past for half in two]), rtol=0, atol=0)


@pytest.mark.parametrize("given", [0, 3, 7])
def test_a_loader_goes_on_where_it_was(path, given):
    windows = Windows(path, batch=6, seed=0)
    loader = windows.loader()
    full = [keys([batch]) for batch in loader]
    again = windows.loader()
    again.load_state_dict({"epoch": 0, "given": given})
    assert [keys([batch]) for batch in again] == full[given:]
    assert again.state_dict() == {"epoch": 1, "given": 0}


def test_an_epoch_that_is_left_early_is_not_repeated(path):
    windows = Windows(path, batch=6, seed=0)
    plain, counted = windows.loader(), windows.loader()
    two = [[keys([batch]) for batch in plain] for _ in range(2)]
    for epoch in two:
        batches = iter(counted)
        assert [keys([next(batches)]) for _ in range(3)] == epoch[:3]


def test_no_more_is_read_at_once_than_the_buffer_holds(path, monkeypatch):
    held, read = [], FlowFile.read

    def count(self, trajectories, times):
        states = read(self, trajectories, times)
        held.append(states.nbytes)
        return states

    monkeypatch.setattr(FlowFile, "read", count)
    state = 8 * 6 * 4 * 4
    windows = Windows(path, batch=4, seed=0, lanes=2, buffer=20 * state)
    list(windows.loader())
    assert max(held) * windows.plan.group * windows.plan.lanes <= 20 * state
    with pytest.raises(SettingsError, match="larger buffer"):
        Windows(path, batch=4, seed=0, buffer=4 * state)


def test_blocks_follow_the_chunks_of_a_file():
    stored = Stored(trajectories=8, times=101, chunk=(4, 10), state_bytes=100)
    plan = make_plan([stored], window=2, batch=4, buffer=2**17, lanes=2, shards=1, shuffle=True, seed=0)
    assert {(b.first, b.last) for b in plan.blocks} == {(0, 4), (4, 8)}
    assert sum(block.windows for block in plan.blocks) == 8 * 100


def test_a_folder_is_read_in_conserved_variables(path, tmp_path):
    folder = tmp_path / "train"
    for i in range(2):
        compressible(tmp_path / "one.hdf5", 2, trajectories=2, times=4, seed=i)
        write_flow(read_flow(tmp_path / "one.hdf5", constants={"gamma": 1.4 + i}), folder / f"{i}.hdf5")
    (folder / ".2.hdf5.abc.part").write_text("half a file of a run that was stopped")
    windows = Windows(folder, batch=2, seed=0, shuffle=False, conserved=True, dtype=torch.float64)
    assert windows.metadata.components == ("rho", "mx", "my", "E")
    assert windows.metadata.trajectories == 4
    first = next(iter(windows)).past[0, 0]
    flow = read_flow(folder / "0.hdf5")
    states = torch.from_numpy(np.stack([flow.component(n)[0, 0] for n in flow.components], -1)).double()
    expected = IdealGas(1.4).conserved(states, flow.components, "xy")
    torch.testing.assert_close(first, expected)


def test_in_order_a_process_may_be_left_without_windows(tmp_path):
    one = tmp_path / "periodic.hdf5"
    compressible(one, 2, trajectories=1, times=4)
    own = {"horizon": 3, "batch": 2, "seed": 0, "shuffle": False, "shards": 2}
    found = [keys(Windows(one, process=(rank, 2), **own)) for rank in range(2)]
    assert found == [of_file(one, 4), []]


def test_what_cannot_be_read_together_is_refused(path, tmp_path):
    compressible(tmp_path / "other.hdf5", 1)
    for given, error, message in [
        ({"paths": [path, tmp_path / "other.hdf5"]}, FlowFileError, "files that are alike"),
        ({"paths": path, "history": 9}, SettingsError, "longer than a trajectory of 9"),
        ({"paths": path, "batch": 3, "shards": 2}, SettingsError, "cannot be shared by 2 shards"),
        ({"paths": path, "horizon": 0}, SettingsError, "numbers from 1 up"),
        ({"paths": path, "lanes": 0}, SettingsError, "lanes=0"),
        ({"paths": path, "shards": -2}, SettingsError, "shards=-2"),
        ({"paths": path, "seed": -1}, SettingsError, "seed=-1"),
        ({"paths": path, "batch": 500}, SettingsError, "96 windows do not fill one batch of 500"),
        ({"paths": path, "batch": 64, "shards": 64}, SettingsError, "cannot be dealt out to 64 shards"),
        ({"paths": []}, SettingsError, "no path is given"),
        ({"paths": tmp_path / "nothing.hdf5"}, FlowFileError, "does not exist"),
    ]:
        with pytest.raises(error, match=message):
            Windows(**{"batch": 2, "seed": 0, **given})
    with pytest.raises(SettingsError, match="3 workers do not divide 4 lanes"):
        Windows(path, batch=2, seed=0).loader(workers=3)
