"""Mroueh et al. 2017: who owns what, where it is after each step, and what may not be split."""

from functools import partial

import pytest
import torch

from datamodules import Ring
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.constraints import WeightClip
from lightning_gans.losses.matching import (
    CovarianceMatching,
    DualCovarianceMatching,
    DualMeanMatching,
    JointMatching,
    MeanMatching,
)
from lightning_gans.losses.penalties import R1
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MaxoutDiscriminator, MLPDiscriminator, MLPGenerator
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy
from lightning_gans.variants.mcgan import McGAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import StopAfter, Watch, play
from tests.helpers.ranks import on_ranks

BOTH = partial(JointMatching, mean=partial(MeanMatching, q=2), covariance=partial(CovarianceMatching, k=3))


def mcgan(loss=BOTH, *, iterations=6, discriminator=None, accumulate=1, **settings):
    rmsprop = PlayerSettings(optimizer=partial(torch.optim.RMSprop, lr=1e-3))
    with isolated("networks"):
        generator = MLPGenerator(latent_dim=2, sample_shape=(2,), width=8, depth=1, batch_norm=False, output="linear")
        return McGAN(
            model=GenerativeModel(generator=generator, prior=Normal(dim=2)),
            discriminator=discriminator or MLPDiscriminator(sample_shape=(2,), width=8, depth=2, dropout=0.0),
            loss=loss,
            constraint=WeightClip(bound=0.1),
            discriminator_steps=2,
            training=Training(
                iterations=iterations, batch_size=8, players={"D": rmsprop, "G": rmsprop}, accumulate=accumulate
            ),
            **settings,
        )


def off_frame(frame):
    return (frame.T @ frame - torch.eye(frame.shape[1])).abs().max().item()


def test_after_every_step_v_is_in_its_ball_u_and_v_are_frames_and_w_is_clipped(tmp_path):
    def look(trainer, game):
        weights = max(parameter.abs().max().item() for parameter in game.discriminator.parameters())
        matching = game.loss
        frames = off_frame(matching.covariance.U), off_frame(matching.covariance.V)
        return matching.mean.v.norm().item(), max(frames), weights, matching.covariance.U.detach().clone()

    game, watch = mcgan(), Watch(look)
    start = game.loss.covariance.U.detach().clone()
    play(game, Ring(batch_size=8), tmp_path, watch)
    for norm, off, weights, _ in watch.seen:
        assert norm <= 1 + 1e-6
        assert off < 1e-6
        assert weights <= 0.1 + 1e-6
    assert len(watch.seen) == 6
    assert 1e-3 < (watch.seen[-1][3] - start).abs().max() < 0.5  # it went, and its columns did not turn over


def test_d_owns_its_features_and_the_matching_and_its_last_layer_plays_no_part():
    game = mcgan()
    game.setup("fit")
    features = 2 * 8 + 8 + 8 * 8 + 8
    assert game.parameter_counts()["D"] == features + 8 + 2 * 8 * 3
    assert game.discriminator(torch.zeros(5, 2)).shape == (5, 8)


def test_losses_are_those_of_the_matching(tmp_path):
    game = mcgan(partial(MeanMatching, q=1), iterations=2)
    play(game, Ring(batch_size=8), tmp_path)
    losses = game.read_losses()
    assert losses["D/ipm"] == pytest.approx(-losses["D/real"] - losses["D/fake"], rel=1e-5)
    assert "D/accuracy" not in losses
    assert game.loss.v.abs().max() <= 1


@pytest.mark.parametrize("loss", [partial(DualMeanMatching, q=2), partial(DualCovarianceMatching, k=3)])
def test_norms_of_the_whole_batch_are_not_accumulated(loss, tmp_path):
    play(mcgan(loss, iterations=2), Ring(batch_size=8), tmp_path)
    with pytest.raises(UserError, match="function of the whole batch"):
        play(mcgan(loss, iterations=2, accumulate=2), Ring(batch_size=8), tmp_path)


def test_primal_forms_are_means_and_micro_batches_change_nothing(tmp_path):
    whole, parts = (
        play(mcgan(accumulate=micro), Ring(batch_size=8), tmp_path, precision="64-true").state_dict()
        for micro in (1, 2)
    )
    for name, expected in whole.items():
        torch.testing.assert_close(parts[name], expected, rtol=1e-9, atol=1e-10, msg=name)


def test_v_and_the_frames_are_resumed(tmp_path):
    path = tmp_path / "half.ckpt"
    straight = play(mcgan(), Ring(batch_size=8), tmp_path)
    play(mcgan(), Ring(batch_size=8), tmp_path, StopAfter(3, path))
    saved = torch.load(path, weights_only=True)["state_dict"]
    names = ["loss.mean.v", "loss.covariance.U", "loss.covariance.V"]
    assert set(names) <= set(saved)
    again = mcgan()
    with torch.no_grad():
        again.loss.mean.v.zero_()
    play(again, Ring(batch_size=8), tmp_path, checkpoint=path)
    for name in names:
        assert torch.equal(again.state_dict()[name], straight.state_dict()[name])
        assert not torch.equal(saved[name], straight.state_dict()[name])


def test_the_frames_begin_where_the_seed_says():
    config = composed("mcgan", "matching=covariance")
    first, same, other = (game_of(config, key=key).loss.U for key in ("init", "init", "other"))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert off_frame(first.detach()) < 1e-6


@pytest.mark.parametrize("matching", ["mean", "covariance", "joint", "dual_mean", "dual_covariance"])
@pytest.mark.parametrize("data", ["digits", "ring"])
def test_every_matching_plays(matching, data, tmp_path):
    k = {"joint": ["matching.covariance.k=4"], "covariance": ["matching.k=4"], "dual_covariance": ["matching.k=4"]}
    config = composed("mcgan", f"data={data}", f"matching={matching}", *k.get(matching, []), iterations=12)
    game = play(game_of(config), data_of(config), tmp_path)
    losses = game.read_losses()
    assert game.iteration == 12
    assert losses["G/gradient_norm"] > 0
    if matching.startswith("dual"):
        assert losses["D/ipm"] > 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match="penalty=none"):
        mcgan(penalty=R1(gamma=1.0))
    maxout = MaxoutDiscriminator(sample_shape=(2,), units=4, pieces=2, depth=1, input_dropout=0.0, hidden_dropout=0.0)
    with pytest.raises(UserError, match="MaxoutDiscriminator offers none"):
        mcgan(discriminator=maxout)
    with pytest.raises(UserError, match=r"k=16: of D's 4 features"):
        game_of(composed("mcgan", "data=ring", "matching=covariance"))


DUALS = {"mean": partial(DualMeanMatching, q=2), "covariance": partial(DualCovarianceMatching, k=3)}


def played_on(folder, devices):
    """Parameters of both dual games after four iterations in float64."""
    found = {}
    for name, loss in DUALS.items():
        options = {"devices": devices, "strategy": PlayerDDPStrategy()} if devices > 1 else {}
        game = play(mcgan(loss, iterations=4), Ring(batch_size=8), folder, precision="64-true", **options)
        found |= {f"{name} {key}": value.detach() for key, value in game.named_parameters()}
    return found


@pytest.mark.ddp
def test_norms_of_the_whole_batch_are_the_same_over_two_processes(tmp_path):
    expected = played_on(tmp_path, 1)
    for rank in on_ranks(played_on, tmp_path, 2):
        for name, value in expected.items():
            torch.testing.assert_close(rank[name], value, rtol=1e-7, atol=1e-9, msg=name)
