"""Two processes train as one: replicated weights (DDP) and sharded ones (FSDP2)."""

import pytest
import torch
from processes import CLIPS, SAMPLES, WORLD, mixer, run, train, whole

LAWFUL = 1e-14


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(run, args=(folder,), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("how", ["ddp", "fsdp2"])
def test_processes_end_where_one_ends(ranks, how, clip):
    alone = mixer()
    train(alone, slice(SAMPLES), clip=clip)
    (ones, found), (others, _) = (rank[how, clip] for rank in ranks)
    for one, other, expected, start in zip(ones, others, whole(alone), whole(mixer()), strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, expected, rtol=0, atol=1e-10)
        assert float((one - start).abs().max()) > 1e-2
    assert len(found) == 6  # five weights, and the bias of a relation
    assert max(found.values()) < LAWFUL


def test_weights_were_sharded(ranks):
    for mine, yours in zip(ranks[0]["rows"], ranks[1]["rows"], strict=True):
        assert (mine, yours) == (3, 2)


def test_shards_are_projected_by_hand(ranks):
    for rank in ranks:
        assert min(rank["broken"].values()) > 1e-3
        assert max(rank["projected"].values()) < LAWFUL


@pytest.mark.parametrize("how", ["ddp", "fsdp2"])
def test_clipping_entry_by_entry_is_refused(ranks, how):
    for rank in ranks:
        assert "clip by norm" in rank[f"{how} refusal"]
