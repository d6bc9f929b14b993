"""Flows on disk under Lightning: every batch once, in order, and on after a stop."""

import lightning
import pytest
import torch
from foreign import compressible

from physmix.errors import SettingsError
from physmix.flows import read_flow, write_flow
from physmix.training import FlowData


@pytest.fixture
def folder(tmp_path):
    for seed, split in enumerate(("train", "valid")):
        compressible(tmp_path / "one.hdf5", 2, trajectories=4, times=6, seed=seed)
        write_flow(read_flow(tmp_path / "one.hdf5"), tmp_path / "set/data" / split / "one.hdf5")
    return tmp_path / "set"


class Seen(lightning.LightningModule):
    """Notes what it is given."""

    def __init__(self, stop=None):
        super().__init__()
        self.layer, self.seen, self.valid, self.stop = torch.nn.Linear(4, 4), [], 0, stop

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-3)

    def training_step(self, batch, index):
        self.seen.append(float(batch.past[0, 0, 0, 0, 0]))
        if len(self.seen) == self.stop:
            self.trainer.should_stop = True
        return (self.layer(batch.past) - batch.future).square().mean()

    def validation_step(self, batch, index):
        self.valid += len(batch.past)


def trainer(folder, **given):
    return lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        default_root_dir=folder,
        **given,
    )


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*has `__len__` defined")  # it is right for any number of workers
def test_lightning_sees_every_epoch_in_its_order(folder, tmp_path):
    data, module = FlowData(folder, batch=3, seed=0), Seen()
    trainer(tmp_path, max_epochs=2).fit(module, data)
    loader = FlowData(folder, batch=3, seed=0)
    loader.setup()
    plain = loader.train_dataloader()
    expected = [float(batch.past[0, 0, 0, 0, 0]) for _ in range(2) for batch in plain]
    assert module.seen == expected
    sanity = 2 * 3  # Lightning looks at two batches before it begins
    assert module.valid == 2 * 4 * 5 + sanity
    assert data.metadata.components == ("density", "pressure", "velocity_x", "velocity_y")


def test_a_split_that_is_not_there_is_named(folder):
    data = FlowData(folder, batch=3, seed=0)
    data.setup()
    with pytest.raises(SettingsError, match="no folder test"):
        data.test_dataloader()
