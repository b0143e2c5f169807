"""D's memory of its training samples: the figure, and the warning."""

import logging
from types import SimpleNamespace

import pytest
import torch

from lightning_gans.callbacks.memorisation import MemorisationWatch
from lightning_gans.core.batches import SampleBatch
from tests.helpers.composed import composed, data_of, game_of


class Nearest(torch.nn.Module):
    """Logits: 1 for a sample that is known, `elsewhere` for one of real brightness, 0 for any other."""

    def __init__(self, known, elsewhere):
        super().__init__()
        self.known, self.elsewhere = known.flatten(1), elsewhere

    def forward(self, x):
        known = (torch.cdist(x.flatten(1), self.known).amin(1) < 1e-3).float()
        real = (x.flatten(1).mean(1) > 0).float()
        return torch.maximum(known, self.elsewhere * real)[:, None]


def game(elsewhere, known):
    game = game_of(composed("vanilla", iterations=2))
    game.discriminator = Nearest(known, elsewhere)
    return game


def sample(seed, shift):
    return torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 0.1 + shift


@pytest.mark.parametrize("elsewhere, value", [(1.0, 0.0), (0.25, 0.75), (0.0, 1.0)])
def test_the_figure_is_karras(elsewhere, value):
    train, held_out, generated = (SampleBatch(sample(i, shift), None) for i, shift in enumerate((0.2, 0.2, -0.2)))
    judged = game(elsewhere, train.x)
    judged.discriminator.train()
    assert judged.memorisation(train, held_out, generated) == pytest.approx(value)
    assert judged.discriminator.training
    assert torch.isnan(torch.tensor(judged.memorisation(generated, held_out, train)))  # real samples look generated


@pytest.fixture
def said(caplog, tmp_path):
    def evaluations(values, *, train=100, held_out=20, rank=0, augment=None):
        class Split(SimpleNamespace):
            def __len__(self):
                return self.n

            def at_most(self, n):
                return self

            def batches(self, size):
                yield SampleBatch(torch.zeros(self.n, 2), None)

        given = iter(values)
        model = SimpleNamespace(sample=lambda n: torch.zeros(n, 2))
        judged = SimpleNamespace(
            memorisation=lambda *_: next(given),
            evaluated_model=lambda: model,
            device="cpu",
            iteration=1000,
            augment=augment,
        )
        splits = {"train": Split(n=train), "validation": Split(n=held_out)}
        trainer = SimpleNamespace(is_global_zero=rank == 0, datamodule=SimpleNamespace(split=splits.__getitem__))
        watch = MemorisationWatch()
        with caplog.at_level(logging.WARNING, logger="lightning_gans"):
            for _ in values:
                watch.on_evaluation(trainer, judged, None)
                state = watch.state_dict()
                watch = MemorisationWatch()
                watch.load_state_dict(state)
        return caplog.messages

    return evaluations


def test_two_evaluations_in_a_row_are_told_once(said):
    (text,) = said([0.7, 0.5, 0.7, 0.8, 0.9, 0.9])
    assert text.startswith("Iteration 1,000: D has memorised the 100 training samples (r_v = 0.80")
    assert "augment=diffaugment" in text


def test_an_augmented_run_is_told_of_a_stronger_one(said):
    (text,) = said([0.7, 0.7], augment=object())
    assert "augment=adaptive" in text


@pytest.mark.parametrize("how", [{"train": 30_000}, {"held_out": 5}, {"rank": 1}])
def test_large_sets_few_held_out_samples_and_other_ranks_are_left_alone(said, how):
    assert said([0.9, 0.9], **how) == []


def test_every_shipped_game_with_one_discriminator_has_the_figure():
    for variant in ("cgan", "acgan", "infogan", "sngan", "r3gan", "wgan_gp", "pacgan", "mcgan"):
        config = composed(variant, iterations=2)
        played, data = game_of(config), data_of(config)
        train, held_out = (next(data.split(name).at_most(16).batches(16)) for name in ("train", "validation"))
        generated = train._replace(x=torch.rand_like(train.x))
        assert isinstance(played.memorisation(train, held_out, generated), float)
