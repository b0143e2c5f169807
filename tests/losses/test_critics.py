"""Critics of two kinds of fakes: golden numbers, and optima on distributions that are known."""

from math import exp, log

import pytest
import torch

from lightning_gans.core.rng import stream
from lightning_gans.losses.adversarial import Hinge, Minimax, NonSaturating, RelativisticPairing, Wasserstein
from lightning_gans.losses.critics import Binary, Judged, ThreeWay

# Of four points, in sixteenths; every point of p, of the generated and of the reconstructed.
COUNTS = torch.tensor([[8, 4, 2, 2], [1, 5, 5, 5], [4, 4, 4, 4]])
P, Q, R = COUNTS.double() / 16
POINTS = [torch.arange(4).repeat_interleave(counts) for counts in COUNTS]


def entropy(p):
    return -(p * p.log()).sum()


def jsd(*distributions):
    """Generalised Jensen-Shannon divergence of equally weighted distributions."""
    stacked = torch.stack(distributions)
    return (entropy(stacked.mean(0)) - torch.stack([entropy(p) for p in stacked]).mean()).item()


def judged(table):
    """Logits (4, outputs) of the four points, looked up for each kind's sample."""
    return Judged(*(table[points] for points in POINTS))


def total(critic, table):
    return sum(critic.discriminator(judged(table)).values())


def test_three_way_at_its_optimum_is_the_conditional_entropy_of_the_kind():
    critic = ThreeWay()
    optimum = torch.stack([P, Q, R], dim=1).log()
    expected = 3 * log(3) - 3 * jsd(P, Q, R)
    assert total(critic, optimum).item() == pytest.approx(expected, abs=1e-12)
    assert critic.estimate(total(critic, optimum)).item() == pytest.approx(jsd(P, Q, R), abs=1e-12)
    assert 0.05 < jsd(P, Q, R) < log(3)


def test_three_way_has_no_better_answer():
    critic = ThreeWay()
    table = torch.stack([P, Q, R], dim=1).log().requires_grad_()
    (gradient,) = torch.autograd.grad(total(critic, table), table)
    assert gradient.abs().max() < 1e-12
    for number in range(5):
        other = table.detach() + 0.3 * torch.randn(4, 3, generator=stream("other", number), dtype=torch.float64)
        assert total(critic, other) > total(critic, table)


def test_binary_plays_against_the_even_mixture_of_both_fakes():
    critic, mixture = Binary(loss=NonSaturating()), (Q + R) / 2
    table = (P.log() - mixture.log())[:, None].requires_grad_()
    loss = total(critic, table)
    assert loss.item() == pytest.approx(2 * log(2) - 2 * jsd(P, mixture), abs=1e-12)
    assert critic.estimate(loss).item() == pytest.approx(jsd(P, mixture), abs=1e-12)
    (gradient,) = torch.autograd.grad(loss, table)
    assert gradient.abs().max() < 1e-12


LOGITS = Judged(*(torch.tensor([[a], [b]]) for a, b in ((1.0, -0.5), (-2.0, 0.5), (0.25, -1.0))))


@pytest.mark.parametrize(
    "loss", [NonSaturating(), Minimax(), Hinge(), Wasserstein()], ids=lambda loss: type(loss).__name__
)
def test_binary_weighs_real_one_and_fakes_a_half_each(loss):
    critic = Binary(loss=loss)
    terms = critic.discriminator(LOGITS)
    assert list(terms) == ["real", "generated", "reconstructed"]
    torch.testing.assert_close(terms["real"], loss.real(LOGITS.real))
    torch.testing.assert_close(terms["generated"], loss.fake(LOGITS.generated) / 2)
    torch.testing.assert_close(terms["reconstructed"], loss.fake(LOGITS.reconstructed) / 2)
    fakes = torch.cat([LOGITS.generated, LOGITS.reconstructed])
    torch.testing.assert_close(critic.decoder(LOGITS), loss.generator(fakes))
    real, fake = critic.costs(LOGITS).tolist()
    assert (real, fake) == pytest.approx((loss.real(LOGITS.real).item(), loss.fake(fakes).item()))


def test_under_minimax_the_decoder_descends_minus_l_gan():
    logits = Judged(*(part.clone().requires_grad_() for part in LOGITS))
    critic = Binary(loss=Minimax())
    l_gan = sum(critic.discriminator(logits).values())
    fakes = logits.generated, logits.reconstructed
    for found, of_d in zip(
        torch.autograd.grad(critic.decoder(logits), fakes), torch.autograd.grad(l_gan, fakes), strict=True
    ):
        torch.testing.assert_close(found, -of_d)
        assert found.abs().min() > 0.01


def test_binary_takes_losses_of_pairs():
    loss = RelativisticPairing()
    terms = Binary(loss=loss).discriminator(LOGITS)
    assert list(terms) == ["generated", "reconstructed"]
    pairs = [loss.discriminator(LOGITS.real, fake)["pairs"] for fake in LOGITS[1:]]
    torch.testing.assert_close(sum(terms.values()), sum(pairs) / 2)
    expected = sum(loss.generator(fake, LOGITS.real) for fake in LOGITS[1:]) / 2
    torch.testing.assert_close(Binary(loss=loss).decoder(LOGITS), expected)


def test_three_way_numbers():
    table = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, -1.0], [0.0, 1.0, log(2)]], dtype=torch.float64)
    on = Judged(table[:1], table[1:2], table[2:])
    one, two, three = log(exp(2) + 2), log(1 + exp(1) + exp(-1)), log(3 + exp(1))
    terms = ThreeWay().discriminator(on)
    expected = {"real": one - 2, "generated": two - 1, "reconstructed": three - log(2)}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected)
    assert ThreeWay().decoder(on).item() == pytest.approx((two + three) / 2)
    assert ThreeWay().costs(on).tolist() == pytest.approx([one - 2, (two - 1 + three - log(2)) / 2])
    assert ThreeWay().accuracy(Judged(table[:1], table[1:2], table[:1])).item() == pytest.approx(2 / 3)


def test_accuracies():
    assert Binary(loss=NonSaturating()).accuracy(LOGITS).item() == pytest.approx(0.5)
    assert Binary(loss=Wasserstein()).accuracy(LOGITS) is None
