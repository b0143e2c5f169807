"""Li et al. 2017, on a table of three symbols and three classes: the best D, and the exact gradients of C."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot, softplus

from lightning_gans.core.batches import SemiSupervisedBatch
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Prior
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.triple import TripleModel
from lightning_gans.variants.triplegan import TripleGAN
from tests.helpers.play import play

K = 3
PLAIN = {
    "entropy_weight": 0.0,
    "balance_weight": 0.0,
    "pseudo_weight": 0.0,
    "adversarial_weight": 0.0,
    "pretraining_share": 0.0,
}

P = torch.tensor([[4, 1, 0], [1, 3, 2], [1, 2, 4]]) / 18.0  # p(x, y)
P_C = torch.tensor([[3, 2, 1], [1, 4, 1], [2, 2, 2]]) / 6.0  # p_c(y | x)


class Every(Prior):
    """Prior over symbols: 0.5, 0.25 and 0.25 of the codes are the class's own symbol and the next two."""

    dim = 1

    def sample(self, n, generator):
        return (torch.arange(n, device=generator.device) // K % 4)[:, None].float()

    def axes(self, steps):
        return []


class Symbols(nn.Module):
    def forward(self, z, y):
        step = torch.tensor([0, 0, 1, 2])[z[:, 0].long()]
        return one_hot((y + step) % K, K).float()


class Table(nn.Module):
    """Logits (K, K): of classes given a symbol, or of pairs."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, x, y=None):
        return x @ self.logits if y is None else (x @ self.logits).gather(1, y[:, None])


class Tabular(TripleGAN):
    def drawn_labels(self, n):
        return torch.arange(n) % K


def tabular(iterations, *, labels="all", alpha=0.5):
    still = PlayerSettings(optimizer=None)
    adam = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=0.3, betas=(0.9, 0.999)))
    return Tabular(
        model=TripleModel(generator=Symbols(), prior=Every(), classifier=Table(P_C.log()), classes=K),
        discriminator=Table(torch.zeros(K, K)),
        loss=NonSaturating(),
        training=Training(iterations=iterations, batch_size=18, players={"D": adam, "G": still, "C": still}),
        alpha=alpha,
        classifier_labels=labels,
        **PLAIN,
    )


def whole_table():
    """p exactly: each pair as often as it is likely; and twelve unlabelled symbols by p(x)."""
    counts = (P * 18).round().long()
    x = torch.arange(K).repeat_interleave(counts.sum(1))
    y = torch.cat([torch.arange(K).repeat_interleave(row) for row in counts])
    by_x = torch.arange(K).repeat_interleave(counts.sum(1) * 2)
    unlabelled = one_hot(by_x, K).float()
    return SemiSupervisedBatch(one_hot(x, K).float(), y, unlabelled, unlabelled)


@pytest.mark.parametrize("alpha", [0.5, 0.2])
def test_the_best_d_is_the_datas_share_of_each_pair(alpha, tmp_path):
    batch = whole_table()
    game = play(tabular(200, alpha=alpha), [batch] * 200, tmp_path)
    p_c = P.sum(1, keepdim=True) * P_C
    p_g = torch.zeros(K, K)
    for y in range(K):
        for step, share in enumerate((0.5, 0.25, 0.25)):
            p_g[(y + step) % K, y] += share / K
    p_alpha = alpha * p_c + (1 - alpha) * p_g
    torch.testing.assert_close(game.discriminator.logits.sigmoid().detach(), P / (P + p_alpha), atol=2e-3, rtol=0)


def adversarial_gradient(labels, p_c_logits, d_logits, x):
    game = tabular(1, labels=labels)
    game.adversarial_weight = 1.0
    with torch.no_grad():
        game.model.classifier.logits.copy_(p_c_logits)
        game.discriminator.logits.copy_(d_logits)
    game.setup("fit")
    game.draws.start(0, 0, 0)
    terms = game.classifier_loss(SemiSupervisedBatch(x[:3], torch.arange(3), x, x))
    return torch.autograd.grad(terms["adversarial"], game.model.classifier.logits)[0]


def tables():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(K, K, generator=generator), torch.randn(K, K, generator=generator)


def test_the_sum_over_labels_is_the_exact_gradient_of_the_expectation():
    c, d = tables()
    logits = c.clone().requires_grad_()
    expectation = (logits.softmax(1) * 0.5 * softplus(-d)).sum(1).mean()  # alpha E_{p_c}[-log D], p(x) uniform
    (exact,) = torch.autograd.grad(expectation, logits)
    assert exact.abs().max() > 1e-2
    torch.testing.assert_close(adversarial_gradient("all", c, d, torch.eye(K)), exact)


def test_a_drawn_label_weighted_with_its_probability_is_algorithm_1():
    c, d = tables()
    logits = c.clone().requires_grad_()
    p = logits.softmax(1)
    (expected,) = torch.autograd.grad((p.detach() * p * 0.5 * softplus(-d)).sum(1).mean(), logits)
    found = adversarial_gradient("sampled", c, d, torch.eye(K).repeat(40_000, 1))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert expected.abs().max() > 2e-2


def test_the_biased_form_weighs_the_likeliest_label_with_its_probability():
    c, d = tables()
    logits = c.clone().requires_grad_()
    p, y = logits.softmax(1).max(1)
    (expected,) = torch.autograd.grad((p * 0.5 * softplus(-d.gather(1, y[:, None])[:, 0])).mean(), logits)
    torch.testing.assert_close(adversarial_gradient("argmax", c, d, torch.eye(K)), expected)
