"""Li et al. 2017: what D is shown, whose gradient goes where, and what may not be combined."""

from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot, softplus

from lightning_gans.core.batches import SemiSupervisedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import Minimax, NonSaturating, RelativisticPairing, Wasserstein
from lightning_gans.models.conditional import ConditionalGenerativeModel
from lightning_gans.models.generative import evaluating
from lightning_gans.models.triple import TripleModel
from lightning_gans.variants.triplegan import TripleGAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import Watch, play

K = 3  # classes of points on the plane
PLAIN = {
    "entropy_weight": 0.0,
    "balance_weight": 0.0,
    "pseudo_weight": 0.0,
    "adversarial_weight": 0.0,
    "pretraining_share": 0.0,
}


class Recording(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network, self.given, self.gave = network, [], []

    def forward(self, *inputs):
        self.given.append([i.detach().clone() for i in inputs])
        self.gave.append(self.network(*inputs))
        return self.gave[-1]


class Told(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs + K, 8), nn.Tanh(), nn.Linear(8, outputs))

    def forward(self, x, y):
        return self.layers(torch.cat([x, one_hot(y, K)], 1))


def game(*, iterations=1, labels="argmax", loss=None, **settings):
    with isolated("networks"):
        classifier = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, K))
        model = TripleModel(
            generator=Recording(Told(2, 2)), prior=Normal(dim=2), classifier=Recording(classifier), classes=K
        )
        discriminator = Recording(Told(2, 1))
    sgd = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=0.1))
    return TripleGAN(
        model=model,
        discriminator=discriminator,
        loss=loss or NonSaturating(),
        training=Training(iterations=iterations, batch_size=4, players=dict.fromkeys("DGC", sgd)),
        classifier_labels=labels,
        **(PLAIN | settings),
    )


def points():
    generator = torch.Generator().manual_seed(1)
    x, u, second = (torch.randn(n, 2, generator=generator) for n in (4, 6, 6))
    return SemiSupervisedBatch(x, torch.tensor([0, 1, 2, 0]), u, second)


def started(**settings):
    made = game(**settings)
    made.setup("fit")
    made.draws.start(0, 0, 0)
    return made


@pytest.mark.parametrize("labels", ["argmax", "sampled", "all"])
def test_the_pairs_that_d_is_shown(labels):
    made, batch = started(labels=labels, labelled_share=0.25), points()
    terms = made.discriminator_loss(batch)
    labelled, (x_g, y_g), *pseudo, (x_c, y_c) = made.discriminator.given  # a batch of each kind
    on_labelled, on_generator, *on_pseudo, on_classifier = made.discriminator.gave
    assert torch.equal(labelled[0], batch.x)
    assert torch.equal(labelled[1], batch.label)
    p = made.model.classifier.gave[0].softmax(1)
    real = softplus(-on_labelled).mean()
    if labels == "argmax":
        ((x_p, y_p),) = pseudo  # x2y_yz2x_xy2p_ssl_mnist.py: sym_x_u_d beside sym_x_u
        assert torch.equal(x_p, batch.second)
        assert torch.equal(y_p, made.model.classifier.gave[1].argmax(1))
        assert torch.equal(y_c, p.argmax(1))
        real = 0.25 * real + 0.75 * softplus(-on_pseudo[0]).mean()
    else:
        assert not pseudo
    assert torch.equal(x_c, batch.unlabelled.repeat_interleave(len(x_c) // 6, 0))
    assert torch.equal(x_g, made.model.generator.gave[0])
    assert torch.equal(y_g, made.model.generator.given[0][1])
    weight = p.flatten() if labels == "all" else torch.ones(6)
    expected = {
        "real": real,
        "classifier": 0.5 * (weight * softplus(on_classifier[:, 0])).sum() / 6,
        "generator": 0.5 * softplus(on_generator).mean(),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)


def test_c_labels_for_d_without_dropout():
    made, batch = started(), points()
    made._seed_layers(5)
    made.discriminator_loss(batch)
    seen = made.model.classifier.gave[0]
    with evaluating(made.model.classifier):
        torch.testing.assert_close(seen, made.model.classifier(batch.unlabelled))
    assert made.model.classifier.training


def test_d_s_loss_has_the_value_of_the_authors_code():
    """x2y_yz2x_xy2p_ssl_mnist.py: bce(p, 1) of 1 labelled and 400 pseudo pairs + .5 bce(p_g, 0) + .5 bce(p_c, 0)."""
    made, batch = started(labelled_share=1 / 401), points()
    verdicts = iter([0.8, 0.1, 0.6, 0.3])  # on labelled, generated, pseudo-labelled pairs, and on C's
    made.discriminator.forward = lambda x, y: torch.full((len(x), 1), next(verdicts)).logit()
    found = sum(made.discriminator_loss(batch).values()).item()
    of_real = -(log(0.8) + 400 * log(0.6)) / 401
    assert found == pytest.approx(of_real - 0.5 * log(0.9) - 0.5 * log(0.7), abs=1e-5)
    assert found == pytest.approx(0.7411257, abs=1e-6)


def test_generated_pairs_never_move_g_by_way_of_c():
    made, batch = started(pseudo_weight=0.7, pseudo_start=0.0), points()
    terms = made.classifier_loss(batch)
    generator, classifier = list(made.model.generator.parameters()), list(made.model.classifier.parameters())
    term = terms["pseudo_discriminative"]
    assert term > 0
    assert all(g is None for g in torch.autograd.grad(term, generator, allow_unused=True, retain_graph=True))
    assert all(g.abs().max() > 0 for g in torch.autograd.grad(term, classifier, retain_graph=True))


def test_the_target_of_consistency_carries_no_gradient():
    made, batch = started(consistency_weight=2.0), points()
    made._seed_layers(5)
    term = made.classifier_loss(batch)["consistency"]
    first, second = (made.model.classifier.gave[i] for i in (1, 2))
    assert first.requires_grad
    assert not second.requires_grad
    distance = (first.softmax(1) - second.softmax(1)).square().sum(1).mean()
    assert distance > 1e-4  # each pass had dropout of its own
    torch.testing.assert_close(term, 2 * distance)
    weight = made.model.classifier.network[0].weight
    both = first.softmax(1), second.softmax(1).detach()
    expected = torch.autograd.grad(2 * (both[0] - both[1]).square().sum(1).mean(), weight, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(term, weight), expected)


def test_entropy_and_balance():
    made = started()
    sure, torn = torch.tensor([[200.0, 0, 0]]), torch.zeros(1, K)
    even = torch.eye(K) * 200
    found = made.regularisers(torn, entropy=0.3, balance=0.5)
    assert found["entropy"].item() == pytest.approx(0.3 * log(K))
    assert found["balance"].item() == pytest.approx(0.5 * log(K))  # the least there is
    assert made.regularisers(even, entropy=1, balance=1)["entropy"].item() == pytest.approx(0, abs=1e-6)
    assert made.regularisers(even, entropy=1, balance=1)["balance"].item() == pytest.approx(log(K))
    sure.requires_grad_()
    terms = made.regularisers(sure, entropy=1, balance=1)
    assert terms["balance"] > 10  # classes that are never named
    (gradient,) = torch.autograd.grad(terms["entropy"], sure)
    assert gradient.isfinite().all()  # of a probability that is 0 in float32


def test_the_weights_rise_when_they_are_said_to():
    made = game(
        iterations=100,
        pseudo_weight=0.4,
        pseudo_start=0.5,
        pseudo_ramp=0.2,
        consistency_weight=3.0,
        consistency_ramp=0.5,
    )
    found = {}
    for made.iteration in (0, 49, 60, 70, 99):
        found[made.iteration] = (made.pseudo_now, made.consistency_now)
    assert [pseudo for pseudo, _ in found.values()] == pytest.approx([0, 0, 0.2, 0.4, 0.4])
    assert found[0][1] == pytest.approx(3 * torch.tensor(-5.0).exp().item())
    assert found[60][1] == found[99][1] == 3.0


def test_d_g_and_c_move_in_turn_after_c_alone(tmp_path):
    made, order = game(iterations=4, pretraining_share=0.5, adversarial_weight=1.0), []
    watch = Watch(lambda trainer, g: order.append("|"))
    for name in ("discriminator_loss", "generator_loss", "classifier_loss", "pretraining_loss"):
        loss = getattr(made, name)
        setattr(made, name, lambda batch, loss=loss, name=name: (order.append(name[0]), loss(batch))[1])
    play(made, [points()] * 4, tmp_path, watch)
    assert "".join(order) == "p|p|dgc|dgc|"


def test_supervised_only_is_what_is_left_when_the_rest_is_zero():
    made, batch = started(), points()
    terms = made.classifier_loss(batch)
    assert terms.keys() == {"supervised"}
    assert [len(x) for (x,) in made.model.classifier.given] == [4]


@pytest.mark.parametrize("experiment", ["triplegan_supervised", "triplegan_no_adversary"])
def test_the_controls_move_c_alone(experiment, tmp_path):
    config = composed("triplegan", f"experiment={experiment}", iterations=20)
    made = play(game_of(config), data_of(config), tmp_path)
    found = {name.partition("/")[0] for name in made.read_losses()}
    assert found == {"C"}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"alpha": 1.5}, r"variant\.alpha=1\.5"),
        ({"pretraining_share": 1.0}, r"variant\.pretraining_share=1\.0"),
        ({"entropy_weight": -0.1}, r"variant\.entropy_weight=-0\.1"),
        ({"labelled_share": 1.1}, r"variant\.labelled_share=1\.1"),
        ({"labels": "likeliest"}, r"variant\.classifier_labels=likeliest: argmax, sampled or all"),
        ({"loss": Wasserstein()}, "Wasserstein has no verdict on a pair by itself"),
        ({"loss": RelativisticPairing()}, "RelativisticPairing has no verdict"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        game(**settings)


def test_a_model_without_a_classifier_is_refused():
    model = ConditionalGenerativeModel(generator=Told(2, 2), prior=Normal(dim=2), classes=K)
    training = Training(iterations=1, batch_size=4, players={})
    with pytest.raises(UserError, match="network=triplegan"):
        TripleGAN(model=model, discriminator=Told(2, 1), loss=Minimax(), training=training)


def test_other_classes_than_the_datas_are_refused(tmp_path):
    config = composed("triplegan", "network.model.classes=7", iterations=2)
    with pytest.raises(UserError, match=r"knows 7 classes, and the data have 10\. Say network\.model\.classes=10"):
        play(game_of(config), data_of(config), tmp_path)
