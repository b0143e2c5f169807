"""Model of noise and codes: samples, inferred codes, and the protocols that it does not satisfy."""

import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Categorical, Mixed, Normal, Uniform
from lightning_gans.core.protocols import Categorises, Encodes, Interpolates, Reconstructs, Samples, Traverses
from lightning_gans.core.rng import isolated, stream
from lightning_gans.models.infogan import InfoGANModel
from lightning_gans.networks.encoders import MLPEncoder
from lightning_gans.networks.mlp import MLPGenerator

CODES = (Uniform(dim=2, bound=1.0), Categorical(dim=3), Normal(dim=1), Categorical(dim=2))


def model(codes=CODES, noise=4):
    dim = sum(code.dim for code in codes)
    with isolated("model"):
        return InfoGANModel(
            generator=MLPGenerator(
                latent_dim=noise + dim, sample_shape=(5,), width=8, depth=1, batch_norm=True, output="linear"
            ),
            noise=Uniform(dim=noise, bound=1.0),
            codes=codes,
            encoder=MLPEncoder(sample_shape=(5,), code_dim=max(dim, 1), width=8, depth=2, batch_norm=True),
        )


def samples(n=9):
    return torch.randn(n, 5, generator=stream("x"))


def test_the_prior_is_noise_and_then_the_codes():
    prior = model().prior
    assert isinstance(prior, Mixed)
    assert [type(part) for part in prior.parts] == [Uniform, Uniform, Categorical, Normal, Categorical]
    z = prior.sample(50, stream("z"))
    numbers, category, normal, other = model().by_code(z)
    assert torch.equal(torch.cat([numbers, category, normal, other], 1), z[:, 4:])
    assert torch.equal(category.sum(1), torch.ones(50))
    assert numbers.abs().max() <= 1
    assert normal.abs().max() > 1


def test_codes_are_probabilities_and_means():
    m, x = model().eval(), samples()
    raw, code = m.recognise(x), m.encode(x)
    assert torch.equal(code[:, :2], raw[:, :2])
    assert torch.allclose(code[:, 2:5], raw[:, 2:5].softmax(1))
    assert torch.equal(code[:, 5], raw[:, 5])
    assert torch.allclose(code[:, 6:], raw[:, 6:].softmax(1))
    assert not code.requires_grad
    assert raw.requires_grad
    assert m.features(x).shape == (9, 8)


def test_the_first_category_sorts_samples():
    m, x = model(), 10 * samples(40)
    found = m.category(x)
    assert found.dtype == torch.int64
    assert torch.equal(found, m.eval().recognise(x)[:, 2:5].argmax(1))
    assert set(found.tolist()) == {0, 1, 2}
    assert m.categories == 3


def test_what_it_can_do():
    for protocol in (Samples, Interpolates, Encodes, Traverses, Categorises):
        assert isinstance(model(), protocol)
    assert not isinstance(model(), Reconstructs)  # q says nothing of the noise
    assert not isinstance(model(codes=[Normal(dim=2)]), Categorises)


def test_a_traversal_moves_codes_and_holds_the_noise():
    """Five axes (2 uniform, a category, a normal, a category) in an identity, which shows (z, c) itself."""
    m = model()
    m.generator = nn.Identity()
    shown = m.traverse(3, seed=1, start=70)
    held = m.codes(1, seed=1)[6]
    assert shown.shape == (5, 3, 12)
    moves = (shown != held).any(1)
    assert not moves[:, :4].any()
    assert [row.nonzero().flatten().tolist() for row in moves[:2]] == [[4], [5]]
    assert torch.equal(shown[2, :, 6:9], torch.eye(3))
    assert shown[3, :, 9].tolist() == [-2.0, 0.0, 2.0]
    assert set(moves[4].nonzero().flatten().tolist()) == {10, 11}


def test_batch_statistics_of_the_encoder_are_re_estimated():
    m, x = model(), samples(200) + 3
    m.calibrate_on([x])
    norm = next(layer for layer in m.encoder.modules() if isinstance(layer, nn.BatchNorm1d))
    before = m.encoder.features[:4](x)
    assert torch.allclose(norm.running_mean, before.mean(0), atol=1e-4)


@pytest.mark.parametrize("codes", [[], [Categorical(dim=2), Mixed(parts=[Normal(dim=1)])]])
def test_codes_that_q_has_no_form_for(codes):
    with pytest.raises(ValueError, match=r"codes=\[.*\]: one or more, each of them Categorical, Uniform or Normal"):
        model(codes=codes)


def test_each_category_is_drawn_from_the_same_noise():
    m = model()
    m.generator = nn.Identity()
    shown = m.by_category(2, seed=1)
    assert shown.shape == (3, 2, 12)
    assert torch.equal(shown[:, :, 6:9], torch.eye(3)[:, None].expand(3, 2, 3))
    rest = torch.cat([shown[:, :, :6], shown[:, :, 9:]], dim=2)
    assert torch.equal(rest, rest[:1].expand_as(rest))
    assert not torch.equal(rest[0, 0], rest[0, 1])
