import pytest
import torch

from lightning_gans.core.rng import isolated, stream
from lightning_gans.networks.speech import (
    ContentEncoder,
    PairDiscriminator,
    SpeakerClassifier,
    SpeakerEncoder,
    SpeechDecoder,
)

X = torch.rand(5, 12, 16, generator=stream("speech networks")) * 2 - 1


@pytest.fixture(autouse=True)
def weights():
    with isolated("weights"):
        yield


@pytest.mark.parametrize("frames, steps", [(16, 4), (8, 2), (4, 1)])
def test_shapes(frames, steps):
    x = X[:, :, :frames]
    c = ContentEncoder(mels=12, width=6, content_dim=3)(x)
    s = SpeakerEncoder(mels=12, width=6, speaker_dim=2)(x)
    assert (c.shape, s.shape) == ((5, 3, steps), (5, 2))
    assert SpeechDecoder(mels=12, width=6, content_dim=3, speaker_dim=2)(c, s).shape == x.shape
    assert SpeakerClassifier(content_dim=3, frames=frames, speakers=7, width=4)(c).shape == (5, 7)
    assert PairDiscriminator(content_dim=3, frames=frames, width=4)(c, c.flip(0)).shape == (5,)


def test_a_classifier_reads_what_is_written_small_beside_a_constant():
    classifier = SpeakerClassifier(content_dim=3, frames=8, speakers=4, width=6)
    pairs = PairDiscriminator(content_dim=3, frames=8, width=6)
    c = torch.randn(20, 3, 2, generator=stream("codes"))
    small = 5 + 0.1 * c
    assert torch.allclose(classifier(small), classifier(c), atol=1e-2)
    assert torch.allclose(pairs(small, small.flip(0)), pairs(c, c.flip(0)), atol=1e-2)


def test_binary_codes_are_of_two_numbers_and_have_the_gradient_of_tanh():
    encoder = ContentEncoder(mels=12, width=6, content_dim=3, code="binary")
    real = ContentEncoder(mels=12, width=6, content_dim=3)
    real.load_state_dict(encoder.state_dict())
    assert set(encoder(X).unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(encoder(X) > 0, real(X) > 0)
    encoder(X).square().sum().backward()  # of numbers whose square is 1
    expected = torch.autograd.grad((2 * encoder(X).detach() * real(X).tanh()).sum(), real.head.weight)[0]
    assert torch.allclose(encoder.head.weight.grad, expected, rtol=1e-4, atol=1e-5)


def test_instance_norm_forgets_the_gain_of_a_segment():
    normed = ContentEncoder(mels=12, width=6, content_dim=3, norm="instance").layers[:2]
    plain = ContentEncoder(mels=12, width=6, content_dim=3).layers[:1]
    assert torch.allclose(normed(1.7 * X), normed(X), atol=1e-2)
    assert not torch.allclose(plain(1.7 * X), plain(X), atol=1e-2)


@pytest.mark.parametrize("key", ["norm", "code"])
def test_an_unknown_kind_is_refused(key):
    with pytest.raises(ValueError, match=f"{key}='batch'"):
        ContentEncoder(**{"mels": 12, "width": 6, "content_dim": 3, key: "batch"})


def test_a_speaker_code_is_of_the_whole_segment():
    encoder = SpeakerEncoder(mels=12, width=6, speaker_dim=2)
    x = X.clone().requires_grad_(True)
    encoder(x).sum().backward()
    assert (x.grad.abs().sum((0, 1)) > 0).all()
