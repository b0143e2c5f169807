"""Every loss on logits: golden values and slopes, shapes, and float32 at logits of any size."""

from math import exp, log

import pytest
import torch

from lightning_gans.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)

SEPARABLE = {
    "minimax": Minimax(),
    "non-saturating": NonSaturating(),
    "least squares 0, 1, 1": LeastSquares(),
    "least squares -1, 1, 0": LeastSquares(a=-1.0, b=1.0, c=0.0),
    "hinge": Hinge(),
    "wasserstein": Wasserstein(),
}
RELATIVISTIC = {"pairing": RelativisticPairing(), "average": RelativisticAverage()}
EACH = pytest.mark.parametrize("loss", SEPARABLE.values(), ids=SEPARABLE)
BOTH = [Minimax(), NonSaturating()]
LOGITS = [-10.0, -1.0, 0.0, 0.5, 2.0, 10.0]


def slope(loss, logit):
    x = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(x), x)
    return gradient.item()


def sigmoid(t):
    return 1 / (1 + exp(-t))


SLOPES = {  # of D's loss on real and on fake logits, and of G's
    "minimax": (lambda t: sigmoid(t) - 1, sigmoid, lambda t: -sigmoid(t)),
    "non-saturating": (lambda t: sigmoid(t) - 1, sigmoid, lambda t: sigmoid(t) - 1),
    "least squares 0, 1, 1": (lambda t: t - 1, lambda t: t, lambda t: t - 1),
    "least squares -1, 1, 0": (lambda t: t - 1, lambda t: t + 1, lambda t: t),
    "hinge": (lambda t: -float(t < 1), lambda t: float(t > -1), lambda t: -1.0),
    "wasserstein": (lambda t: -1.0, lambda t: 1.0, lambda t: -1.0),
}


@pytest.mark.parametrize("logit", LOGITS)
@pytest.mark.parametrize("name", SEPARABLE)
def test_slopes_are_the_closed_forms(name, logit):
    if name == "hinge" and abs(logit) == 1:
        logit *= 0.99  # not at a kink
    loss = SEPARABLE[name]
    found = [slope(term, logit) for term in (loss.real, loss.fake, loss.generator)]
    assert found == pytest.approx([expected(logit) for expected in SLOPES[name]], rel=1e-9, abs=1e-15)


def test_when_d_is_sure_one_generator_loss_saturates_and_the_other_does_not():
    assert slope(Minimax().generator, -10) == pytest.approx(-4.54e-5, abs=1e-7)
    assert slope(NonSaturating().generator, -10) == pytest.approx(-0.99995, abs=1e-5)


def test_values_where_d_cannot_tell():
    zero = torch.zeros(5)
    for loss in BOTH:
        assert (loss.real(zero) + loss.fake(zero)).item() == pytest.approx(2 * log(2), abs=1e-6)
    assert Minimax().generator(zero).item() == pytest.approx(-0.693147, abs=1e-6)
    assert NonSaturating().generator(zero).item() == pytest.approx(0.693147, abs=1e-6)
    assert (Hinge().real(zero) + Hinge().fake(zero)).item() == 2
    assert (LeastSquares().real(zero) + LeastSquares().fake(zero)).item() == 0.5
    for loss in RELATIVISTIC.values():
        terms = loss.discriminator(zero, zero)
        assert sum(terms.values()).item() == pytest.approx(len(terms) * log(2), abs=1e-6)


@EACH
def test_float32_is_enough_for_logits_of_any_size(loss):
    logits = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4], requires_grad=True)
    exact = logits.detach().double().requires_grad_()
    for term in (loss.real, loss.fake, loss.generator):
        values, exact_values = (torch.stack([term(x) for x in each]) for each in (logits, exact))
        (gradient,) = torch.autograd.grad(values.sum(), logits)
        (exact_gradient,) = torch.autograd.grad(exact_values.sum(), exact)
        torch.testing.assert_close(values.double(), exact_values, rtol=1e-6, atol=1e-30)
        torch.testing.assert_close(gradient.double(), exact_gradient, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("loss", BOTH, ids=lambda loss: type(loss).__name__)
def test_a_wrong_and_sure_d_pays_in_proportion(loss):
    assert loss.real(torch.tensor([-1e4])).item() == 1e4  # and no infinity where a log of a sigmoid would have one
    assert loss.fake(torch.tensor([1e4])).item() == 1e4


@pytest.mark.parametrize("shape", [(), (7,), (7, 1), (3, 1, 4, 4)])
@EACH
def test_logits_of_any_shape_are_averaged(loss, shape):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for term in (loss.real, loss.fake, loss.generator):
        each = torch.stack([term(logit) for logit in logits.flatten()])
        torch.testing.assert_close(term(logits), each.mean())
        assert term(logits).shape == ()


@EACH
def test_the_boundary_tells_real_from_fake(loss):
    if loss.boundary is None:
        assert loss.accuracy(torch.ones(2), torch.zeros(2)) is None
        return
    above, below = torch.tensor([0.1, 0.2, 0.3, 0.4]) + loss.boundary, torch.tensor([-0.1]) + loss.boundary
    assert loss.accuracy(above, below).item() == 1
    assert loss.accuracy(below, above).item() == 0
    assert loss.accuracy(torch.cat([above[:3], below]), below).item() == pytest.approx(0.875)


def test_labels_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match=r"a=1.0, b=0.0"):
        LeastSquares(a=1.0, b=0.0)


# Relativistic


def pair_of_logits(n=5, scale=1.0, dtype=torch.float64):
    real, fake = scale * torch.randn(2, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return real.to(dtype).requires_grad_(), fake.to(dtype).requires_grad_()


def slopes(value, *logits):
    return torch.autograd.grad(value, logits)


def test_pairs_are_compared_one_by_one():
    loss, (real, fake) = RelativisticPairing(), pair_of_logits()
    sure = (fake - real).detach().sigmoid() / 5
    torch.testing.assert_close(slopes(sum(loss.discriminator(real, fake).values()), real, fake), (-sure, sure))
    unsure = (real - fake).detach().sigmoid() / 5
    torch.testing.assert_close(slopes(loss.generator(fake, real), real, fake), (unsure, -unsure))
    assert loss.accuracy(real, fake).item() == pytest.approx(0.4)  # two of the five pairs


def test_each_is_compared_with_the_mean_of_the_others():
    loss, (real, fake) = RelativisticAverage(), pair_of_logits()

    def expected(real, fake):
        """Gradients of mean sp(E fake - real) + mean sp(fake - E real)."""
        on_real, on_fake = (fake.mean() - real).sigmoid(), (fake - real.mean()).sigmoid()
        return -(on_real + on_fake.mean()) / 5, (on_fake + on_real.mean()) / 5

    found = slopes(sum(loss.discriminator(real, fake).values()), real, fake)
    torch.testing.assert_close(found, expected(real.detach(), fake.detach()))
    found = slopes(loss.generator(fake, real), fake, real)  # the roles swapped
    torch.testing.assert_close(found, expected(fake.detach(), real.detach()))


@pytest.mark.parametrize("loss", RELATIVISTIC.values(), ids=RELATIVISTIC)
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_comparisons_need_no_more_than_float32(loss, scale):
    exact = [value.detach().float().double().requires_grad_() for value in pair_of_logits(scale=scale)]
    logits = [value.detach().float().requires_grad_() for value in exact]
    for value_of in (lambda r, f: sum(loss.discriminator(r, f).values()), lambda r, f: loss.generator(f, r)):
        value, exact_value = value_of(*logits), value_of(*exact)
        torch.testing.assert_close(value.double(), exact_value, rtol=1e-5, atol=1e-6)
        for found, wanted in zip(slopes(value, *logits), slopes(exact_value, *exact), strict=True):
            torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", RELATIVISTIC.values(), ids=RELATIVISTIC)
def test_a_comparing_generator_asks_for_real_logits(loss):
    with pytest.raises(ValueError, match=f"{type(loss).__name__} compares"):
        loss.generator(torch.zeros(3))
