"""The study of BiGAN and the two auto-encoders: the latent regressor, the code error, and the page."""

import json
from functools import partial

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments.jobs.preflight import preflight
from experiments.studies import two_autoencoders
from experiments.studies.latent_regressor import LatentRegressor
from experiments.studies.two_autoencoders import code_errors, trained_as
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.inference import InferenceModel
from lightning_gans.networks.joint import JointMLPDiscriminator
from lightning_gans.networks.mlp import MLPGenerator
from tests.helpers.play import play
from tests.helpers.studied import write

X, Z, N = 2, 3, 6


def perceptron(inputs, outputs):
    return MLPGenerator(latent_dim=inputs, sample_shape=(outputs,), width=8, depth=1, batch_norm=False, output="linear")


class Recording(nn.Module):
    """A network that remembers what it was given."""

    def __init__(self, network):
        super().__init__()
        self.network, self.given = network, []

    def forward(self, *inputs):
        self.given.append(inputs)
        return self.network(*inputs)


def regressor(*, rate=0.1, iterations=1):
    with isolated("networks"):
        generator, encoder = perceptron(Z, X), perceptron(X, Z)
        discriminator = JointMLPDiscriminator(sample_shape=(X,), code_dim=Z, width=8, depth=2, batch_norm=False)
    rates = {"D": rate, "E": 0.1, "G": rate}
    return LatentRegressor(
        model=InferenceModel(generator=generator, prior=Normal(dim=Z), encoder=Recording(encoder)),
        discriminator=Recording(discriminator),
        loss=NonSaturating(),
        training=Training(
            iterations=iterations,
            batch_size=N,
            players={
                player: PlayerSettings(optimizer=partial(torch.optim.SGD, lr=rate)) for player, rate in rates.items()
            },
        ),
    )


def samples(iterations=1):
    return [SampleBatch(torch.randn(N, X, generator=torch.Generator().manual_seed(i)), None) for i in range(iterations)]


def test_d_is_told_no_code_and_e_sees_no_real_sample(tmp_path):
    game, (batch,) = regressor(), samples()
    play(game, [batch], tmp_path)
    (real, nothing), (fake, nothing_either) = game.discriminator.given
    assert torch.equal(real, batch.x)
    assert not nothing.any()
    assert not nothing_either.any()
    ((seen_by_e,),) = game.model.encoder.given
    assert torch.equal(seen_by_e, fake)


def test_the_encoder_comes_to_invert_a_generator_that_rests(tmp_path):
    before = regressor(rate=0.0)
    generator = [parameter.clone() for parameter in before.model.generator.parameters()]
    first = float(code_errors(before.model).mean())
    game = play(regressor(rate=0.0, iterations=300), samples(300), tmp_path)
    assert float(code_errors(game.model).mean()) < min(0.7 * first, 0.4)  # the best constant has 0.5
    assert all(map(torch.equal, game.model.generator.parameters(), generator))


def test_the_generator_does_not_follow_the_encoder(tmp_path):
    """G moves alike beside an E that regresses badly and beside one that regresses well."""
    games = [regressor(), regressor()]
    with torch.no_grad():
        for parameter in games[1].model.encoder.parameters():
            parameter.mul_(5)
    states = [play(game, samples(), tmp_path).model.generator.state_dict() for game in games]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


class Scales(InferenceModel):
    """x = z, and an encoder that halves."""

    def __init__(self, factor):
        super().__init__(generator=nn.Identity(), prior=Normal(dim=4), encoder=nn.Identity())
        self.register_buffer("factor", torch.tensor(factor))

    def code(self, x):
        return x * self.factor


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.0), (0.5, 0.125), (0.0, 0.5)])
def test_the_code_error_is_relative_to_that_of_random_pairs(factor, expected):
    assert float(code_errors(Scales(factor)).mean()) == pytest.approx(expected, abs=0.01)


def test_the_jobs_share_their_networks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/two_autoencoders", "seed=1"])
    assert [trained_as(job.config) for job in jobs] == list(two_autoencoders.ORDER)
    models = [job.config["network"]["model"] for job in jobs]
    assert all(model["generator"] == models[0]["generator"] for model in models)
    assert all(model["encoder"] == models[0]["encoder"] for model in models)
    assert {model["prior"]["dim"] for model in models} == {16}
    assert len({job.run_dir for job in jobs}) == 3


def trained(folder, name, *, seed=1, target="lightning_gans.variants.bigan.BiGAN", variant="bigan", error=0.2):
    run = write(
        folder / name,
        config={
            "names": {"data": "digits", "variant": variant},
            "variant": {"_target_": target, "training": {"players": {"D": {"optimizer": {"lr": 5e-5}}}}},
            "network": {"model": {"prior": {"dim": 16}}},
            "data": {"_target_": "datamodules.Digits", "image_size": 8, "batch_size": 64},
            "iterations": 1800,
            "seed": seed,
            "trainer": {"precision": "auto"},
        },
    )
    metrics = dict.fromkeys(two_autoencoders.METRICS, 0.5) | {"reconstruction_ratio": error}
    del metrics[two_autoencoders.CODE_RATIO]
    (run / "summary.json").write_text(json.dumps({"status": "finished", "seconds": 9.0, "test": {"last": metrics}}))
    return run


def test_the_page(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(two_autoencoders, "_figure", lambda module, runs: drawn.extend(runs) or Figure())
    monkeypatch.setattr(two_autoencoders, "load_generator", lambda run: Scales(0.5))
    target = f"{LatentRegressor.__module__}.{LatentRegressor.__name__}"
    runs = [
        trained(tmp_path, "regressor", target=target, error=0.4),
        trained(tmp_path, "a", seed=1),
        trained(tmp_path, "b", seed=2, error=0.3),
    ]
    two_autoencoders.report(runs, tmp_path)
    page = (tmp_path / "two_autoencoders.md").read_text()
    assert "study/two_autoencoders seed=1,2\n" in page
    assert "| BiGAN | 2 | 0.125 ± 0.000 | 0.250 ± 0.071 | 0.500 ± 0.000 |" in page
    assert "| latent regressor, z to x to z | 1 | 0.125 | 0.400 |" in page
    assert "| *pixels* |  |  |  |  | 0.9" in page
    assert "rates: BiGAN: D 5e-05;" in page
    assert drawn == ["bigan", "regressor"]
    with pytest.raises(UserError, match=r"This study is of bigan, .*these runs are of ali"):
        two_autoencoders.report([trained(tmp_path, "ali", target="a.ALI", variant="ali")], tmp_path)
