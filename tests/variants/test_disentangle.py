"""Disentanglement on the linear-Gaussian toy x = A c* + B s*, and what each player's loss may reach."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from lightning_gans.core.batches import UtteranceBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.rng import isolated, stream
from lightning_gans.core.schedules import Cosine
from lightning_gans.losses.disentanglement import confusion
from lightning_gans.metrics.disentanglement import Recogniser, probe_accuracies, strongest
from lightning_gans.models.converting import ConvertingModel
from lightning_gans.variants.disentangle import Disentangle, DisentanglePairs
from tests.helpers.play import play

CLASSES = 4  # contents, and speakers
BATCH = 256
MIXING = torch.linalg.qr(torch.randn(6, 4, generator=stream("mixing")))[0]  # A and B, side by side
MEANS = torch.tensor([[1.5, 0.0], [0.0, 1.5], [-1.5, 0.0], [0.0, -1.5]])


def samples(content, speaker, key):
    noise = torch.randn(len(content), 4, generator=stream("toy", key))
    factors = torch.cat([MEANS[content] + 0.3 * noise[:, :2], MEANS[speaker] + 0.1 * noise[:, 2:]], dim=1)
    return factors @ MIXING.T


def drawn(n, key):
    content, speaker = torch.randint(CLASSES, (2, n), generator=stream("labels", key))
    return samples(content, speaker, key), content, speaker


def batch_of(n, key):
    x, content, speaker = drawn(n, key)
    said, also = torch.randint(CLASSES, (2, n), generator=stream("partners", key))
    stranger = (speaker + torch.randint(1, CLASSES, (n,), generator=stream("others", key))) % CLASSES
    partner, other = samples(said, speaker, f"{key}'"), samples(also, stranger, f"{key}''")
    return UtteranceBatch(x, content, speaker, partner, other)


class Joined(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, a, b):
        return self.layers(torch.cat([a, b], dim=1)).squeeze(1)


def perceptron(inputs, outputs):
    return nn.Linear(inputs, 32), nn.LeakyReLU(0.2), nn.Linear(32, outputs)


def game(kind=Disentangle, *, iterations=1, **settings):
    adam = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=5e-3, betas=(0.5, 0.999)))
    with isolated("toy"):
        model = ConvertingModel(
            content_encoder=nn.Linear(6, 2), speaker_encoder=nn.Linear(6, 2), decoder=Joined(nn.Linear(4, 6))
        )
        classifier = nn.Sequential(nn.BatchNorm1d(2, affine=False), *perceptron(2, CLASSES))
        pairs = Joined(nn.BatchNorm1d(4, affine=False), *perceptron(4, 1))
    slowing = PlayerSettings(
        optimizer=partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999)),
        schedule=partial(Cosine, iterations=iterations, end_factor=0.02),
    )
    training = Training(
        iterations=iterations,
        batch_size=BATCH,
        players={kind.letter: adam, "AE": slowing},
        ema_half_life=BATCH * 50,
    )
    adversary = classifier if kind is Disentangle else pairs
    return kind(model=model, adversary=adversary, training=training, **settings)


def ready(tmp_path, kind=Disentangle, **settings):
    """A game in whose losses everything takes gradients."""
    found = play(game(kind, **settings), [batch_of(8, "ready")], tmp_path)
    found.requires_grad_(True)
    return found


def gradients(loss, module):
    found = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True, retain_graph=True)
    return sum(0.0 if gradient is None else gradient.abs().sum().item() for gradient in found)


@pytest.fixture(scope="module", params=[Disentangle, DisentanglePairs])
def trained(request, tmp_path_factory):
    iterations = 800
    found = game(request.param, iterations=iterations, confusion_weight=0.3)
    batches = [batch_of(BATCH, i) for i in range(iterations)]
    played = play(found, batches, tmp_path_factory.mktemp("toy"))
    # a discriminator of pairs, which is given no names, leaves a little more
    return played.evaluated_model(), 0.05 if request.param is Disentangle else 0.1


def read_off(codes, classes, held_out_codes, held_out_classes):
    """Accuracy of the strongest probe that is fitted to codes and tested on held-out ones."""
    found = probe_accuracies([(codes, classes)], [(held_out_codes, held_out_classes)])
    return found[strongest(found)].value


def test_a_fresh_probe_finds_no_speaker_in_content_and_all_of_the_content(trained):
    trained, most = trained
    x, content, speaker = drawn(1500, "train")
    y, held_out_content, held_out_speaker = drawn(1500, "test")
    whole = read_off(x, speaker, y, held_out_speaker)
    leaked = read_off(trained.content(x), speaker, trained.content(y), held_out_speaker)
    kept = read_off(trained.content(x), content, trained.content(y), held_out_content)
    known = read_off(trained.speaker(x), speaker, trained.speaker(y), held_out_speaker)
    assert whole > 0.99
    assert abs(leaked - 1 / CLASSES) < most
    assert kept > 0.95
    assert known > 0.99


def test_swapping_speakers_gives_the_content_of_one_and_the_speaker_of_the_other(trained):
    trained, _ = trained
    x, content, speaker = drawn(1500, "train")
    y, held_out_content, held_out_speaker = drawn(600, "test")
    converted = trained.convert(y, y.flip(0))
    assert (Recogniser(x, speaker)(converted) == held_out_speaker.flip(0)).float().mean() > 0.95
    assert (Recogniser(x, content)(converted) == held_out_content).float().mean() > 0.95


@pytest.mark.parametrize("kind", [Disentangle, DisentanglePairs])
def test_confusion_reaches_the_content_encoder_alone(kind, tmp_path):
    found, batch = ready(tmp_path, kind), batch_of(16, "gradients")
    term = found.confusion(batch, found.model.content_encoder(batch.x))
    assert gradients(term, found.model.content_encoder) > 1e-4
    assert gradients(term, found.model.speaker_encoder) == 0
    assert gradients(term, found.model.decoder) == 0


@pytest.mark.parametrize("kind", [Disentangle, DisentanglePairs])
def test_the_adversary_gets_no_gradient_of_confusion_and_gives_none(kind, tmp_path):
    seen = {}

    class Looked(kind):
        def loss(self, batch):
            seen["AE"] = {id(p) for p in self.parameters() if p.requires_grad}
            return super().loss(batch)

        def adversary_loss(self, batch):
            seen["adversary"] = {id(p) for p in self.parameters() if p.requires_grad}
            terms = super().adversary_loss(batch)
            seen["encoder moves"] = sum(terms.values()).requires_grad and any(
                p.requires_grad for p in self.model.parameters()
            )
            return terms

    kind_of = Looked
    kind_of.letter = kind.letter
    settings = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=5e-3))
    base = game(kind)
    found = kind_of(
        model=base.model,
        adversary=base.adversary,
        training=Training(iterations=1, batch_size=8, players={kind.letter: settings, "AE": settings}),
    )
    play(found, [batch_of(8, "moves")], tmp_path)
    adversary = {id(p) for p in found.adversary.parameters()}
    assert seen["adversary"] == adversary
    assert not seen["AE"] & adversary
    assert not seen["encoder moves"]


def test_the_adversary_moves_k_times_for_each_step_of_the_others(tmp_path):
    found = game(iterations=7, adversary_steps=3)
    names = []
    for name in ("loss", "adversary_loss"):
        method = getattr(found, name)
        setattr(found, name, lambda batch, name=name, method=method: names.append(name) or method(batch))
    play(found, [batch_of(8, i) for i in range(7)], tmp_path)
    c, ae = "adversary_loss", "loss"
    assert names == [c, c, c, ae, c, c, c, ae, c]


def test_the_losses_are_the_papers(tmp_path):
    found, batch = ready(tmp_path, margin=2.0, pair_weight=0.3, confusion_weight=0.7), batch_of(8, "values")
    model = found.model
    c, s = model.content_encoder(batch.x), model.speaker_encoder(batch.x)
    partner, other = model.speaker_encoder(batch.partner), model.speaker_encoder(batch.other)
    terms = found.loss(batch)
    apart = (s - other).square().sum(1).sqrt()
    expected = {
        "reconstruction": (model.decoder(c, partner) - batch.x).abs().mean(),
        "same": 0.3 * (s - partner).square().sum(1).mean(),
        "different": 0.3 * (2 - apart).clamp_min(0).square().mean(),
        "confusion": 0.7 * confusion(found.adversary(c)),
    }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_what_the_discriminator_of_pairs_and_the_encoder_descend(tmp_path):
    found, batch = ready(tmp_path, DisentanglePairs), batch_of(8, "pairs")
    c, partner, other = (found.model.content_encoder(x) for x in (batch.x, batch.partner, batch.other))
    on_same, on_different = found.adversary(c, partner), found.adversary(c, other)
    terms = found.adversary_loss(batch)
    assert terms["same"].item() == pytest.approx(-on_same.sigmoid().log().mean().item(), rel=1e-5)
    assert terms["different"].item() == pytest.approx(-(1 - on_different.sigmoid()).log().mean().item(), rel=1e-5)
    expected = softplus(-on_different).mean().item()
    assert found.confusion(batch, c).item() == pytest.approx(expected, rel=1e-5)


def test_the_weight_of_confusion_rises(tmp_path):
    found = ready(tmp_path, confusion_weight=0.8, confusion_warmup=3)
    weights = []
    for found.iteration in range(6):
        weights.append(found.weight)
    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


@pytest.mark.parametrize("key, value", [("adversary_steps", 0), ("margin", -1.0), ("confusion_weight", float("nan"))])
def test_settings_that_do_not_fit(key, value):
    with pytest.raises(UserError, match=f"variant.{key}="):
        game(**{key: value})
