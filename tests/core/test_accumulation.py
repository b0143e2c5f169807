"""Micro-batches: the same step, in less memory."""

from functools import partial

import pytest
import torch

from datamodules import Ring
from lightning_gans.core.phase import Phase, PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.losses.penalties import R1
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.vanilla import GAN
from tests.helpers.duel import Duel
from tests.helpers.play import Watch, play


def trained(folder, *, micro, batch_norm=False, clip_norm=None):
    settings = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-2), clip_norm=clip_norm)
    with isolated("networks"):
        generator = MLPGenerator(
            latent_dim=2, sample_shape=(2,), width=8, depth=2, batch_norm=batch_norm, output="linear"
        )
        discriminator = MLPDiscriminator(sample_shape=(2,), width=8, depth=2, dropout=0.0)
    game = GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=2)),
        discriminator=discriminator,
        loss=NonSaturating(),
        penalty=R1(gamma=0.1),
        training=Training(iterations=6, batch_size=12, players={"D": settings, "G": settings}, accumulate=micro),
    )
    watch = Watch(lambda trainer, game: dict(game.read_losses()))
    play(game, Ring(batch_size=12), folder, watch, precision="64-true")
    return game, watch.seen


def tensors(game):
    return {name: tensor for name, tensor in game.state_dict().items() if tensor.is_floating_point()}


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("micro", [2, 3])
def test_without_batch_statistics_the_run_is_the_same(tmp_path, micro, clip_norm):
    whole, whole_losses = trained(tmp_path, micro=1, clip_norm=clip_norm)
    parts, parts_losses = trained(tmp_path, micro=micro, clip_norm=clip_norm)
    again = trained(tmp_path, micro=1, clip_norm=clip_norm)[0]
    for name, expected in tensors(whole).items():
        assert expected.dtype == torch.float64
        torch.testing.assert_close(tensors(parts)[name], expected, rtol=1e-12, atol=1e-13, msg=name)
    assert all(torch.equal(tensors(again)[name], value) for name, value in tensors(whole).items())
    for one, other in zip(whole_losses, parts_losses, strict=True):
        assert other == pytest.approx(one, rel=1e-6)


def test_with_batch_statistics_it_is_another_run(tmp_path):
    whole, parts = (trained(tmp_path, micro=micro, batch_norm=True)[0] for micro in (1, 2))
    weights = [dict(game.model.named_parameters()) for game in (whole, parts)]
    assert max((weights[1][name] - value).abs().max() for name, value in weights[0].items()) > 1e-5


def test_each_micro_batch_has_its_part_of_data_and_noise(tmp_path):
    def run(micro):
        seen = []

        def plan(game):
            def loss(batch):
                seen.append((batch.x, game.noise(Normal(dim=3), len(batch.x)), game.draws.uniform(len(batch.x))))
                return game.x_loss(batch)

            return [Phase("X", loss)]

        play(Duel(plan, accumulate=micro), Ring(batch_size=4), tmp_path)
        return seen

    (whole,), parts = run(1), run(2)
    assert len(parts) == 2
    for one, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(torch.cat(pieces), one)
