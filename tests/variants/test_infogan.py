"""Chen et al. 2016: the code that made a sample is the one that is looked for, and whose gradients go where."""

from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Categorical, Normal, Uniform
from lightning_gans.core.rng import isolated, stream
from lightning_gans.losses.adversarial import NonSaturating, RelativisticPairing
from lightning_gans.losses.constraints import WeightClip
from lightning_gans.losses.penalties import R1
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.models.infogan import InfoGANModel
from lightning_gans.networks.encoders import MLPEncoder
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.infogan import InfoGAN
from tests.helpers.play import Watch, play

NOISE, K = 2, 5
CODES = (Categorical(dim=K), Uniform(dim=2, bound=1.0), Normal(dim=1))
DIM = NOISE + K + 3


class Part(nn.Module):
    """Numbers first ... of (z, c), as they are: a generator that hides nothing, and a Q that misses nothing."""

    def __init__(self, first=0):
        super().__init__()
        self.first, self.gain, self.inputs = first, nn.Parameter(torch.ones(())), []

    def forward(self, x):
        self.inputs.append(x)
        return self.gain * x[:, self.first :]


class Certain(Part):
    """The same with logits of 0 and 100."""

    def forward(self, x):
        scale = torch.ones(x.shape[1] - self.first)
        scale[:K] = 100
        return super().forward(x) * scale


class Encoder(nn.Module):
    def __init__(self, features, head):
        super().__init__()
        self.features, self.head = features, head


def training(iterations, learning_rate, batch=8):
    settings = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=learning_rate))
    return Training(iterations=iterations, batch_size=batch, players={"D": settings, "G": settings})


def known(**settings):
    """A game in which Q knows the codes."""
    model = InfoGANModel(
        generator=Part(), noise=Normal(dim=NOISE), codes=CODES, encoder=Encoder(Part(), Certain(first=NOISE))
    )
    with isolated("judge"):
        settings = {"discriminator": nn.Linear(DIM, 1), "training": training(1, 0.0)} | settings
    return InfoGAN(model=model, loss=NonSaturating(), **settings)


def learned(iterations=1, learning_rate=0.1, codes=CODES, batch_norm=False, **settings):
    """A game of small networks on points of three dimensions."""
    dim = sum(code.dim for code in codes)
    with isolated("networks"):
        model = InfoGANModel(
            generator=MLPGenerator(
                latent_dim=NOISE + dim, sample_shape=(3,), width=16, depth=1, batch_norm=False, output="linear"
            ),
            noise=Normal(dim=NOISE),
            codes=codes,
            encoder=MLPEncoder(sample_shape=(3,), code_dim=dim, width=16, depth=2, batch_norm=batch_norm),
        )
        judge = MLPDiscriminator(sample_shape=(16,), width=16, depth=0, dropout=0.0)
    settings = {"discriminator": judge, "training": training(iterations, learning_rate)} | settings
    return InfoGAN(model=model, loss=settings.pop("loss", NonSaturating()), **settings)


def batch(n=8, dim=DIM):
    return SampleBatch(torch.randn(n, dim, generator=stream("points")), None)


def moved(game):
    """Names of the parameters in each part of the game, by how far they are from where they began."""
    start = learned().state_dict()
    return {name: (value - start[name]) for name, value in game.state_dict().items() if not name.startswith("ema.")}


def test_q_is_asked_for_the_code_that_made_the_sample(tmp_path):
    """Known codes give L_I of log 5, 2 (log 2 - log(2 pi) / 2) and 1/2; codes drawn anew would give one below 0."""
    losses = play(known(), [batch()], tmp_path).read_losses()
    for player in "DG":
        assert losses[f"{player}/information_c1"] == pytest.approx(log(K), rel=1e-5)
        assert losses[f"{player}/entropy_c1"] == pytest.approx(log(K), rel=1e-6)
        assert losses[f"{player}/information_c2"] == pytest.approx(2 * -0.225791, rel=1e-4)
        assert losses[f"{player}/entropy_c2"] == pytest.approx(2 * log(2), rel=1e-6)
        assert losses[f"{player}/information_c3"] == pytest.approx(0.5, rel=1e-4)
        assert losses[f"{player}/information"] == pytest.approx(-(log(K) - 0.451583 + 0.5), rel=1e-4)


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.0])
def test_the_terms_are_the_papers(tmp_path, weight):
    game, data = known(information_weight=weight), batch()
    play(game, [data], tmp_path)
    losses = game.read_losses()
    real, fake, last = game.model.encoder.features.inputs
    assert torch.equal(real, data.x)
    judge = game.discriminator
    information = weight * (log(K) - 0.451583 + 0.5)
    expected = {
        "D/real": softplus(-judge(real)).mean().item(),
        "D/fake": softplus(judge(fake)).mean().item(),
        "D/information": -information,
        "G/adversarial": softplus(-judge(last)).mean().item(),
        "G/information": -information,
    }
    for name, value in expected.items():
        assert losses[name] == pytest.approx(value, rel=1e-4), name
    for player in "DG":
        total = sum(value for name, value in expected.items() if name[0] == player)
        assert losses[f"{player}/loss"] == pytest.approx(total, rel=1e-4)
    assert not torch.equal(fake, last)


def test_lambda_rises_in_the_warmup_and_stays(tmp_path):
    """To 2, over 3 iterations: 1/2, 1, 3/2, 2, 2. L_I is the same in all, for nothing moves and all is known."""
    game = known(information_weight=2.0, information_warmup=3, training=training(5, 0.0))
    watch = Watch(lambda trainer, game: game.read_losses())
    play(game, [batch()] * 5, tmp_path, watch)
    for player in "DG":
        shares = [losses[f"{player}/information"] / -(log(K) - 0.451583 + 0.5) for losses in watch.seen]
        assert shares == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0], rel=1e-4)


def test_each_player_owns_what_the_paper_gives_it():
    game = learned()
    owned = {player: {id(p) for m in modules for p in m.parameters()} for player, modules in game.players().items()}
    assert owned["D"] == {id(p) for m in (game.model.encoder, game.discriminator) for p in m.parameters()}
    assert owned["G"] == {id(p) for p in game.model.generator.parameters()}
    assert not owned["D"] & owned["G"]
    assert owned["D"] | owned["G"] == {id(p) for name, p in game.named_parameters() if not name.startswith("ema.")}


def test_information_moves_g_q_and_the_layers_they_share_and_never_ds_head():
    game = learned()
    z = game.model.prior.sample(16, stream("z"))
    _, recognised = game.heads(game.model(z))
    information = game.information("G", recognised, z)
    model = game.model
    for part in (model.generator, model.trunk, model.recognition):
        gradients = torch.autograd.grad(information, list(part.parameters()), retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients)
    head = torch.autograd.grad(information, list(game.discriminator.parameters()), allow_unused=True)
    assert head == (None, None)


def test_one_iteration_with_and_without_information(tmp_path):
    """lambda changes G's, Q's and the shared layers' step, and not that of D's head; without it Q stands still."""
    without, once = (moved(play(learned(information_weight=weight), [batch(dim=3)], tmp_path)) for weight in (0.0, 1.0))
    parts = {"discriminator": [], "model.encoder.head": [], "model.encoder.features": [], "model.generator": []}
    for name in without:
        part = next(part for part in parts if name.startswith(part))
        parts[part].append((without[name], once[name]))
    assert all(parts.values())
    for part, steps in parts.items():
        changed = [not torch.allclose(a, b, rtol=1e-4, atol=1e-7) for a, b in steps]
        assert all(changed) if part != "discriminator" else not any(changed)
    assert all(a.abs().max() == 0 for a, _ in parts["model.encoder.head"])
    assert all(a.abs().max() > 0 for part in ("discriminator", "model.generator") for a, _ in parts[part])


def test_on_a_bijective_toy_the_bound_reaches_the_entropy_and_never_exceeds_it():
    """Five points on a circle, one for each category: Q alone is trained."""
    points = torch.tensor([[torch.tensor(6.2832 * k / K).cos(), torch.tensor(6.2832 * k / K).sin()] for k in range(K)])
    with isolated("toy"):
        encoder = MLPEncoder(sample_shape=(2,), code_dim=K, width=16, depth=1, batch_norm=False)
    model = InfoGANModel(
        generator=nn.Linear(NOISE + K, 2, bias=False), noise=Normal(dim=NOISE), codes=CODES[:1], encoder=encoder
    )
    with torch.no_grad():
        model.generator.weight.copy_(torch.cat([torch.zeros(2, NOISE), points.T], 1))
    game = InfoGAN(model=model, discriminator=nn.Linear(16, 1), loss=NonSaturating(), training=training(1, 0.0))
    adam, bounds = torch.optim.Adam(encoder.parameters(), lr=0.05), []
    for step in range(200):
        z = model.prior.sample(64, stream("toy", step))
        bound = game.information("D", model.recognise(model(z).detach()), z)
        adam.zero_grad()
        (-bound).backward()
        adam.step()
        bounds.append(bound.item())
    assert bounds[0] < 0.5
    assert max(bounds) <= log(K) + 1e-6
    assert bounds[-1] == pytest.approx(log(K), abs=0.02)


def test_a_short_game_makes_samples_tell_their_category(tmp_path):
    """Both descend -L_I: from 0.1 nats at first to most of log 2."""
    adam = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=5e-3))
    settings = Training(iterations=150, batch_size=32, players={"D": adam, "G": adam})
    game = learned(codes=[Categorical(dim=2)], training=settings)
    play(game, [batch(32, 3)] * 150, tmp_path)
    z = game.model.prior.sample(500, stream("z"))
    with torch.no_grad():
        x = game.model(z)
        assert game.information("G", game.model.recognise(x), z).item() > 0.8 * log(2)
        assert (game.model.category(x) == z[:, NOISE:].argmax(1)).float().mean() > 0.95


# What D is held by


def test_a_constraint_holds_d_and_not_q(tmp_path):
    game = play(learned(constraint=WeightClip(bound=0.01), learning_rate=0.0), [batch(dim=3)], tmp_path)
    bounded = [*game.discriminator.parameters(), *game.model.encoder.features.parameters()]
    assert max(p.abs().max().item() for p in bounded) == pytest.approx(0.01)
    assert max(p.abs().max().item() for p in game.model.encoder.head.parameters()) > 0.1


def test_a_penalty_is_on_the_logits_gradient(tmp_path):
    game, data = learned(penalty=R1(gamma=2.0), learning_rate=0.0), batch(dim=3)
    play(game, [data], tmp_path)
    losses = game.read_losses()
    x = data.x.requires_grad_()
    (gradient,) = torch.autograd.grad(game.judge(x, data).sum(), x)
    assert losses["D/penalty"] == pytest.approx(gradient.square().sum(1).mean().item(), rel=1e-4)
    with pytest.raises(UserError, match="batch norm in the layers that D shares with Q"):
        learned(penalty=R1(gamma=2.0), batch_norm=True)


def test_a_relativistic_loss_compares_with_real_samples(tmp_path):
    game = play(learned(loss=RelativisticPairing(), learning_rate=0.0), [batch(dim=3)], tmp_path)
    assert game.read_losses()["G/adversarial"] == pytest.approx(log(2), abs=0.3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"packing=2: Q, .* one sample at a time"):
        learned(packing=2)
    with pytest.raises(UserError, match=r"information_weight=-1\.0"):
        learned(information_weight=-1.0)
    with pytest.raises(UserError, match="information_warmup=-5"):
        learned(information_warmup=-5)
    plain = GenerativeModel(generator=nn.Linear(2, 2), prior=Normal(dim=2))
    with pytest.raises(UserError, match=r"was given a GenerativeModel\. Choose network=infogan or infogan_mlp"):
        InfoGAN(model=plain, discriminator=nn.Linear(2, 1), loss=NonSaturating(), training=training(1, 0.1))


def test_augmented_samples_are_what_q_reads_too(tmp_path):
    """An augmentation that takes everything away leaves Q with the categories' prior."""

    class Blank:
        numbers = 1

        def __call__(self, x, uniform):
            return 0 * x

    game = known(augment=Blank())
    losses = play(game, [batch()], tmp_path).read_losses()
    assert losses["D/information_c1"] == pytest.approx(0.0, abs=1e-5)
