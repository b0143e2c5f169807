"""Huang et al. 2025: the game of two numbers converges, and every schedule follows its cosine."""

from functools import partial

import pytest
import torch
from torch import nn

from datamodules import Ring
from experiments.jobs.preflight import preflight
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.schedules import cosine
from lightning_gans.losses.adversarial import RelativisticPairing
from lightning_gans.losses.penalties import R1R2, GradientPenalty
from lightning_gans.models import build
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.variants.cgan import ConditionalGAN
from lightning_gans.variants.r3gan import R3GAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import Watch, play


class Point(nn.Module):
    """A generator of a single point theta, or the line D(x) = psi x."""

    def __init__(self, value, *, slope=False):
        super().__init__()
        self.value, self.slope = nn.Parameter(torch.tensor([[value]])), slope

    def forward(self, x):
        return x * self.value if self.slope else self.value.expand(len(x), 1)


def dirac(penalty, *, iterations=400, half_life=None):
    """Data at 0, G at theta = 1, D(x) = psi x; plain gradient descent with a rate of 0.1."""
    descent = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=0.1))
    return R3GAN(
        model=GenerativeModel(generator=Point(1.0), prior=Normal(dim=1)),
        discriminator=Point(0.0, slope=True),
        loss=RelativisticPairing(),
        penalty=penalty,
        training=Training(
            iterations=iterations, batch_size=2, players={"D": descent, "G": descent}, ema_half_life=half_life
        ),
    )


def distance(game):
    return (game.model.generator.value.item() ** 2 + game.discriminator.value.item() ** 2) ** 0.5


def test_the_penalty_makes_the_game_of_two_points_converge(tmp_path):
    """Mescheder et al. 2018: without it, both circle their equilibrium at 0, which they near ever more slowly."""
    zeros = [SampleBatch(torch.zeros(2, 1)) for _ in range(400)]
    free = play(dirac(None), zeros, tmp_path)
    held = play(dirac(R1R2(gamma=1.0)), zeros, tmp_path)
    assert distance(free) > 0.3
    assert distance(held) < 1e-2


def test_gamma_falls_to_a_tenth_and_the_half_life_rises(tmp_path):
    game = dirac(R1R2(gamma=1.0), iterations=8, half_life=100.0)
    watch = Watch(lambda trainer, game: (game.penalty.gamma, game.ema.half_life))
    play(game, [SampleBatch(torch.zeros(2, 1)) for _ in range(8)], tmp_path, watch)
    gammas, half_lives = zip(*watch.seen, strict=True)
    assert list(gammas) == pytest.approx([cosine(1.0, 0.1, i / 8) for i in range(8)])
    assert list(half_lives) == pytest.approx([cosine(0.0, 100.0, i / 8) for i in range(8)])
    assert gammas[0] == 1
    assert half_lives[0] == 0


def test_the_share_of_changed_images_rises_over_the_run(tmp_path):
    config = composed("r3gan", "augment=rising", iterations=4)
    watch = Watch(lambda trainer, game: game.augment.p.item())
    play(game_of(config), data_of(config), tmp_path, watch)
    assert watch.seen == pytest.approx([cosine(0.0, 0.55, i / 4) for i in range(4)])


def test_a_second_fit_starts_from_the_gamma_of_its_iteration(tmp_path):
    game = dirac(R1R2(gamma=1.0), iterations=4)
    batches = [SampleBatch(torch.zeros(2, 1)) for _ in range(4)]
    play(game, batches, tmp_path)
    assert game.penalty.gamma == pytest.approx(cosine(1.0, 0.1, 3 / 4))
    play(game, batches, tmp_path)
    assert game.iteration == 8
    assert game.penalty.gamma == pytest.approx(0.1)


def test_losses_are_the_papers(tmp_path):
    game = game_of(composed("r3gan", "data=ring", iterations=1))
    assert type(game.loss) is RelativisticPairing
    assert type(game.penalty) is R1R2
    play(game, Ring(batch_size=8), tmp_path)
    losses = game.read_losses()
    assert losses["D/loss"] == pytest.approx(losses["D/pairs"] + losses["D/penalty"], rel=1e-5)


def test_other_penalties_keep_what_they_have(tmp_path):
    game = dirac(GradientPenalty(weight=2.0), iterations=3)
    play(game, [SampleBatch(torch.zeros(2, 1)) for _ in range(3)], tmp_path)
    assert game.penalty.weight == 2


def test_learning_rates_and_beta2_are_scheduled(tmp_path):
    game = game_of(composed("r3gan", "data=ring", iterations=6))
    seen = Watch(
        lambda trainer, game: [(o.param_groups[0]["lr"], o.param_groups[0]["betas"]) for o in trainer.optimizers]
    )
    play(game, Ring(batch_size=8), tmp_path, seen)
    for player in seen.seen[-1]:
        assert player[1] == (0.0, pytest.approx(0.99))
    first, last = seen.seen[0][0][0], seen.seen[-1][0][0]
    assert last < first


# Told the class


def test_the_cifar10_preset_is_the_authors(tmp_path, monkeypatch):
    """brownvc/R3GAN, preset CIFAR10 with --cond=1 --mirror=1 --aug=1."""
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["experiment=paper/r3gan_cifar10"])
    config, variant = job.config, job.config["variant"]
    assert variant["_target_"].endswith("ConditionalR3GAN")
    assert (config["data"]["batch_size"], config["data"]["horizontal_flip"]) == (512, True)
    assert config["iterations"] == 20_000_000 // 512
    assert (variant["augment"]["end"], variant["penalty"]["gamma"]) == (0.55, 0.05)
    assert variant["training"]["ema_half_life"] == 5e6
    assert variant["training"]["players"]["G"]["optimizer"]["lr"] == 2e-4
    model = config["network"]["model"]
    assert (model["classes"], model["prior"]["dim"]) == (10, 64)
    assert model["generator"]["classes"] == config["network"]["discriminator"]["classes"] == 10
    with torch.device("meta"):
        game = build(variant, trusted=True)
    counts = [sum(p.numel() for p in network.parameters()) for network in (game.model.generator, game.discriminator)]
    # 20,732,160 and 20,683,776 without classes; with them G reads 64 numbers more, and D's head gives 768
    assert counts == [20_732_160 + 64 * 768 + 10 * 64, 20_683_776 + 767 * 768 + 10 * 768]


def test_both_players_are_told_the_class_and_the_schedules_run(tmp_path):
    config = composed("r3gan_conditional", "augment=rising", iterations=3)
    game = game_of(config)
    assert isinstance(game, R3GAN)
    assert isinstance(game, ConditionalGAN)
    start = {name: value.clone() for name, value in game.named_parameters() if "embedding" in name}
    watch = Watch(lambda trainer, game: (game.penalty.gamma, game.augment.p.item()))
    play(game, data_of(config), tmp_path, watch)
    gammas, shares = zip(*watch.seen, strict=True)
    assert list(gammas) == pytest.approx([cosine(1.0, 0.1, i / 3) for i in range(3)])  # gamma of the recipe
    assert list(shares) == pytest.approx([cosine(0.0, 0.55, i / 3) for i in range(3)])
    assert len([name for name in start if not name.startswith("ema")]) == 2
    for name, value in game.named_parameters():
        if "embedding" in name and not name.startswith("ema"):
            assert not torch.equal(value, start[name]), name
    assert game.evaluated_model().sample(3, label=7).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("variant, network", [("r3gan", "r3gan"), ("sngan", "sngan")])
def test_a_game_that_tells_no_class_refuses_networks_that_are_told_one(variant, network):
    config = composed(variant, f"network={network}", "network.model.generator.classes=10")
    with pytest.raises(UserError, match=r"network\.model\.generator\.classes=10 .* r3gan_conditional"):
        game_of(config)
