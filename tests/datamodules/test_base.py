import pytest
import pytorch_lightning as pl
import torch

from datamodules.base import DataModule, IterationLoader
from datamodules.images import ImageData
from datamodules.sources import Tensors
from lightning_gans.core.errors import UserError


class Count(DataModule):
    """The points 0, 1, ..., 9."""

    sample_shape = (1,)
    fingerprint = "count"

    def read(self):
        return {
            "train": Tensors(torch.arange(10.0)[:, None], torch.arange(10)),
            "validation": Tensors(torch.arange(10.0, 13.0)[:, None]),
            "test": Tensors(torch.zeros(0, 1)),
        }


class Coloured(Count):
    """The same points, with the fingerprint and the names of classes that a test gives."""

    def __init__(self, fingerprint="a", classes=("red", "blue")):
        super().__init__(batch_size=4)
        self.given = fingerprint, classes

    @property
    def fingerprint(self):
        return self.given[0]

    @property
    def classes(self):
        return self.given[1]


class Ramp(ImageData):
    """Images whose pixels rise from left to right, so that a mirrored one is known by its first pixel."""

    def read(self):
        row = torch.arange(8, dtype=torch.uint8)
        return {"train": Tensors(row.expand(20, 1, 8, 8).contiguous())}


def values(batches):
    return [batch.x.flatten().tolist() for batch in batches]


def test_batches_are_a_function_of_the_iteration():
    data = Count(batch_size=4)
    straight = values(data.iteration_batches(0, 9, seed=5))
    assert values(data.iteration_batches(6, 9, seed=5)) == straight[6:]
    assert values(data.iteration_batches(0, 9, seed=6)) != straight
    assert len(straight) == 9
    assert all(torch.equal(batch.x[:, 0].long(), batch.label) for batch in data.iteration_batches(0, 3))


def test_two_ranks_see_the_batch_of_one():
    data = Count(batch_size=4)
    whole = values(data.iteration_batches(0, 5, seed=1))
    ranks = [values(data.iteration_batches(0, 5, seed=1, rank=rank, world=2)) for rank in range(2)]
    assert [first + second for first, second in zip(*ranks, strict=True)] == whole


def test_a_batch_may_exceed_the_training_set():
    (batch,) = Count(batch_size=25).iteration_batches(0, 1)
    assert torch.bincount(batch.label).min() == 2
    assert torch.bincount(batch.label).max() == 3


def test_a_batch_that_cannot_be_shared_names_both_numbers():
    with pytest.raises(UserError, match=r"data.batch_size=4 .* over 3 .* data.batch_size=3"):
        Count(batch_size=4).iteration_batches(0, 1, world=3)


@pytest.mark.parametrize("size", [0, -1, 2.5, "many", True, None])
def test_a_batch_size_that_is_none_is_refused(size):
    with pytest.raises(UserError, match=r"data.batch_size=.* 1 or more"):
        Count(batch_size=size)


def test_a_split_is_read_in_order():
    data = Count(batch_size=4)
    split = data.split("validation")
    assert len(split) == 3
    assert split.labels is None
    assert values(split.batches(2)) == [[10.0, 11.0], [12.0]]
    assert list(data.split("test").batches(2)) == []
    assert torch.equal(data.split("train").labels, torch.arange(10))
    with pytest.raises(UserError, match="validation"):
        data.split("valid")


def test_a_part_of_a_split_is_the_same_every_time_and_keeps_its_labels():
    whole = Count(batch_size=4).split("train")
    part = whole.at_most(6)
    (batch,) = part.batches(10)
    assert len(part) == 6
    assert batch.x.flatten().tolist() == sorted(set(batch.x.flatten().tolist()))
    assert batch.x.flatten().tolist() != list(range(6))  # a split may be sorted by class
    assert torch.equal(batch.label, batch.x.flatten().long())
    assert torch.equal(part.labels, batch.label)
    assert torch.equal(next(whole.at_most(6).batches(10)).x, batch.x)
    assert whole.at_most(10) is whole


def test_mirroring_is_drawn_for_the_global_batch():
    data = Ramp(batch_size=16, image_size=8, channels=1, horizontal_flip=True)
    batches = list(data.iteration_batches(0, 20, seed=0))
    mirrored = torch.stack([batch.x[:, 0, 0, 0] > -1 for batch in batches])
    assert 0.4 < mirrored.float().mean() < 0.6
    assert len({tuple(row) for row in mirrored.tolist()}) == 20
    flipped = batches[0].x[mirrored[0]][0]
    plain = batches[0].x[~mirrored[0]][0]
    assert torch.equal(flipped.flip(-1), plain)
    ranks = [next(data.iteration_batches(7, 8, seed=0, rank=rank, world=2)).x for rank in range(2)]
    assert torch.equal(torch.cat(ranks), batches[7].x)


def test_no_batch_draws_from_the_global_random_state():
    state = torch.get_rng_state()
    list(Ramp(batch_size=4, image_size=8, channels=1, horizontal_flip=True).iteration_batches(0, 8))
    assert torch.equal(torch.get_rng_state(), state)


class Tally(pl.LightningModule):
    """Remembers the batches it saw, saves after the third iteration."""

    seed, iterations = 3, 7

    def __init__(self, path):
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.iteration, self.seen, self.path = 0, [], path

    def stage_batches(self):
        return [("train", 2), ("train", self.iterations)]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch, batch_idx):
        self.optimizers().step()
        self.seen.append(batch.x.flatten().tolist())
        self.iteration += 1

    def on_train_batch_end(self, *_):
        if self.iteration == 3:
            self.trainer.save_checkpoint(self.path)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["iteration"] = self.iteration

    def on_load_checkpoint(self, checkpoint):
        self.iteration = checkpoint["iteration"]


def fit(path, resume=None):
    game = Tally(path)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(game, datamodule=Count(batch_size=4), ckpt_path=resume, weights_only=True)
    return game


@pytest.mark.filterwarnings("error:.*resumable.*")
def test_lightning_trains_the_whole_budget_and_resumes_where_it_was(tmp_path):
    straight = fit(tmp_path / "third.ckpt")
    assert straight.seen == values(Count(batch_size=4).iteration_batches(0, 7, seed=3))
    resumed = fit(tmp_path / "fourth.ckpt", resume=tmp_path / "third.ckpt")
    assert resumed.seen == straight.seen[3:]
    assert resumed.iteration == 7


def test_the_loader_reads_the_game_only_when_asked():
    class Trainer:
        global_rank, world_size = 1, 2
        lightning_module = Tally(None)

        class strategy:
            root_device = torch.device("cpu")

    data = Count(batch_size=4)
    data.trainer = Trainer
    loader = data.train_dataloader()
    assert isinstance(loader, IterationLoader)
    Trainer.lightning_module.iteration = 4
    Trainer.lightning_module.iterations = 6
    assert len(loader) == 6
    assert values(loader) == values(data.iteration_batches(4, 6, 3, 1, 2))
    loader.load_state_dict(loader.state_dict())
    Trainer.world_size = 3
    with pytest.raises(UserError, match="batch_size"):
        data.train_dataloader()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_batches_on_an_accelerator():
    data = Ramp(batch_size=16, image_size=8, channels=1, horizontal_flip=True)
    there = list(data.iteration_batches(0, 5, device="cuda:0"))
    assert there[0].x.device.type == "cuda"
    for here, other in zip(data.iteration_batches(0, 5), there, strict=True):
        torch.testing.assert_close(other.x.cpu(), here.x, rtol=0, atol=1e-6)


def test_a_checkpoint_notices_that_the_data_have_changed(caplog):
    state = Coloured().state_dict()
    Coloured().load_state_dict(state)
    assert not caplog.records
    Coloured("b").load_state_dict(state)
    assert "The data have changed since the checkpoint (training samples: 10 then, 10 now)" in caplog.text


@pytest.mark.parametrize("classes", [("blue", "red"), ("red",), None])
def test_labels_of_other_classes_end_a_resumed_run(classes):
    with pytest.raises(UserError, match=r"Then: red, blue\. Now: .* run_dir=ANOTHER"):
        Coloured(classes=classes).load_state_dict(Coloured().state_dict())


def test_a_checkpoint_of_an_older_version_knows_no_data():
    Coloured().load_state_dict({})
