"""Domain-adversarial training: what f, y and d descend, and that without lambda it is training on the source."""

import copy
from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from datamodules import EmbeddedDomains
from lightning_gans.core.batches import DomainBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.schedules import InverseDecay
from lightning_gans.models.domain import DomainModel
from lightning_gans.networks.domain import SmallDomainNetwork
from lightning_gans.variants.dann import DANN, DANNAlternating
from tests.helpers.play import play

BOTH = pytest.mark.parametrize("kind", [DANN, DANNAlternating])


def game(kind, *, weight=1.0, iterations=6, lr=0.01):
    torch.manual_seed(0)
    network = SmallDomainNetwork(channels=1, image_size=8, classes=3, width=4)
    sgd = PlayerSettings(
        optimizer=partial(torch.optim.SGD, lr=lr, momentum=0.9), schedule=partial(InverseDecay, iterations=iterations)
    )
    players = {"FYD": sgd} if kind is DANN else {"D": sgd, "FY": sgd}
    return kind(
        model=DomainModel(network=network, classes=3, channels=1),
        training=Training(iterations=iterations, batch_size=16, players=players),
        adaptation_weight=weight,
    )


def batches(n, seed=1):
    g = torch.Generator().manual_seed(seed)
    return [
        DomainBatch(
            torch.rand(8, 1, 8, 8, generator=g) * 2 - 1,
            torch.randint(3, (8,), generator=g),
            torch.rand(8, 1, 8, 8, generator=g),
        )
        for _ in range(n)
    ]


def weights(network):
    return {
        name: parameter.detach().clone()
        for name, parameter in network.named_parameters()
        if not name.startswith("domain")
    }


@BOTH
def test_without_lambda_it_is_training_on_the_source_to_the_last_bit(kind, tmp_path):
    played = game(kind, weight=0.0)
    alone = copy.deepcopy(played.model.network)
    seen = batches(6)
    play(played, seen, tmp_path)
    parameters = [*alone.features.parameters(), *alone.label.parameters()]
    sgd = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    schedule = InverseDecay(sgd, iterations=6)
    for batch in seen:
        sgd.zero_grad()
        cross_entropy(alone.label(alone.features(batch.x)), batch.label).backward()
        sgd.step()
        schedule.step()
    expected, found = weights(alone), weights(played.model.network)
    assert [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)] == []
    adapted = game(kind, weight=1.0)
    play(adapted, seen, tmp_path)
    assert not torch.equal(weights(adapted.model.network)["features.0.weight"], expected["features.0.weight"])


def gradients(loss, module):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)])


@BOTH
def test_f_descends_the_labels_and_ascends_the_domains_lambda_times_and_d_is_not_damped(kind):
    played, (batch,) = game(kind, iterations=100, weight=2.0), batches(1)
    played.iteration = 25
    assert played.adaptation == pytest.approx(2 * 0.8482836, abs=1e-6)
    f, y, d = played.model.network.features, played.model.network.label, played.model.network.domain
    source, target = f(batch.x), f(batch.target)
    on_labels = cross_entropy(y(source), batch.label)
    on_domains = sum(
        cross_entropy(d(h), torch.full((8,), number)) for number, h in enumerate((source, target))
    )  # eq. 9
    descended = sum(played.loss(batch).values())
    wanted = gradients(on_labels, f) - played.adaptation * gradients(on_domains, f)
    assert torch.allclose(gradients(descended, f), wanted, rtol=1e-4, atol=1e-7)
    assert torch.allclose(gradients(descended, y), gradients(on_labels, y), rtol=1e-4, atol=1e-7)
    of_d = descended if kind is DANN else played.classifier_loss(batch)["loss"]
    assert torch.allclose(gradients(of_d, d), gradients(on_domains, d), rtol=1e-4, atol=1e-7)


def test_d_moves_on_features_that_stand_still():
    played, (batch,) = game(DANNAlternating), batches(1)
    played.classifier_loss(batch)["loss"].backward()
    assert all(parameter.grad is None for parameter in played.model.network.features.parameters())
    assert all(parameter.grad is not None for parameter in played.model.network.domain.parameters())


@BOTH
def test_nothing_tells_two_equal_domains_apart(kind, tmp_path):
    played = game(kind, iterations=60)
    play(played, [batch._replace(target=batch.x) for batch in batches(60)], tmp_path)
    found = played.classifier_loss if kind is DANNAlternating else played.loss
    (batch,) = batches(1, seed=2)
    terms = found(batch._replace(target=batch.x))
    assert terms["loss" if kind is DANNAlternating else "domain"].item() == pytest.approx(2 * log(2), abs=4e-3)


def test_the_adversary_hides_what_tells_the_domains_apart(tmp_path):
    """Two domains that differ in brightness alone: d finds them out, unless f is told to hide it."""
    shifted = [batch._replace(target=batch.x.flip(0) + 1.5) for batch in batches(100)]
    losses = {}
    for weight in (0.0, 1.0):
        played = play(game(DANN, weight=weight, iterations=100, lr=0.03), shifted, tmp_path)
        losses[weight] = played.loss(shifted[0])["domain"].item()
    assert losses[0.0] < 0.4
    assert losses[1.0] > 0.8


def test_the_model_is_told_the_mean_of_both_domains(tmp_path):
    data = EmbeddedDomains(batch_size=16, image_size=8, channels=1)
    network = SmallDomainNetwork(channels=1, image_size=8, classes=10, width=4)
    model = DomainModel(network=network, classes=10, channels=1)
    played = DANN(model=model, training=game(DANN, iterations=2).training_settings)
    play(played, data, tmp_path)
    assert torch.equal(played.model.mean, data.mean)
    assert torch.equal(played.evaluated_model().mean, data.mean)
    assert data.mean.abs().sum() > 0


def test_a_negative_weight_is_refused():
    with pytest.raises(UserError, match=r"variant\.adaptation_weight=-1"):
        game(DANN, weight=-1.0)


def test_labels_of_the_target_choose_no_checkpoint():
    assert DANN.headline == DANNAlternating.headline == "target_information"


@BOTH
def test_the_domain_loss_is_the_sum_over_domains_of_fungtions_code(kind):
    """fungtion/DANN main.py: err = err_t_domain + err_s_domain + err_s_label, each an NLLLoss of a log-softmax."""
    played = game(kind)
    played.model.network.domain = nn.Identity()  # features are d's logits
    source, target = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    found = played.domain_loss(source, target).item()
    assert found == pytest.approx((0.126928 + 0.693147) / 2 + 0.313262, abs=1e-5)
