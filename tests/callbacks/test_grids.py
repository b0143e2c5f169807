from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image, ImageSequence

from datamodules import Digits, Ring
from lightning_gans.callbacks.grids import SampleGrids
from lightning_gans.callbacks.pictures import early
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.reporting.images import image_grid, png
from lightning_gans.variants.vanilla import GAN


class Pictures(pl.loggers.Logger):
    """Remembers the pictures that it is handed."""

    name, version = "pictures", 0

    def __init__(self):
        super().__init__()
        self.seen = []

    def log_metrics(self, *args, **kwargs): ...

    def log_hyperparams(self, *args, **kwargs): ...

    def log_picture(self, name, path, iteration):
        assert path.is_file()
        self.seen.append((name, path.name, iteration))


def game(shape, *, iterations, seed=0):
    torch.manual_seed(seed)
    generator = MLPGenerator(
        latent_dim=2,
        sample_shape=shape,
        width=8,
        depth=1,
        batch_norm=True,
        output="linear" if len(shape) == 1 else "tanh",
    )
    return GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=2)),
        discriminator=MLPDiscriminator(sample_shape=shape, width=8, depth=1, dropout=0.0),
        loss=NonSaturating(),
        training=Training(
            iterations=iterations,
            batch_size=16,
            players={name: PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-3)) for name in "DG"},
        ),
    )


def fit(folder, data, *, iterations=4, checkpoint=None, callbacks=None, played=None):
    logger = Pictures()
    trainer = pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=callbacks or [SampleGrids(every=2, rows=2, columns=3)],
        logger=logger,
        max_epochs=1,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    played = played or game(data.sample_shape, iterations=iterations)
    trainer.fit(played, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    return trainer, played, logger.seen


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder / "samples", *fit(folder, Digits(batch_size=16, image_size=8))


def test_the_pictures_of_a_run(digits):
    folder, _, _, seen = digits
    assert sorted(path.name for path in folder.iterdir()) == [
        "interpolation.png",
        "iteration-00000000.png",
        "iteration-00000001.png",
        "iteration-00000002.png",
        "iteration-00000004.png",
        "progress.gif",
        "real.png",
    ]
    assert seen == [
        ("samples/real", "real.png", 0),
        ("samples/grid", "iteration-00000000.png", 0),
        ("samples/grid", "iteration-00000001.png", 1),
        ("samples/grid", "iteration-00000002.png", 2),
        ("samples/grid", "iteration-00000004.png", 4),
        ("samples/interpolation", "interpolation.png", 4),
        ("samples/progress", "progress.gif", 4),
    ]


@pytest.mark.parametrize(
    ("every", "iterations"), [(1, set()), (2, {1}), (10, {5, 2, 1}), (1000, {500, 250, 125, 62, 31})]
)
def test_frames_are_closer_before_the_first_interval_ends(every, iterations):
    assert early(every) == iterations


def test_a_grid_is_of_the_evaluated_model_from_fixed_noise(digits):
    folder, _, played, _ = digits
    samples = played.evaluated_model().sample(6, seed=0)
    assert (folder / "iteration-00000004.png").read_bytes() == png(image_grid(samples, 3))
    assert (folder / "iteration-00000002.png").read_bytes() != png(image_grid(samples, 3))


def test_real_samples_in_the_same_form(digits):
    folder, *_ = digits
    with Image.open(folder / "real.png") as real, Image.open(folder / "iteration-00000002.png") as made:
        assert real.size == made.size == (3 * 66 - 2, 2 * 66 - 2)
        corners = [real.getpixel((66 * i, 0)) for i in range(3)]
    assert max(corners) < 60  # digits are white on black


def test_each_row_of_the_interpolation_is_a_path(digits):
    folder, _, played, _ = digits
    paths = played.evaluated_model().interpolate(2, 3, seed=0)
    assert (folder / "interpolation.png").read_bytes() == png(image_grid(paths.flatten(0, 1), 3))


def test_progress_is_made_of_the_grids(digits):
    folder, *_ = digits
    with Image.open(folder / "progress.gif") as animation:
        shown = [frame.convert("L").tobytes() for frame in ImageSequence.Iterator(animation)]
    names = [f"iteration-0000000{iteration}.png" for iteration in (0, 1, 2, 4)]
    assert shown == [Image.open(folder / name).convert("L").tobytes() for name in names]


def test_pictures_do_not_change_the_run(tmp_path, digits):
    _, _, played, _ = digits
    _, other, seen = fit(tmp_path, Digits(batch_size=16, image_size=8), callbacks=[pl.Callback()])
    assert seen == []
    for name, tensor in played.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name]), name


def test_a_resumed_run_draws_what_an_uninterrupted_one_draws(tmp_path, digits):
    class Save(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, *_):
            if pl_module.iteration == 3:
                trainer.save_checkpoint(tmp_path / "3.ckpt")

    data = partial(Digits, batch_size=16, image_size=8)
    _, _, _ = fit(tmp_path, data(), callbacks=[Save()])
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in (*(f"iteration-0000000{iteration}.png" for iteration in (0, 1, 2)), "real.png"):
        (folder / name).write_bytes((digits[0] / name).read_bytes())
    for name in ("iteration-00000004.png", "iteration-00000006.png", ".iteration-00000006.png.tmp.png", "mine.png"):
        (folder / name).write_bytes(b"left by what ran before")
    _, _, seen = fit(tmp_path, data(), checkpoint=tmp_path / "3.ckpt")
    names = {path.name for path in digits[0].iterdir()}
    assert {path.name for path in folder.iterdir()} == names | {"mine.png"}
    for name in names:
        assert (folder / name).read_bytes() == (digits[0] / name).read_bytes(), name
    assert ("samples/real", "real.png", 4) not in seen


def test_points_are_drawn_over_real_ones(tmp_path):
    _, _, seen = fit(tmp_path, Ring(batch_size=16), iterations=2)
    assert [name for name, _, _ in seen] == [
        "samples/real",
        "samples/grid",
        "samples/grid",
        "samples/grid",
        "samples/interpolation",
        "samples/progress",
    ]
    with Image.open(tmp_path / "samples" / "iteration-00000002.png") as picture:
        assert picture.size == (500, 500)


class Sampler(torch.nn.Module):
    calls = 0

    def sample(self, n, *, seed=0, start=0):
        self.calls += 1
        return torch.zeros(n, 1, 8, 8)


def stand_ins(folder, model, *, rank=0, iteration=2):
    asked = []
    trainer = SimpleNamespace(is_global_zero=rank == 0, default_root_dir=folder, loggers=[], datamodule=None)
    playing = SimpleNamespace(
        model=model, iteration=iteration, iterations=9, evaluated_model=lambda: asked.append(rank) or model
    )
    return trainer, playing, asked


def test_every_rank_asks_for_the_model_and_the_first_one_writes(tmp_path):
    trainer, playing, asked = stand_ins(tmp_path, Sampler(), rank=1)
    SampleGrids(every=2).on_train_batch_end(trainer, playing, None, None, 0)
    assert asked == [1]
    assert playing.model.calls == 0
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_interpolate_and_data_that_cannot_be_asked(tmp_path):
    trainer, playing, _ = stand_ins(tmp_path, Sampler(), iteration=9)
    SampleGrids(every=4).on_train_batch_end(trainer, playing, None, None, 0)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["iteration-00000009.png", "progress.gif"]


def test_a_model_that_does_not_sample_is_left_alone(tmp_path):
    trainer, playing, asked = stand_ins(tmp_path, torch.nn.Linear(1, 1))
    SampleGrids(every=2).on_train_batch_end(trainer, playing, None, None, 0)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [{"every": 0}, {"every": 1, "rows": 0}, {"every": 1, "columns": -1}])
def test_values_out_of_range_are_refused(given):
    name, value = list(given.items())[-1]
    with pytest.raises(UserError, match=rf"callbacks\.grids\.{name}={value}: must be at least 1"):
        SampleGrids(**given)


class Told(Sampler):
    """Every image is as bright as its label; so is a path."""

    classes = 3

    def labels(self, n, *, seed=0, start=0):
        return torch.zeros(n, dtype=torch.int64)

    def sample(self, n, *, label=None, seed=0, start=0):
        label = self.labels(n) if label is None else label
        return (label[:, None, None, None] / 2 - 0.5).expand(n, 1, 8, 8)

    def interpolate(self, rows, steps, *, label=None, seed=0):
        return self.sample(rows, label=label)[:, None].expand(-1, steps, -1, -1, -1)


@pytest.mark.parametrize("rows, classes", [(2, [0, 1]), (5, [0, 1, 2, 0, 1])])
def test_a_row_is_of_one_class(tmp_path, rows, classes):
    trainer, playing, _ = stand_ins(tmp_path, Told(), iteration=9)
    SampleGrids(every=4, rows=rows, columns=3).on_train_batch_end(trainer, playing, None, None, 0)
    grey = [round((c / 2 + 0.5) * 127.5) for c in classes]
    for name in ("iteration-00000009.png", "interpolation.png"):
        with Image.open(tmp_path / "samples" / name) as picture:
            assert picture.size == (3 * 66 - 2, rows * 66 - 2)
            for column in range(3):
                shown = [picture.getpixel((66 * column + 5, 66 * row + 5)) for row in range(rows)]
                assert shown == pytest.approx(grey, abs=1)
